/* LLM_FALLBACKS: providers that are asked, in this order, when the one before cannot answer.
 *
 *   list     = fallback *("," fallback)          spaces around each are ignored
 *   fallback = provider ":" model ["@" URL]      "anthropic:claude-sonnet-4-5",
 *                                                "openai:llama3.2:3b@http://127.0.0.1:11434/v1"
 * The URL begins at the first "@http", so a model's name may have an @ in it. Pure. */
#ifndef WEIR_SERVER_FALLBACKS_H
#define WEIR_SERVER_FALLBACKS_H

#include "shared/base/must.h"
#include "shared/llm/dialect.h"

enum { FALLBACKS_MOST = 7, FALLBACK_TEXT_BYTES = 1100 };

struct fallback {
    const struct dialect *dialect;
    char model[200];
    char url[FALLBACK_TEXT_BYTES]; /* without a slash at its end; "": the provider's own */
};

struct fallbacks {
    struct fallback list[FALLBACKS_MOST];
    size_t count;
};

/* One of them, without spaces around it; false: `error` says what is wrong. */
MUST_USE bool fallback_parse(struct span part, struct fallback *fallback, char error[200]);
/* False: `error` says which part is wrong. URLs are cut out, not checked. */
MUST_USE bool fallbacks_parse(const char *text, struct fallbacks *fallbacks, char error[200]);

#endif
