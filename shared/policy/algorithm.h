/* The signature algorithms of tokens (RFC 7518 section 3, RFC 8037 section 3.1): names, and sets of
 * them. Pure; any thread. */
#ifndef WEIR_POLICY_ALGORITHM_H
#define WEIR_POLICY_ALGORITHM_H

#include "shared/base/must.h"
#include "shared/base/span.h"

enum algorithm {
    ALGORITHM_RS256,
    ALGORITHM_ES256,
    ALGORITHM_PS256,
    ALGORITHM_EDDSA,
    ALGORITHM_HS256,
    ALGORITHM_COUNT /* also: none of them */
};

/* A bit an algorithm. */
typedef unsigned algorithm_set;

static inline algorithm_set algorithm_bit(enum algorithm algorithm)
{
    return 1U << algorithm;
}

/* By the exact name ("RS256"), case included; ALGORITHM_COUNT for anything else. */
enum algorithm algorithm_find(struct span name);
/* A comma-separated list; at least one, each known, none twice. False: *bad is the item at fault.
 */
MUST_USE bool algorithm_set_parse(struct span text, algorithm_set *set, struct span *bad);

#endif
