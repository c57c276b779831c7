/* A provider as the process knows it: where it is, how it is spoken to, how it has been doing.
 *
 * One object a provider, shared by all workers; set up before them and gone after them. The plain
 * members are fixed after start; the breaker, the budget and the key lock themselves. */
#ifndef WEIR_LLM_UPSTREAM_H
#define WEIR_LLM_UPSTREAM_H

#include "shared/llm/dialect.h"
#include "shared/llm/key.h"
#include "shared/policy/breaker.h"
#include "shared/policy/retry_budget.h"

/* Strings are borrowed and must outlive the upstream. */
struct llm_upstream {
    const struct dialect *dialect;
    const char *name;     /* for logs and metrics: "openai", "openai-2" */
    const char *base_url; /* "https://api.openai.com/v1", no slash at the end */
    const char *model;    /* for prompts that name none, and for all calls of a fallback */
    bool needs_key;       /* not to be called before it has one */
    struct llm_key *key;  /* not owned: fallbacks of one provider share it; NULL: none is sent */
    struct breaker breaker;
    struct retry_budget budget;
    atomic_uint_fast64_t calls, retries,
        fallbacks; /* attempts; of them again; moved on from here */
    atomic_uint_fast64_t input_tokens, output_tokens;
};

struct llm_upstream_stats {
    const char *name;
    uint64_t calls, retries, fallbacks, input_tokens, output_tokens;
    struct breaker_stats breaker;
    struct retry_budget_stats budget;
};

/* The plain members are the caller's to fill in, before. */
void llm_upstream_init(struct llm_upstream *upstream, const struct breaker_settings *settings);
void llm_upstream_fini(struct llm_upstream *upstream);
void llm_upstream_stats(struct llm_upstream *upstream, struct llm_upstream_stats *stats);

/* May it not be asked, because it needs a key and has none yet? */
bool llm_upstream_lacks_key(const struct llm_upstream *upstream);
/* Would it be asked now: with its key, through its breaker? */
bool llm_upstream_is_usable(struct llm_upstream *upstream, tick_ms now_ms);

#endif
