#include "shared/policy/cache_shard.h"

#include <stdlib.h>

void cache_shard_init(struct cache_shard *shard, size_t most_entries, size_t most_bytes)
{
    must(most_entries > 0 && most_entries <= SIZE_MAX / 4);
    *shard = (struct cache_shard){
        .most_entries = most_entries, .most_bytes = most_bytes, .n_buckets = 1};
    while (shard->n_buckets < most_entries)
        shard->n_buckets *= 2;
    shard->buckets = calloc(shard->n_buckets, sizeof(struct cache_node *));
    must(shard->buckets != NULL);
}

void cache_shard_fini(struct cache_shard *shard)
{
    for (struct cache_node *node = shard->head, *older; node != NULL; node = older) {
        older = node->older;
        node->chain = NULL;
        cache_node_free_all(node);
    }
    free(shard->buckets);
    *shard = (struct cache_shard){0};
}

void cache_node_free_all(struct cache_node *chain)
{
    while (chain != NULL) {
        struct cache_node *node = chain;
        chain = node->chain;
        node->entry = cache_entry_unref(node->entry);
        free(node);
    }
}

static struct cache_node **bucket_of(const struct cache_shard *shard, uint64_t hash)
{
    return &shard->buckets[hash & (shard->n_buckets - 1)];
}

struct cache_node *cache_shard_find(const struct cache_shard *shard, const struct cache_key *key,
                                    uint64_t hash)
{
    struct cache_node *node = *bucket_of(shard, hash);
    while (node != NULL && !(node->hash == hash && cache_key_equal(&node->key, key)))
        node = node->chain;
    return node;
}

void cache_shard_remove(struct cache_shard *shard, struct cache_node *node)
{
    struct cache_node **at = bucket_of(shard, node->hash);
    while (*at != node)
        at = &(*at)->chain;
    *at = node->chain;
    if (shard->hand == node)
        shard->hand = node->newer;
    if (node->newer != NULL)
        node->newer->older = node->older;
    else
        shard->head = node->older;
    if (node->older != NULL)
        node->older->newer = node->newer;
    else
        shard->tail = node->newer;
    node->chain = node->newer = node->older = NULL;
    must(shard->entries > 0 && shard->bytes >= node->bytes);
    shard->entries--;
    shard->bytes -= node->bytes;
}

/* The hand goes on where it stopped. One whole round clears every bit, so this ends. What is past
 * its time is not spared by a bit. */
static struct cache_node *evict(struct cache_shard *shard, uint64_t now_ns)
{
    struct cache_node *node = shard->hand != NULL ? shard->hand : shard->tail;
    while (node->visited && node->expires_ns > now_ns) {
        node->visited = false;
        node = node->newer != NULL ? node->newer : shard->tail;
    }
    shard->hand = node;
    cache_shard_remove(shard, node); /* moves the hand on */
    return node;
}

static void insert(struct cache_shard *shard, struct cache_node *node)
{
    struct cache_node **bucket = bucket_of(shard, node->hash);
    node->chain = *bucket;
    *bucket = node;
    node->newer = NULL;
    node->older = shard->head;
    if (shard->head != NULL)
        shard->head->newer = node;
    else
        shard->tail = node;
    shard->head = node;
    shard->entries++;
    shard->bytes += node->bytes;
}

struct cache_node *cache_shard_put(struct cache_shard *shard, struct cache_node *node,
                                   uint64_t now_ns, size_t *evicted)
{
    struct cache_node *left = cache_shard_find(shard, &node->key, node->hash);
    must(node->bytes <= shard->most_bytes);
    *evicted = 0;
    node->visited = false;
    if (left != NULL) { /* the new answer to a question that is asked often is as dear as the old */
        node->visited = left->visited;
        cache_shard_remove(shard, left);
    }
    while (shard->entries >= shard->most_entries ||
           shard->bytes > shard->most_bytes - node->bytes) {
        struct cache_node *victim = evict(shard, now_ns);
        victim->chain = left;
        left = victim;
        ++*evicted;
    }
    insert(shard, node);
    return left;
}
