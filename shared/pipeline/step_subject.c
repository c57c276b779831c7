/* By caller, once it is known who that is: is it blocked, and has it calls left? All buckets that
 * apply are checked, then all are taken from, so that a call which one refuses costs none of the
 * others. Successes and refusals tell what is left (draft-ietf-httpapi-ratelimit-headers-11). */
#include "shared/pipeline/limits.h"
#include "shared/pipeline/step.h"

enum { MOST_ASKS = 2, FIELD_BYTES = 256 };

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

static uint64_t whole_seconds(uint64_t ns)
{
    return (ns + 999999999U) / 1000000000U;
}

/* RateLimit-Policy: "public";q=60;w=60   RateLimit: "public";r=59;t=1
 * t is when the quota is whole again; of a refusal, when to try again, as in Retry-After. */
static void tell(struct request *request, const struct asked *asked)
{
    struct buf policy, state;
    buf_init(&policy, &request->arena, FIELD_BYTES);
    buf_init(&state, &request->arena, FIELD_BYTES);
    for (size_t i = 0; i < asked->n; i++) {
        const struct bucket_answer *answer = &asked->answers[i];
        const char *comma = i > 0 ? ", " : "";
        struct rate rate = asked->asks[i].rate;
        uint64_t wait_ns = answer->refused ? answer->retry_after_ns : answer->full_after_ns;
        buf_printf(&policy, "%s\"%s\";q=%u;w=%llu", comma, asked->policies[i], rate.count,
                   (unsigned long long)rate_period_seconds(rate));
        buf_printf(&state, "%s\"%s\";r=%u;t=%llu", comma, asked->policies[i], answer->remaining,
                   (unsigned long long)whole_seconds(wait_ns));
    }
    request_note(request, "ratelimit-policy", buf_span(&policy));
    request_note(request, "ratelimit", buf_span(&state));
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
    tell(request, &asked);
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
