/* JSON <-> message by the proto3 JSON mapping, over the contract's tables. Pure; any thread.
 *
 * Reading is strict (V3): unknown fields are refused with their path, duplicate keys too; at most
 * 32 levels; UTF-8 only and no NUL in strings; 64-bit integers as strings or numbers; enums by name
 * or number; bytes in base64 (both alphabets); a field by its JSON name, its proto name or that in
 * lowerCamelCase; null is absence; of a oneof at most one member. Fields that are grpc_only are
 * unknown here.
 *
 * Writing: every field is written, also those at their default (so that a client sees the shape),
 * except absent messages and unchosen oneof members; grpc_only fields are left out. */
#ifndef WEIR_FLOW_JSON_H
#define WEIR_FLOW_JSON_H

#include "shared/base/arena.h"
#include "shared/base/buf.h"
#include "shared/base/must.h"
#include "shared/flow/contract.h"

enum json_result {
    JSON_FINE,
    JSON_SYNTAX, /* not JSON: `offset` says where */
    JSON_SHAPE,  /* JSON, but not of this message: `path` says where */
    JSON_MEMORY  /* the arena's budget is used up: the peer sent too much */
};

struct json_error {
    size_t offset;       /* JSON_SYNTAX only: the offending byte, or the first of a bad token or
                            escape; the length where the text ends too soon */
    struct span path;    /* "issues[2].line"; empty for the message itself; in the arena */
    struct span rule;    /* short and stable: "unknown_field", "duplicate_field", "type", "depth",
                            "utf8" (NUL too), "range", "enum", "base64", "oneof",
                            "null"; "syntax" and "utf8" with JSON_SYNTAX; "size" with
                            JSON_MEMORY */
    struct span message; /* a sentence for the caller; in the arena or static */
};

/* Empty input and `{}` both give the empty message. On JSON_FINE *message is in `arena`; never
 * free it by protobuf-c. On any other result `error` is filled in. */
MUST_USE enum json_result json_read(struct span text, const struct contract_message *type,
                                    struct arena *arena, ProtobufCMessage **message,
                                    struct json_error *error);

/* The same for what a model says: unknown members are passed over, and so are those that the model
 * is not asked for (any source but CONTRACT_FROM_MODEL). */
MUST_USE enum json_result json_read_lenient(struct span text, const struct contract_message *type,
                                            struct arena *arena, ProtobufCMessage **message,
                                            struct json_error *error);

/* Appends the message. Strings in it must be UTF-8 (json_read, wire_read and the flow see to it).
 */
void json_write(struct buf *out, const struct contract_message *type,
                const ProtobufCMessage *message);

#endif
