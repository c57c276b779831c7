/* Tables for shapes.proto, made at run time from protobuf-c's descriptors, so that a test can give
 * its fields any rule. Single-threaded, as the tests are. */
#ifndef WEIR_TESTS_SHAPES_H
#define WEIR_TESTS_SHAPES_H

#include "shared/base/arena.h"
#include "shared/flow/contract.h"
#include "shared/flow/json.h"

#include "shapes.pb-c.h"

/* The table of weir_shapes.Everything: no rules, no defaults, json_name in lower camel case. */
const struct contract_message *everything_type(void);

/* Its field of this proto name, to be changed at will; "f_node.child" goes down. */
struct contract_field *everything_field(const char *path);

/* Forgets all changes. Tables handed out before are gone. */
void everything_reset(void);

/* json_read as an Everything, of an exact copy; there is a message just when it is fine. */
enum json_result everything_read(struct span json, struct arena *arena, ProtobufCMessage **message,
                                 struct json_error *error);

/* The message as JSON, NUL-terminated, in `arena`. */
const char *everything_json(const ProtobufCMessage *message, struct arena *arena);

#endif
