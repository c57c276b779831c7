/* The parts of the dialect of Anthropic's messages. Pure, and with the rules of dialect.h.
 * Source: docs.anthropic.com, API reference, Messages. */
#ifndef WEIR_LLM_ANTHROPIC_H
#define WEIR_LLM_ANTHROPIC_H

#include "shared/llm/dialect.h"

/* A structured answer is asked for as the input of a tool that the model has to call. */
void anthropic_write(const struct dialect_request *request, struct buf *out);
/* `schema` as a tool's input_schema; nothing when it is no schema of a JSON object. */
void anthropic_write_schema(const char *schema, struct buf *out);
void anthropic_read(struct span body, struct llm_result *result, struct dialect_text *text);
/* The end marker is message_stop. */
void anthropic_read_event(struct span name, struct span data, struct llm_result *result,
                          struct dialect_text *text);

#endif
