/* One JSON value -> one scalar of a message, by the proto3 JSON mapping. Internal to json_read.
 * Pure; any thread. */
#ifndef WEIR_FLOW_JSON_SCALAR_H
#define WEIR_FLOW_JSON_SCALAR_H

#include "shared/flow/json.h"
#include "shared/flow/json_text.h"

/* Stores `value` at `to`, which has the field's element size (json_scalar_size). Memory for texts
 * and bytes comes from `arena`. On JSON_SHAPE and JSON_MEMORY error->rule and ->message are set and
 * the path is the caller's to say. Not for MESSAGE fields. */
MUST_USE enum json_result json_scalar_read(const json_t *value,
                                           const ProtobufCFieldDescriptor *field,
                                           struct arena *arena, void *to, struct json_error *error);

/* The same for a map's key, which JSON always writes as a string. */
MUST_USE enum json_result json_scalar_read_key(struct span key,
                                               const ProtobufCFieldDescriptor *field,
                                               struct arena *arena, void *to,
                                               struct json_error *error);

#endif
