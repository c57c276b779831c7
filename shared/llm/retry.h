/* What follows when an attempt to reach a model has failed (C7, C8). Pure.
 *
 * The same upstream is asked again only after connection errors and the statuses that pass (408,
 * 429, 500, 502, 503, 504, 529), at most so many times a call, while there is time left, and while
 * the upstream's retry budget lasts. The wait is a random part of a bound that doubles ("full
 * jitter", M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015), or what
 * Retry-After says. The next upstream is asked when that is not to be done or does not help, unless
 * it could not help either: it was the request or its content that was refused.
 *
 * Nothing of this is for calls of which a piece was handed out; they just end. */
#ifndef WEIR_LLM_RETRY_H
#define WEIR_LLM_RETRY_H

#include "shared/llm/llm.h"

enum {
    RETRY_BASE_MS = 250,
    RETRY_CAP_MS = 4000, /* also the longest Retry-After that is waited for while another is left */
    RETRY_LEAST_MS = 1
};

struct retry_question {
    enum llm_end end;
    int http_status;
    bool connection_error; /* reset, refused, closed early, not resolved, not connected in time */
    uint64_t retry_after_ms;
    unsigned retries; /* made so far */
    unsigned retries_most;
    uint64_t left_ms;  /* until nobody waits any more */
    bool refused;      /* the upstream's breaker is open by now */
    bool another_left; /* there is another upstream */
    uint64_t random;
};

enum retry_answer { RETRY_NOT, RETRY_SAME, RETRY_NEXT };

/* *wait_ms is for RETRY_SAME, which the caller still has to pay for from the budget; where that is
 * empty, ask again with retries_most = 0. */
enum retry_answer retry_decide(const struct retry_question *question, uint64_t *wait_ms);

#endif
