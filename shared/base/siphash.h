/* SipHash-2-4 with 128 bits of output: a short hash under a secret key, for tables whose keys
 * strangers choose (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).
 *
 * Pure, any thread. The key is random and made once per table; who does not know it can neither
 * aim for one place of the table nor make two keys meet. */
#ifndef WEIR_BASE_SIPHASH_H
#define WEIR_BASE_SIPHASH_H

#include "shared/base/span.h"

#include <stdint.h>

struct siphash_key {
    uint8_t bytes[16];
};

struct siphash {
    uint64_t a, b; /* the first and the last 8 bytes, little-endian */
};

struct siphash siphash128(const struct siphash_key *key, struct span text);

#endif
