#include "shared/policy/retry_budget.h"

enum { WHOLE = 100 };

void retry_budget_init(struct retry_budget *budget)
{
    atomic_init(&budget->hundredths, RETRY_BUDGET_MOST * WHOLE);
    atomic_init(&budget->spent, 0);
    atomic_init(&budget->refused, 0);
}

void retry_budget_pay(struct retry_budget *budget)
{
    unsigned had = atomic_load(&budget->hundredths), has;
    do {
        has = had + RETRY_BUDGET_PERCENT;
        if (has > RETRY_BUDGET_MOST * WHOLE)
            has = RETRY_BUDGET_MOST * WHOLE;
    } while (has != had && !atomic_compare_exchange_weak(&budget->hundredths, &had, has));
}

bool retry_budget_take(struct retry_budget *budget)
{
    unsigned had = atomic_load(&budget->hundredths);
    while (had >= WHOLE) {
        if (atomic_compare_exchange_weak(&budget->hundredths, &had, had - WHOLE)) {
            atomic_fetch_add(&budget->spent, 1);
            return true;
        }
    }
    atomic_fetch_add(&budget->refused, 1);
    return false;
}

void retry_budget_stats(struct retry_budget *budget, struct retry_budget_stats *stats)
{
    *stats = (struct retry_budget_stats){.spent = atomic_load(&budget->spent),
                                         .refused = atomic_load(&budget->refused),
                                         .left = atomic_load(&budget->hundredths) / WHOLE};
}
