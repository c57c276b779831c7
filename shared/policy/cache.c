#include "shared/policy/cache.h"

#include "shared/policy/cache_shard.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

enum { MOST_SHARDS = 16, LEAST_SHARD_ENTRIES = 64, ENTRY_PART = 16, JITTER_PART = 10 };
/* A refresh comes in the last quarter of a life at the earliest: where making takes longer than
 * living, the formula alone would never let anybody have a hit. */
enum { REFRESH_PART = 4 };
/* -ln of the least number that to_unit gives is below this. */
enum { LARGEST_DRAW = 37 };

struct shard {
    pthread_mutex_t lock;
    struct cache_shard table;
    struct cache_stats stats;
} __attribute__((aligned(64)));

struct cache {
    size_t n_shards; /* a power of two */
    size_t most_entry_bytes;
    uint64_t ttl_ns;
    struct siphash_key seed;
    struct shard shards[];
};

struct cache *cache_new(const struct cache_settings *settings)
{
    size_t n = MOST_SHARDS;
    must(settings->most_entries > 0);
    while (n > 1 && settings->most_entries / n < LEAST_SHARD_ENTRIES)
        n /= 2;
    struct cache *cache = aligned_alloc(64, sizeof *cache + n * sizeof(struct shard));
    must(cache != NULL);
    memset(cache, 0, sizeof *cache + n * sizeof(struct shard));
    cache->n_shards = n;
    cache->most_entry_bytes = settings->most_bytes / n / ENTRY_PART;
    cache->ttl_ns = settings->ttl_ns;
    cache->seed = settings->seed;
    for (size_t i = 0; i < n; i++) {
        must(pthread_mutex_init(&cache->shards[i].lock, NULL) == 0);
        cache_shard_init(&cache->shards[i].table, settings->most_entries / n,
                         settings->most_bytes / n);
    }
    return cache;
}

struct cache *cache_free(struct cache *cache)
{
    if (cache == NULL)
        return NULL;
    for (size_t i = 0; i < cache->n_shards; i++) {
        cache_shard_fini(&cache->shards[i].table);
        must(pthread_mutex_destroy(&cache->shards[i].lock) == 0);
    }
    free(cache);
    return NULL;
}

/* The upper bits pick the shard, the lower ones the bucket in it. */
static struct shard *shard_of(struct cache *cache, uint64_t hash)
{
    return &cache->shards[(hash >> 32) & (cache->n_shards - 1)];
}

static uint64_t hash_of(const struct cache *cache, const struct cache_key *key)
{
    return siphash128(&cache->seed, cache_key_span(key)).a;
}

/* (0, 1], 53 bits of it. */
static double to_unit(uint64_t random)
{
    return (double)((random >> 11) + 1) * 0x1p-53;
}

/* XFetch: the nearer its end and the dearer an entry, the likelier. */
static bool wants_refresh(const struct cache_node *node, uint64_t now_ns, uint64_t random)
{
    uint64_t left_ns = node->expires_ns - now_ns;
    uint64_t life_ns = node->expires_ns - node->stored_ns;
    if (left_ns > life_ns / REFRESH_PART || node->cost_ns < left_ns / LARGEST_DRAW)
        return false;
    return (double)node->cost_ns * -log(to_unit(random)) >= (double)left_ns;
}

enum cache_found cache_get(struct cache *cache, const struct cache_key *key, uint64_t now_ns,
                           uint64_t random, struct cache_entry **entry, uint64_t *left_ns)
{
    uint64_t hash = hash_of(cache, key);
    struct shard *shard = shard_of(cache, hash);
    struct cache_node *dropped = NULL;
    enum cache_found found = CACHE_MISS;
    must(pthread_mutex_lock(&shard->lock) == 0);
    struct cache_node *node = cache_shard_find(&shard->table, key, hash);
    if (node != NULL && node->expires_ns <= now_ns) {
        cache_shard_remove(&shard->table, node);
        shard->stats.expired++;
        dropped = node;
    } else if (node != NULL) {
        node->visited = true;
        *entry = cache_entry_ref(node->entry);
        *left_ns = node->expires_ns - now_ns;
        found = wants_refresh(node, now_ns, random) ? CACHE_REFRESH : CACHE_HIT;
    }
    shard->stats.hits += found != CACHE_MISS;
    shard->stats.refreshes += found == CACHE_REFRESH;
    shard->stats.misses += found == CACHE_MISS;
    must(pthread_mutex_unlock(&shard->lock) == 0);
    cache_node_free_all(dropped);
    return found;
}

struct cache_entry *cache_peek(struct cache *cache, const struct cache_key *key, uint64_t now_ns)
{
    uint64_t hash = hash_of(cache, key);
    struct shard *shard = shard_of(cache, hash);
    struct cache_entry *entry = NULL;
    must(pthread_mutex_lock(&shard->lock) == 0);
    const struct cache_node *node = cache_shard_find(&shard->table, key, hash);
    if (node != NULL && node->expires_ns > now_ns)
        entry = cache_entry_ref(node->entry);
    must(pthread_mutex_unlock(&shard->lock) == 0);
    return entry;
}

bool cache_put(struct cache *cache, const struct cache_key *key, struct cache_entry *entry,
               uint64_t now_ns, uint64_t cost_ns, uint64_t random)
{
    uint64_t hash = hash_of(cache, key);
    struct shard *shard = shard_of(cache, hash);
    size_t bytes = entry->bytes + sizeof(struct cache_node), evicted = 0;
    struct cache_node *node = NULL, *left = NULL;
    bool fits = bytes <= cache->most_entry_bytes;
    if (fits) {
        uint64_t jitter_ns =
            (uint64_t)((double)(cache->ttl_ns / JITTER_PART) * (1 - to_unit(random)));
        node = malloc(sizeof *node);
        must(node != NULL);
        *node = (struct cache_node){.key = *key,
                                    .hash = hash,
                                    .entry = cache_entry_ref(entry),
                                    .bytes = bytes,
                                    .stored_ns = now_ns,
                                    .expires_ns = now_ns + cache->ttl_ns - jitter_ns,
                                    .cost_ns = cost_ns};
    }
    must(pthread_mutex_lock(&shard->lock) == 0);
    if (fits)
        left = cache_shard_put(&shard->table, node, now_ns, &evicted);
    shard->stats.stored += fits;
    shard->stats.too_large += !fits;
    shard->stats.evicted += evicted;
    must(pthread_mutex_unlock(&shard->lock) == 0);
    cache_node_free_all(left);
    return fits;
}

void cache_stats(struct cache *cache, struct cache_stats *stats)
{
    *stats = (struct cache_stats){0};
    for (size_t i = 0; i < cache->n_shards; i++) {
        struct shard *shard = &cache->shards[i];
        must(pthread_mutex_lock(&shard->lock) == 0);
        stats->hits += shard->stats.hits;
        stats->refreshes += shard->stats.refreshes;
        stats->misses += shard->stats.misses;
        stats->expired += shard->stats.expired;
        stats->stored += shard->stats.stored;
        stats->evicted += shard->stats.evicted;
        stats->too_large += shard->stats.too_large;
        stats->entries += shard->table.entries;
        stats->bytes += shard->table.bytes;
        must(pthread_mutex_unlock(&shard->lock) == 0);
    }
}
