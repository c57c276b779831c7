/* The dialect of OpenAI's chat completions (platform.openai.com/docs/api-reference/chat), as
 * Ollama, vLLM, llama.cpp and others speak it too: conversation -> request body, answer body or
 * stream chunk -> what the model said. Pure; a dialect is one thread's at a time. */
#ifndef WEIR_LLM_OPENAI_H
#define WEIR_LLM_OPENAI_H

#include "shared/base/buf.h"
#include "shared/flow/conversation.h"
#include "shared/llm/llm.h"
#include "shared/llm/memo.h"

struct openai {
    const char *model; /* the default; borrowed */
    struct memo schemas;
};

void openai_init(struct openai *openai, const char *default_model);
void openai_fini(struct openai *openai);

/* Appends the request body; the caller looks at out->overflow. Texts must be UTF-8. */
void openai_write(struct openai *openai, const struct conversation *what, struct buf *out);

/* What was read, as result->end says:
 * LLM_DONE: *text is valid until the reading is finished with openai_drop; for a chunk it may be
 * empty. Else result->reason says why, and there is nothing in *text. Usage is filled in where it
 * was said. */
struct openai_text {
    struct span text;
    void *document; /* owns the text; opaque */
};

/* A unary answer: result->http_status says how to read it. */
void openai_read(struct span body, struct llm_result *result, struct openai_text *text);
/* One event of a stream, not the end marker. */
void openai_read_chunk(struct span name, struct span data, struct llm_result *result,
                       struct openai_text *text);
/* "[DONE]", the only end marker. */
bool openai_is_end(struct span data);
/* Harmless on a zeroed or dropped one. */
void openai_drop(struct openai_text *text);

/* The end that an HTTP status stands for; LLM_DONE for 2xx. */
enum llm_end openai_end_of_status(int status);

/* `schema` as the member json_schema of response_format wants it: `"strict":true,"schema":{...}`,
 * without the keywords that the strict mode refuses; strict is false where the schema has optional
 * or free members, which that mode refuses as a whole. Nothing when it is no JSON object. */
void openai_write_schema(const char *schema, struct buf *out);

#endif
