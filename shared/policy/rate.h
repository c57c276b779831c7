/* A rate as settings spell it: so many in a second, a minute or an hour ("60/minute").
 *
 * Plain values, pure, any thread. Times are nanoseconds. */
#ifndef WEIR_POLICY_RATE_H
#define WEIR_POLICY_RATE_H

#include "shared/base/must.h"
#include "shared/base/span.h"

#include <stdbool.h>
#include <stdint.h>

enum { RATE_MOST = 1000000 };

struct rate {
    uint32_t count;     /* 1 to RATE_MOST; 0: no rate at all */
    uint64_t period_ns; /* a second, a minute or an hour */
};

enum { RATE_TEXT_BYTES = 24 };

/* Reads "<count>/<second|minute|hour>". False, and *rate untouched: it is something else. */
MUST_USE bool rate_parse(struct span text, struct rate *rate);
/* The same form, NUL-terminated. */
void rate_text(struct rate rate, char text[RATE_TEXT_BYTES]);

static inline uint64_t rate_period_seconds(struct rate rate)
{
    return rate.period_ns / 1000000000U;
}

#endif
