/* By caller, once it is known who that is: is it blocked, and has it calls left? All buckets that
 * apply are checked, then all are taken from, so that a call which one refuses costs none of the
 * others. Successes and refusals tell what is left (draft-ietf-httpapi-ratelimit-headers-11). */
#include "shared/pipeline/limits.h"
#include "shared/pipeline/step.h"

enum { MOST_ASKS = 2 };

struct asked {
    const char *policies[MOST_ASKS];
    struct bucket_ask asks[MOST_ASKS];
    struct bucket_answer answers[MOST_ASKS];
    size_t n;
};

static void add(struct asked *asked, const char *policy, enum bucket_lane lane, struct rate rate)
{
    must(asked->n < MOST_ASKS);
    asked->policies[asked->n] = policy;
    asked->asks[asked->n++] = (struct bucket_ask){.lane = lane, .rate = rate, .cost = 1};
}

static struct rate key_rate(const struct limits_settings *settings, const struct identity *identity)
{
    uint64_t count = identity->limit_count < RATE_MOST ? identity->limit_count : RATE_MOST;
    if (count == 0)
        return settings->api_key;
    must(identity->limit_period_ms > 0);
    return (struct rate){(uint32_t)count, identity->limit_period_ms * 1000000U};
}

static void add_calls(struct asked *asked, const struct limits_settings *settings,
                      const struct identity *identity)
{
    switch (identity->kind) {
    case IDENTITY_NONE:
        add(asked, "public", BUCKET_CALLS, settings->anonymous);
        break;
    case IDENTITY_TOKEN:
    case IDENTITY_CERTIFICATE:
        add(asked, "authenticated", BUCKET_CALLS, settings->authenticated);
        break;
    case IDENTITY_API_KEY:
        add(asked, "api-key", BUCKET_CALLS, key_rate(settings, identity));
        break;
    }
}

/* Who goes on and on at a closed door does not mean well. */
static void count_burst(struct request *request, struct siphash peer, uint64_t now_ns)
{
    struct limits *limits = request->worker->core->limits;
    struct bucket_ask burst = {.lane = BUCKET_BURST, .rate = limits->settings.burst, .cost = 1};
    struct bucket_answer answer;
    if (!bucket_take(limits->buckets, peer, &burst, 1, now_ns, &answer))
        limits_violation(request, "content.burst");
}

static enum step_result limit(struct request *request, struct siphash peer, struct verdict *verdict)
{
    const struct core *core = request->worker->core;
    const struct limits_settings *settings = &core->limits->settings;
    struct asked asked = {.n = 0};
    uint64_t now_ns = core->now_ns(), retry_ns = 0;
    add_calls(&asked, settings, &request->identity);
    if (request->given.method->limit == CONTRACT_LIMIT_HEAVY)
        add(&asked, "heavy", BUCKET_HEAVY, settings->heavy);
    bool passed =
        bucket_take(core->limits->buckets, peer, asked.asks, asked.n, now_ns, asked.answers);
    limits_tell(request, asked.policies, asked.asks, asked.answers, asked.n);
    if (passed)
        return STEP_NEXT;
    for (size_t i = 0; i < asked.n; i++)
        if (asked.answers[i].retry_after_ns > retry_ns)
            retry_ns = asked.answers[i].retry_after_ns;
    count_burst(request, peer, now_ns);
    *verdict = (struct verdict){.code = VERDICT_RATE_LIMITED,
                                .retry_after_ms = (retry_ns + 999999U) / 1000000U};
    return STEP_END;
}

enum step_result step_subject(struct request *request, struct verdict *verdict)
{
    const struct core *core = request->worker->core;
    struct limits *limits = core->limits;
    if (limits == NULL || request->given.method->limit == CONTRACT_LIMIT_EXEMPT)
        return STEP_NEXT;
    struct siphash peer = limits_peer(request);
    uint64_t blocked_ms =
        violations_blocked_ms(limits->violations, peer, core->now_ns() / 1000000U);
    if (blocked_ms > 0) {
        *verdict = (struct verdict){.code = VERDICT_BLOCKED, .retry_after_ms = blocked_ms};
        return STEP_END;
    }
    return limits->settings.rates_on ? limit(request, peer, verdict) : STEP_NEXT;
}
