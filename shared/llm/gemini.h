/* The parts of the dialect of Gemini's generateContent. Pure, and with the rules of dialect.h.
 * Source: ai.google.dev, API reference, generateContent and streamGenerateContent. */
#ifndef WEIR_LLM_GEMINI_H
#define WEIR_LLM_GEMINI_H

#include "shared/llm/dialect.h"

void gemini_write(const struct dialect_request *request, struct buf *out);
/* `schema` as responseSchema takes it, a subset of OpenAPI 3.0's
 * (ai.google.dev/api/caching#Schema); nothing when it is no JSON object or that subset cannot
 * express it. */
void gemini_write_schema(const char *schema, struct buf *out);
void gemini_read(struct span body, struct llm_result *result, struct dialect_text *text);
/* The end marker is a candidate's finishReason. */
void gemini_read_event(struct span name, struct span data, struct llm_result *result,
                       struct dialect_text *text);

#endif
