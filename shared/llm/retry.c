#include "shared/llm/retry.h"

static bool passes(const struct retry_question *question)
{
    static const int statuses[] = {408, 429, 500, 502, 503, 504, 529};
    if (question->connection_error)
        return true;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (question->http_status == statuses[i])
            return true;
    return false;
}

/* Could another provider do better? Not with a request that is at fault itself. */
static bool another_helps(const struct retry_question *question)
{
    int status = question->http_status;
    switch (question->end) {
    case LLM_DONE:
    case LLM_FILTERED:
    case LLM_TOO_LARGE:
        return false;
    case LLM_REJECTED: /* our key, our quota, a model that is gone */
        return status == 401 || status == 402 || status == 403 || status == 404;
    default:
        return true;
    }
}

static uint64_t wait_of(const struct retry_question *question)
{
    uint64_t bound_ms = RETRY_CAP_MS;
    if (question->retries < 4 && (uint64_t)RETRY_BASE_MS << question->retries < bound_ms)
        bound_ms = (uint64_t)RETRY_BASE_MS << question->retries;
    if (question->retry_after_ms >
        0) /* all were told the same: they should not come back at once */
        return question->retry_after_ms + question->random % RETRY_BASE_MS;
    return RETRY_LEAST_MS + question->random % bound_ms;
}

enum retry_answer retry_decide(const struct retry_question *question, uint64_t *wait_ms)
{
    enum retry_answer next =
        question->another_left && another_helps(question) ? RETRY_NEXT : RETRY_NOT;
    *wait_ms = wait_of(question);
    if (question->end == LLM_DONE || question->refused || !passes(question) ||
        question->retries >= question->retries_most || *wait_ms >= question->left_ms)
        return next;
    if (next == RETRY_NEXT && question->retry_after_ms > RETRY_CAP_MS)
        return next;
    return RETRY_SAME;
}
