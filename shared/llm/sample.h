/* A value that fits a JSON Schema, made without a model: what the offline model answers where a
 * structured answer is asked for. Pure and deterministic.
 *
 * Understood: object, array, string, integer, number, boolean, enum, minimum, maximum, minLength,
 * maxLength, pattern (best effort), format uri, contentEncoding base64, minItems, maxItems,
 * required, additionalProperties: what proto/compiler writes. Strings say that they are the offline
 * model's, as far as their rules let them. */
#ifndef WEIR_LLM_SAMPLE_H
#define WEIR_LLM_SAMPLE_H

#include "shared/base/buf.h"

/* Appends the value as JSON; nothing when `schema` is no JSON object. */
void sample_write(const char *schema, struct buf *out);

#endif
