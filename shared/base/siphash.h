/* SipHash-2-4 (Aumasson, Bernstein, INDOCRYPT 2012): the hash of tables whose keys strangers
 * choose.
 *
 * With a random key nobody outside can find names that fall into one bucket. Pure; any thread. */
#ifndef WEIR_BASE_SIPHASH_H
#define WEIR_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t k0;
    uint64_t k1;
};

uint64_t siphash(const struct siphash_key *key, const void *bytes, size_t len);

#endif
