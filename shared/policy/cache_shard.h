/* One part of the cache: a hash table over a SIEVE queue, bounded by entries and bytes.
 *
 * SIEVE (Zhang, Yang, Yue, Vigfusson, Rashmi, NSDI 2024): a FIFO queue whose nodes carry one bit,
 * set by a hit. A hand walks from the tail to the head: it clears the bits it meets and evicts the
 * first node without one. A hit moves nothing.
 *
 * Internal to the cache, which holds its lock around every call. Times are monotonic nanoseconds.
 * Nodes belong to the shard while they are in it; those that leave are handed out in a chain, to be
 * freed without the lock. */
#ifndef WEIR_POLICY_CACHE_SHARD_H
#define WEIR_POLICY_CACHE_SHARD_H

#include "shared/policy/cache_entry.h"
#include "shared/policy/cache_key.h"

#include <stdint.h>

struct cache_node {
    /* The maker's, before it goes in. */
    struct cache_key key;
    uint64_t hash;
    struct cache_entry *entry; /* one reference */
    size_t bytes;              /* what it counts as */
    uint64_t stored_ns;
    uint64_t expires_ns;
    uint64_t cost_ns; /* what it took to make */

    /* The shard's. */
    struct cache_node *chain; /* in its bucket, or in the chain of those that left */
    struct cache_node *newer; /* towards the head */
    struct cache_node *older;
    bool visited;
};

struct cache_shard {
    size_t most_entries;
    size_t most_bytes;
    struct cache_node **buckets;
    size_t n_buckets; /* a power of two */
    struct cache_node *head;
    struct cache_node *tail;
    struct cache_node *hand; /* NULL: begins at the tail */
    size_t entries;
    size_t bytes;
};

void cache_shard_init(struct cache_shard *shard, size_t most_entries, size_t most_bytes);
/* Frees the nodes too. */
void cache_shard_fini(struct cache_shard *shard);
/* NULL when there is none; says nothing about its time. Does not count as a hit. */
MUST_USE struct cache_node *cache_shard_find(const struct cache_shard *shard,
                                             const struct cache_key *key, uint64_t hash);
/* Puts a new node at the head, in the place of one with its key, and evicts until it fits: it must
 * not be larger than the shard. Returns the chain of those that left; *evicted of them had to. */
MUST_USE struct cache_node *cache_shard_put(struct cache_shard *shard, struct cache_node *node,
                                            uint64_t now_ns, size_t *evicted);
/* Takes a node out; it is the caller's then. */
void cache_shard_remove(struct cache_shard *shard, struct cache_node *node);

/* Frees a chain and lets go of its entries. */
void cache_node_free_all(struct cache_node *chain);

#endif
