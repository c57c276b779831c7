#include "shared/llm/upstream.h"

void llm_upstream_init(struct llm_upstream *upstream, const struct breaker_settings *settings)
{
    breaker_init(&upstream->breaker, settings);
    retry_budget_init(&upstream->budget);
    atomic_init(&upstream->calls, 0);
    atomic_init(&upstream->retries, 0);
    atomic_init(&upstream->fallbacks, 0);
    atomic_init(&upstream->input_tokens, 0);
    atomic_init(&upstream->output_tokens, 0);
}

void llm_upstream_fini(struct llm_upstream *upstream)
{
    breaker_fini(&upstream->breaker);
}

void llm_upstream_stats(struct llm_upstream *upstream, struct llm_upstream_stats *stats)
{
    *stats = (struct llm_upstream_stats){.name = upstream->name,
                                         .calls = atomic_load(&upstream->calls),
                                         .retries = atomic_load(&upstream->retries),
                                         .fallbacks = atomic_load(&upstream->fallbacks),
                                         .input_tokens = atomic_load(&upstream->input_tokens),
                                         .output_tokens = atomic_load(&upstream->output_tokens)};
    breaker_stats(&upstream->breaker, &stats->breaker);
    retry_budget_stats(&upstream->budget, &stats->budget);
}

bool llm_upstream_lacks_key(const struct llm_upstream *upstream)
{
    return upstream->needs_key && (upstream->key == NULL || llm_key_version(upstream->key) == 0);
}

bool llm_upstream_is_usable(struct llm_upstream *upstream, tick_ms now_ms)
{
    return !llm_upstream_lacks_key(upstream) && breaker_wait_ms(&upstream->breaker, now_ms) == 0;
}
