/* By address, before anything costs: is it let in at all, is there room for one more request, and
 * has it lately sent so many bad credentials that none of its is looked at for a while? */
#include "shared/pipeline/limits.h"
#include "shared/pipeline/step.h"

/* What is shed may come back soon: places come free all the time. */
enum { SHED_RETRY_MS = 1000 };

static enum step_result refuse(enum verdict_code code, uint64_t retry_after_ms,
                               struct verdict *verdict)
{
    *verdict = (struct verdict){.code = code, .retry_after_ms = retry_after_ms};
    return STEP_END;
}

enum step_result step_address(struct request *request, struct verdict *verdict)
{
    const struct core *core = request->worker->core;
    struct limits *limits = core->limits;
    struct bucket_answer answer;
    const char *policy = "credentials";
    if (limits == NULL || request->given.method->limit == CONTRACT_LIMIT_EXEMPT)
        return STEP_NEXT;
    if (!limits_lets_in(request))
        return refuse(VERDICT_FORBIDDEN_ADDRESS, 0, verdict);
    if (!admission_enter(&limits->flows))
        return refuse(VERDICT_OVERLOADED, SHED_RETRY_MS, verdict);
    request->counted = true;
    if (!limits->settings.rates_on)
        return STEP_NEXT;
    struct bucket_ask bad = limits_bad_credential(limits);
    if (bucket_look(limits->buckets, limits_address_peer(request), &bad, core->now_ns(), &answer))
        return STEP_NEXT;
    limits_tell(request, &policy, &bad, &answer, 1);
    return refuse(VERDICT_RATE_LIMITED, (answer.retry_after_ns + 999999U) / 1000000U, verdict);
}
