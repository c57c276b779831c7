/* The rules of the guard as a table, and budgets over time. Pure; any thread. */
#ifndef WEIR_SERVER_GUARD_RULES_H
#define WEIR_SERVER_GUARD_RULES_H

#include "shared/base/tick.h"

#include <stdbool.h>

enum guard_rule {
    GUARD_FINE,
#define GUARD_RULE(ID, name, error, burst, per_second) GUARD_##ID,
#include "server/guard_rules.def"
#undef GUARD_RULE
    GUARD_RULES
};

/* Error codes of HTTP/2, RFC 9113 section 7. */
enum h2_error {
    H2_NO_ERROR,
    H2_PROTOCOL_ERROR,
    H2_INTERNAL_ERROR,
    H2_STREAM_CLOSED = 5,
    H2_FRAME_SIZE_ERROR,
    H2_COMPRESSION_ERROR = 9,
    H2_ENHANCE_YOUR_CALM = 11
};

struct guard_rule_row {
    const char *name;
    enum h2_error error;
    uint32_t burst; /* 0: not a budget */
    uint32_t per_second;
};

/* The row of a rule; static. Not for GUARD_FINE. */
const struct guard_rule_row *guard_rule_row(enum guard_rule rule);

/* How much of a budget is used, as the time at which it will be whole again (the generic cell rate
 * algorithm, ITU-T I.371 annex A). All zero is a whole one. */
struct guard_budget {
    uint64_t whole_at_us;
};

/* Takes one. False: there was none left. */
bool guard_budget_take(struct guard_budget *budget, enum guard_rule rule, tick_ms now_ms);
/* Puts one back; a whole budget stays as it is. */
void guard_budget_give(struct guard_budget *budget, enum guard_rule rule);

#endif
