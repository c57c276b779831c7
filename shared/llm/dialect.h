/* A provider's wire: how a conversation is asked and how the answer is read. One table of functions
 * a provider; everything else (connections, time-outs, retries) is the client's.
 *
 * Pure; the functions may be used by any thread, each on its own objects. Unknown members of an
 * answer are ignored, missing ones are LLM_GARBLED. Texts of a request must be UTF-8; texts of an
 * answer are UTF-8 without NUL. What a provider says about an error stays in here: only words of
 * its lists (types, codes), cut to harmless characters, go to result->reason, which is for the log.
 */
#ifndef WEIR_LLM_DIALECT_H
#define WEIR_LLM_DIALECT_H

#include "shared/base/buf.h"
#include "shared/flow/conversation.h"
#include "shared/llm/llm.h"

struct dialect_request {
    const struct conversation *what;
    struct span model;
    struct span schema; /* what write_schema made of what->schema; empty: there is none, or it made
                         * nothing */
};

/* What was read; lives no longer than the bytes that it was read from. A zeroed one is empty. */
struct dialect_text {
    struct span text;  /* may be empty; at is NULL when there was none at all */
    bool last;         /* of an event: the stream's end marker, perhaps with text */
    void *document;    /* owns the text; opaque */
    struct buf joined; /* owns it where it came in several parts */
};

struct dialect {
    const char *name;      /* "openai" */
    const char *usual_url; /* where the provider itself is */
    const char *usual_model;
    const char *key_header;   /* "Authorization: Bearer ": the key goes behind it */
    const char *fixed_header; /* one more line; NULL: none */
    /* The path behind the base URL. */
    void (*write_path)(struct span model, bool stream, struct buf *out);
    /* A JSON Schema as the provider takes it; nothing where it cannot take it. */
    void (*write_schema)(const char *schema, struct buf *out);
    /* The request's body; the caller looks at out->overflow. */
    void (*write)(const struct dialect_request *request, struct buf *out);
    /* A unary answer; result->http_status says how to read it. result->end says what came of it:
     * LLM_DONE: there is a text, or result->drafts has calls of tools, where it is not NULL. Else
     * there is none, and result->reason says why. Usage and the stop reason are filled in where
     * they were said. */
    void (*read)(struct span body, struct llm_result *result, struct dialect_text *text);
    /* One event of a stream; the same. An error event sets result->http_status to the status that
     * it stands for, where the provider says so. */
    void (*read_event)(struct span name, struct span data, struct llm_result *result,
                       struct dialect_text *text);
};

/* platform.openai.com/docs/api-reference/chat, as Ollama, vLLM, llama.cpp and others speak it. */
extern const struct dialect dialect_openai;
/* ai.google.dev/api/generate-content */
extern const struct dialect dialect_gemini;
/* docs.anthropic.com/en/api/messages, .../messages-streaming */
extern const struct dialect dialect_anthropic;

/* The name that a structured answer goes by; what->schema is set. Static. */
struct span dialect_answer_name(const struct conversation *what);
/* NULL when there is no such provider. */
const struct dialect *dialect_find(struct span name);
/* Harmless on a zeroed or dropped one. */
void dialect_drop(struct dialect_text *text);
/* The end that an HTTP status stands for; LLM_DONE for 2xx. */
enum llm_end dialect_end_of_status(int status);

#endif
