#include "shared/policy/rate.h"

#include <stdio.h>

static const struct {
    const char *name;
    uint64_t seconds;
} units[] = {{"second", 1}, {"minute", 60}, {"hour", 3600}};

enum { UNITS = sizeof units / sizeof units[0] };

bool rate_parse(struct span text, struct rate *rate)
{
    uint32_t count = 0;
    size_t i = 0;
    for (; i < text.len && text.at[i] >= '0' && text.at[i] <= '9'; i++) {
        count = count * 10 + (uint32_t)(text.at[i] - '0');
        if (count > RATE_MOST)
            return false;
    }
    if (count == 0 || i == text.len || text.at[i] != '/')
        return false;
    struct span unit = span_from(text, i + 1);
    for (size_t u = 0; u < UNITS; u++) {
        if (span_is(unit, units[u].name)) {
            *rate = (struct rate){count, units[u].seconds * 1000000000U};
            return true;
        }
    }
    return false;
}

void rate_text(struct rate rate, char text[RATE_TEXT_BYTES])
{
    size_t u = 0;
    while (u < UNITS - 1 && units[u].seconds != rate_period_seconds(rate))
        u++;
    (void)snprintf(text, RATE_TEXT_BYTES, "%u/%s", rate.count, units[u].name);
}
