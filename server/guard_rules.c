#include "server/guard_rules.h"

#include "shared/base/must.h"

static const struct guard_rule_row rows[] = {
    {"fine", H2_NO_ERROR, 0, 0},
#define GUARD_RULE(ID, name, error, burst, per_second) {name, H2_##error, burst, per_second},
#include "server/guard_rules.def"
#undef GUARD_RULE
};

const struct guard_rule_row *guard_rule_row(enum guard_rule rule)
{
    must(rule > GUARD_FINE && rule < GUARD_RULES);
    return &rows[rule];
}

bool guard_budget_take(struct guard_budget *budget, enum guard_rule rule, tick_ms now_ms)
{
    const struct guard_rule_row *row = &rows[rule];
    uint64_t now_us = now_ms * 1000, each_us = 1000000 / row->per_second;
    uint64_t from_us = budget->whole_at_us > now_us ? budget->whole_at_us : now_us;
    if (from_us + each_us > now_us + row->burst * each_us)
        return false;
    budget->whole_at_us = from_us + each_us;
    return true;
}

void guard_budget_give(struct guard_budget *budget, enum guard_rule rule)
{
    uint64_t each_us = 1000000 / rows[rule].per_second;
    budget->whole_at_us = budget->whole_at_us > each_us ? budget->whole_at_us - each_us : 0;
}
