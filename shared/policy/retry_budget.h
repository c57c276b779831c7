/* How many retries callers may make in all, so that they do not multiply the load on something that
 * fails (SRE book, "Handling Overload": a retry budget of 10 %; gRPC proposal A6, throttling).
 *
 * A token bucket without a clock: each first attempt pays in a tenth of a retry, each retry takes a
 * whole one out, and at most RETRY_BUDGET_MOST are kept. It begins full, so that a process that is
 * seldom asked may retry, too. Any thread; lock free. */
#ifndef WEIR_POLICY_RETRY_BUDGET_H
#define WEIR_POLICY_RETRY_BUDGET_H

#include "shared/base/must.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { RETRY_BUDGET_MOST = 10, RETRY_BUDGET_PERCENT = 10 };

struct retry_budget {
    atomic_uint hundredths; /* of a retry */
    atomic_uint_fast64_t spent, refused;
};

struct retry_budget_stats {
    uint64_t spent;   /* retries that were allowed */
    uint64_t refused; /* that were not */
    unsigned left;    /* whole ones */
};

void retry_budget_init(struct retry_budget *budget);
/* A first attempt is made. */
void retry_budget_pay(struct retry_budget *budget);
/* May a retry be made? True: it is paid for. */
MUST_USE bool retry_budget_take(struct retry_budget *budget);
void retry_budget_stats(struct retry_budget *budget, struct retry_budget_stats *stats);

#endif
