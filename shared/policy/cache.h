/* The cache of answers (C2, C4): sharded, bounded by entries and by bytes, least valuable out
 * first.
 *
 * Any thread. Each shard has a mutex, held to look up, to link and to count references, never to
 * copy, to allocate or to free. Times are monotonic nanoseconds, passed in; so is randomness, as a
 * number drawn uniformly from all 64-bit ones.
 *
 * Shards are picked by a keyed hash, so nobody can aim at one. Up to 16 share the bounds evenly:
 * fewer where one would have under 64 entries. One entry is at most 1/16 of its shard's bytes.
 *
 * An entry lives for the TTL less up to a tenth of it (jitter), so that what was stored together
 * does not expire together. Near its end a hit may be asked to refresh it: XFetch (Vattani,
 * Chierichetti, Lowenstein, PVLDB 8(8), 2015, doi 10.14778/2757807.2757813) with the time it took
 * to make as delta and beta 1, within the last quarter of its life. */
#ifndef WEIR_POLICY_CACHE_H
#define WEIR_POLICY_CACHE_H

#include "shared/base/must.h"
#include "shared/base/siphash.h"
#include "shared/policy/cache_entry.h"
#include "shared/policy/cache_key.h"

#include <stdint.h>

struct cache;

struct cache_settings {
    size_t most_entries; /* at least 1 */
    size_t most_bytes;
    uint64_t ttl_ns;
    struct siphash_key seed; /* random */
};

enum cache_found {
    CACHE_MISS,
    CACHE_HIT,
    CACHE_REFRESH /* a hit; this caller is asked to make the answer anew before it expires */
};

struct cache_stats {
    uint64_t hits; /* those asked to refresh included */
    uint64_t refreshes;
    uint64_t misses;  /* those that came too late included */
    uint64_t expired; /* misses of what was there and past its time */
    uint64_t stored;
    uint64_t evicted;   /* for want of room */
    uint64_t too_large; /* not stored */
    size_t entries;
    size_t bytes;
};

MUST_USE struct cache *cache_new(const struct cache_settings *settings);
/* Accepts NULL; returns NULL. Entries that others hold references to stay theirs. */
struct cache *cache_free(struct cache *cache);

/* Unless it is a miss, *entry is a reference for the caller and *left_ns the time it stays fresh.
 */
MUST_USE enum cache_found cache_get(struct cache *cache, const struct cache_key *key,
                                    uint64_t now_ns, uint64_t random, struct cache_entry **entry,
                                    uint64_t *left_ns);
/* A second look that counts as nothing: a reference to the entry, or NULL. */
MUST_USE struct cache_entry *cache_peek(struct cache *cache, const struct cache_key *key,
                                        uint64_t now_ns);
/* Keeps `entry` (by a reference of its own) in the place of what has the key; cost_ns is how long
 * it took to make. False: it is too large to be kept. */
bool cache_put(struct cache *cache, const struct cache_key *key, struct cache_entry *entry,
               uint64_t now_ns, uint64_t cost_ns, uint64_t random);

/* A snapshot, shard after shard. */
void cache_stats(struct cache *cache, struct cache_stats *stats);

#endif
