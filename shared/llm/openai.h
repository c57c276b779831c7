/* The parts of the dialect of OpenAI's chat completions. Pure, and with the rules of dialect.h.
 * Source: platform.openai.com, API reference, Chat Completions. */
#ifndef WEIR_LLM_OPENAI_H
#define WEIR_LLM_OPENAI_H

#include "shared/llm/dialect.h"

void openai_write(const struct dialect_request *request, struct buf *out);
/* `schema` as the member json_schema of response_format wants it: `"strict":true,"schema":{...}`,
 * without the keywords that the strict mode refuses; strict is false where the schema has optional
 * or free members, which that mode refuses as a whole. Nothing when it is no JSON object. */
void openai_write_schema(const char *schema, struct buf *out);
void openai_read(struct span body, struct llm_result *result, struct dialect_text *text);
/* The end marker is "[DONE]" alone. */
void openai_read_event(struct span name, struct span data, struct llm_result *result,
                       struct dialect_text *text);

#endif
