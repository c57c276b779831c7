/* SplitMix64: quick random numbers for jitter, spread and tests; nothing secret (Steele, Lea,
 * Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
 *
 * Pure; the state is the caller's, seeded with anything, one thread at a time. */
#ifndef WEIR_BASE_SPLITMIX_H
#define WEIR_BASE_SPLITMIX_H

#include <stdint.h>

/* The next of 2^64 numbers, drawn uniformly. */
static inline uint64_t splitmix_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

#endif
