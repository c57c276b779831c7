/* Protobuf wire bytes -> message, safely. Pure; any thread.
 *
 * protobuf-c recurses without bound, keeps invalid UTF-8 and embedded NULs, and amplifies memory
 * up to 70 times; so the bytes are walked first against the contract's tables (depth, wire types,
 * UTF-8, NUL, field count), and unpacking allocates from the arena, whose budget bounds it. */
#ifndef WEIR_FLOW_WIRE_H
#define WEIR_FLOW_WIRE_H

#include "shared/base/arena.h"
#include "shared/base/must.h"
#include "shared/flow/contract.h"

enum wire_result {
    WIRE_FINE,
    WIRE_MALFORMED, /* truncated, bad varint, wrong wire type, group */
    WIRE_TEXT,      /* a string is not UTF-8 or holds a NUL: `path` says which */
    WIRE_DEPTH,     /* nested deeper than 32 */
    WIRE_MEMORY     /* the arena's budget is used up */
};

struct wire_error {
    struct span path;    /* in the arena; empty where it cannot be said */
    struct span message; /* a sentence for the caller; static or in the arena */
};

/* Empty input gives the empty message. Unknown fields are skipped and not kept. On WIRE_FINE
 * *message is in `arena`; never free it by protobuf-c. */
MUST_USE enum wire_result wire_read(struct span bytes, const struct contract_message *type,
                                    struct arena *arena, ProtobufCMessage **message,
                                    struct wire_error *error);

#endif
