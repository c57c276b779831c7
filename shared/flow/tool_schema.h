/* Holds a value that a model wrote against a JSON Schema of ours.
 *
 * Understood: type (object, array, string, integer, number, boolean), properties, required,
 * additionalProperties false, items, enum of strings, minimum, maximum, minLength, maxLength,
 * maxItems. Pure; any thread. */
#ifndef WEIR_FLOW_TOOL_SCHEMA_H
#define WEIR_FLOW_TOOL_SCHEMA_H

#include "shared/base/buf.h"
#include "shared/base/must.h"

#include <jansson.h>

/* False: `problem` says what is wrong first, as words for the model ("arguments.city is missing").
 * `schema` is trusted, and no deeper than the stack allows. */
MUST_USE bool tool_schema_fits(const json_t *schema, const json_t *value, struct buf *problem);

#endif
