/* JSON text -> jansson's tree, within bounds, with errors that say where.
 *
 * jansson alone would accept any depth up to its own, reports no path, and cannot hold integers
 * beyond 64 bits signed; so the bytes are looked over first. Pure; any thread. The tree's memory
 * comes from the heap: the bounds here limit it to a fixed multiple of the text. */
#ifndef WEIR_FLOW_JSON_TEXT_H
#define WEIR_FLOW_JSON_TEXT_H

#include "shared/flow/json.h"

#include <jansson.h>

enum { JSON_MOST_LEVELS = 32, JSON_MOST_TOKENS = 100000 };

/* Parses the whole of `text`, any kind of value. On JSON_FINE the caller owns *tree; on any other
 * result `error` is filled in. `scratch` holds a copy of the text when one is needed, and the
 * error's texts.
 *
 * Integers of 19 digits and more come as strings that begin with a NUL character; no other string
 * holds one, such texts are refused here. json_text_number tells. */
MUST_USE enum json_result json_text_load(struct span text, struct arena *scratch, json_t **tree,
                                         struct json_error *error);

/* Is `value` a long integer in disguise? Then *digits are its text, which lives with `value`. */
bool json_text_number(const json_t *value, struct span *digits);

/* Is `text` one JSON object, within the same bounds? */
MUST_USE bool json_text_is_object(struct span text, struct arena *scratch);

#endif
