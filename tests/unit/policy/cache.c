/* The cache: lives, bounds, early refresh, SIEVE against a model of itself, many threads. */
#include "shared/policy/cache.h"

#include "tests/unit/rounds.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "shared/base/splitmix.h"
#include "shared/policy/cache_shard.h"

#define SECOND ((uint64_t)1000000000)

enum { TTL_S = 300 };

static struct cache_key key_of(uint64_t n)
{
    struct cache_key key = {{0}};
    memcpy(key.bytes, &n, sizeof n);
    return key;
}

static struct cache *make(size_t entries, size_t bytes)
{
    const struct cache_settings settings = {
        .most_entries = entries, .most_bytes = bytes, .ttl_ns = TTL_S * SECOND, .seed = {{1, 2}}};
    return cache_new(&settings);
}

static void put_text(struct cache *cache, uint64_t n, const char *text, uint64_t now_ns,
                     uint64_t cost_ns, uint64_t random)
{
    struct cache_key key = key_of(n);
    struct cache_entry *entry = cache_entry_new(span_of(text), span_of("wire"));
    assert_true(cache_put(cache, &key, entry, now_ns, cost_ns, random));
    cache_entry_unref(entry);
}

static enum cache_found look(struct cache *cache, uint64_t n, uint64_t now_ns, uint64_t random)
{
    struct cache_key key = key_of(n);
    struct cache_entry *entry = NULL;
    uint64_t left_ns = 0;
    enum cache_found found = cache_get(cache, &key, now_ns, random, &entry, &left_ns);
    if (found != CACHE_MISS)
        cache_entry_unref(entry);
    return found;
}

/* --- lives --- */

static void what_was_put_is_there_in_both_encodings(void **state)
{
    (void)state;
    struct cache *cache = make(1024, 1 << 24);
    struct cache_key key = key_of(7);
    struct cache_entry *entry = NULL;
    uint64_t left_ns = 0;
    assert_int_equal(cache_get(cache, &key, SECOND, 0, &entry, &left_ns), CACHE_MISS);
    put_text(cache, 7, "{\"a\":1}", SECOND, 0, UINT64_MAX);
    assert_int_equal(cache_get(cache, &key, 2 * SECOND, 0, &entry, &left_ns), CACHE_HIT);
    assert_true(span_is(entry->json, "{\"a\":1}"));
    assert_true(span_is(entry->wire, "wire"));
    assert_int_equal(left_ns, (TTL_S - 1) * SECOND);
    cache_free(cache); /* what others hold stays */
    assert_true(span_is(entry->json, "{\"a\":1}"));
    cache_entry_unref(entry);
}

static void an_answer_expires_and_is_then_gone(void **state)
{
    (void)state;
    struct cache *cache = make(1024, 1 << 24);
    struct cache_stats stats;
    put_text(cache, 1, "x", 0, 0, UINT64_MAX);
    assert_int_equal(look(cache, 1, TTL_S * SECOND - 1, 0), CACHE_HIT);
    assert_int_equal(look(cache, 1, TTL_S * SECOND, 0), CACHE_MISS);
    struct cache_key key = key_of(1);
    assert_null(cache_peek(cache, &key, TTL_S * SECOND));
    cache_stats(cache, &stats);
    assert_int_equal(stats.entries, 0);
    assert_int_equal(stats.bytes, 0);
    assert_int_equal(stats.expired, 1);
    assert_int_equal(stats.hits, 1);
    assert_int_equal(stats.misses, 1);
    cache_free(cache);
}

static void a_life_is_never_longer_than_the_ttl_nor_much_shorter(void **state)
{
    (void)state;
    struct cache *cache = make(1024, 1 << 24);
    uint64_t random = 5, least = UINT64_MAX, most = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        struct cache_key key = key_of(i);
        struct cache_entry *entry = NULL;
        uint64_t left_ns = 0;
        put_text(cache, i, "x", 0, 0, splitmix_next(&random));
        assert_int_equal(cache_get(cache, &key, 0, 0, &entry, &left_ns), CACHE_HIT);
        cache_entry_unref(entry);
        least = left_ns < least ? left_ns : least;
        most = left_ns > most ? left_ns : most;
    }
    assert_in_range(most, 299 * SECOND, TTL_S * SECOND);
    assert_in_range(least, 270 * SECOND, 271 * SECOND);
    cache_free(cache);
}

static void a_new_answer_takes_the_place_of_the_old(void **state)
{
    (void)state;
    struct cache *cache = make(1024, 1 << 24);
    struct cache_key key = key_of(1);
    struct cache_stats stats;
    put_text(cache, 1, "old", 0, 0, 0);
    put_text(cache, 1, "new", 100 * SECOND, 0, UINT64_MAX);
    struct cache_entry *entry = cache_peek(cache, &key, 399 * SECOND);
    assert_non_null(entry);
    assert_true(span_is(entry->json, "new"));
    cache_entry_unref(entry);
    cache_stats(cache, &stats);
    assert_int_equal(stats.entries, 1);
    assert_int_equal(stats.evicted, 0);
    cache_free(cache);
}

/* --- early refresh --- */

/* P(refresh at `left` before the end) = exp(-left / cost). */
static void refreshes_come_as_xfetch_says(void **state)
{
    (void)state;
    static const uint64_t lefts_s[] = {1, 2, 4, 8};
    struct cache *cache = make(1024, 1 << 24);
    uint64_t random = 9;
    put_text(cache, 1, "x", 0, 2 * SECOND, UINT64_MAX);
    for (size_t i = 0; i < sizeof lefts_s / sizeof lefts_s[0]; i++) {
        unsigned asked = 0;
        for (unsigned j = 0; j < 20000; j++)
            asked += look(cache, 1, (TTL_S - lefts_s[i]) * SECOND, splitmix_next(&random)) ==
                     CACHE_REFRESH;
        double expected = 20000 * exp(-(double)lefts_s[i] / 2);
        assert_true(fabs(asked - expected) < 5 * sqrt(expected) + 1);
    }
    cache_free(cache);
}

static void a_young_answer_is_never_refreshed(void **state)
{
    (void)state;
    struct cache *cache = make(1024, 1 << 24);
    put_text(cache, 1, "dear", 0, 10000 * SECOND, UINT64_MAX);
    /* random 0 is the least draw: the gap is 36.7 times the cost. */
    assert_int_equal(look(cache, 1, 200 * SECOND, 0), CACHE_HIT);
    assert_int_equal(look(cache, 1, 226 * SECOND, 0), CACHE_REFRESH);
    assert_int_equal(look(cache, 1, 299 * SECOND, UINT64_MAX), CACHE_HIT);
    cache_free(cache);
}

/* --- bounds --- */

static void an_entry_is_at_most_a_sixteenth_of_a_shard(void **state)
{
    (void)state;
    struct cache *cache = make(1024, 16 * 16 * 4096);
    static char text[8192];
    struct cache_key key = key_of(1);
    struct cache_stats stats;
    size_t overhead = sizeof(struct cache_entry) + sizeof(struct cache_node);
    struct cache_entry *fits = cache_entry_new(span_make(text, 4096 - overhead), SPAN_EMPTY);
    struct cache_entry *large = cache_entry_new(span_make(text, 4097 - overhead), SPAN_EMPTY);
    assert_true(cache_put(cache, &key, fits, 0, 0, 0));
    assert_false(cache_put(cache, &key, large, 0, 0, 0));
    struct cache_entry *still = cache_peek(cache, &key, 1);
    assert_ptr_equal(still, fits);
    cache_stats(cache, &stats);
    assert_int_equal(stats.too_large, 1);
    cache_entry_unref(still);
    cache_entry_unref(fits);
    cache_entry_unref(large);
    cache_free(cache);
}

static void the_bounds_hold_whatever_comes(void **state)
{
    (void)state;
    static char text[4096];
    static const size_t caps[][2] = {{1024, 1 << 20}, {100, 1 << 17}, {1, 1 << 16}, {5000, 65536}};
    for (size_t c = 0; c < sizeof caps / sizeof caps[0]; c++) {
        struct cache *cache = make(caps[c][0], caps[c][1]);
        uint64_t random = c;
        for (unsigned i = 0; i < ROUNDS_OF(20000); i++) {
            struct cache_key key = key_of(splitmix_next(&random) % 3000);
            size_t len = splitmix_next(&random) % sizeof text;
            struct cache_entry *entry = cache_entry_new(span_make(text, len), SPAN_EMPTY);
            struct cache_stats stats;
            (void)cache_put(cache, &key, entry, i * SECOND, SECOND, splitmix_next(&random));
            cache_entry_unref(entry);
            (void)look(cache, splitmix_next(&random) % 3000, i * SECOND, splitmix_next(&random));
            if (i % 16 != 0)
                continue;
            cache_stats(cache, &stats);
            assert_true(stats.entries <= caps[c][0] && stats.bytes <= caps[c][1]);
        }
        cache_free(cache);
    }
}

/* --- SIEVE, step by step against the paper's algorithm over an array --- */

enum { MODEL_ENTRIES = 40, MODEL_BYTES = 4000 };

struct model {
    struct {
        uint64_t key;
        size_t bytes;
        bool visited;
    } queue[MODEL_ENTRIES]; /* 0 is the tail, the oldest */
    size_t n;
    size_t hand;
    size_t bytes;
};

static size_t model_find(const struct model *model, uint64_t key)
{
    size_t i = 0;
    while (i < model->n && model->queue[i].key != key)
        i++;
    return i;
}

static void model_remove(struct model *model, size_t i)
{
    model->bytes -= model->queue[i].bytes;
    for (size_t j = i + 1; j < model->n; j++)
        model->queue[j - 1] = model->queue[j];
    model->n--;
    if (i < model->hand)
        model->hand--;
    if (model->hand >= model->n)
        model->hand = 0;
}

static void model_put(struct model *model, uint64_t key, size_t bytes)
{
    size_t old = model_find(model, key);
    bool visited = false;
    if (old < model->n) {
        visited = model->queue[old].visited;
        model_remove(model, old);
    }
    while (model->n >= MODEL_ENTRIES || model->bytes + bytes > MODEL_BYTES) {
        while (model->queue[model->hand].visited) {
            model->queue[model->hand].visited = false;
            model->hand = (model->hand + 1) % model->n;
        }
        bool newest = model->hand == model->n - 1;
        model_remove(model, model->hand);
        if (newest)
            model->hand = 0;
    }
    model->queue[model->n].key = key;
    model->queue[model->n].bytes = bytes;
    model->queue[model->n].visited = visited;
    model->n++;
    model->bytes += bytes;
}

static void assert_same(const struct cache_shard *shard, const struct model *model)
{
    const struct cache_node *node = shard->tail;
    assert_int_equal(shard->entries, model->n);
    assert_int_equal(shard->bytes, model->bytes);
    for (size_t i = 0; i < model->n; i++, node = node->newer) {
        struct cache_key key = key_of(model->queue[i].key);
        assert_true(cache_key_equal(&node->key, &key));
        assert_int_equal(node->visited, model->queue[i].visited);
    }
    assert_null(node);
}

static void eviction_is_sieves(void **state)
{
    (void)state;
    struct cache_shard shard;
    struct model model = {.n = 0};
    uint64_t random = 3;
    cache_shard_init(&shard, MODEL_ENTRIES, MODEL_BYTES);
    for (unsigned i = 0; i < ROUNDS_OF(50000); i++) {
        uint64_t n = splitmix_next(&random) % 100;
        struct cache_key key = key_of(n);
        struct cache_node *node = cache_shard_find(&shard, &key, n);
        size_t at = model_find(&model, n);
        assert_int_equal(node != NULL, at < model.n);
        if (node != NULL && splitmix_next(&random) % 4 != 0) {
            node->visited = model.queue[at].visited = true;
        } else {
            size_t evicted = 0;
            node = calloc(1, sizeof *node);
            node->key = key;
            node->hash = n;
            node->entry = cache_entry_new(span_of("x"), SPAN_EMPTY);
            node->bytes = 1 + splitmix_next(&random) % 200;
            node->expires_ns = UINT64_MAX;
            model_put(&model, n, node->bytes);
            cache_node_free_all(cache_shard_put(&shard, node, 0, &evicted));
        }
        if (i % 7 == 0)
            assert_same(&shard, &model);
    }
    cache_shard_fini(&shard);
}

static void what_is_past_its_time_goes_before_what_is_not(void **state)
{
    (void)state;
    struct cache *cache = make(2, 1 << 20);
    put_text(cache, 1, "x", 0, 0, UINT64_MAX);
    put_text(cache, 2, "x", 100 * SECOND, 0, UINT64_MAX);
    assert_int_equal(look(cache, 1, 200 * SECOND, UINT64_MAX), CACHE_HIT);
    assert_int_equal(look(cache, 2, 200 * SECOND, UINT64_MAX), CACHE_HIT);
    put_text(cache, 3, "x", 350 * SECOND, 0, UINT64_MAX);
    assert_int_equal(look(cache, 2, 350 * SECOND, UINT64_MAX), CACHE_HIT);
    cache_free(cache);
}

/* --- many threads --- */

enum { THREADS = 8, ROUNDS = ROUNDS_OF(20000), KEYS = 300 };

struct visitor {
    pthread_t thread;
    struct cache *cache;
    uint64_t random;
    unsigned wrong;
};

static void *visit(void *argument)
{
    struct visitor *visitor = argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t n = splitmix_next(&visitor->random) % KEYS, left_ns = 0;
        struct cache_key key = key_of(n);
        struct cache_entry *entry = NULL;
        char text[32];
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)n);
        if (cache_get(visitor->cache, &key, i * SECOND / 10, splitmix_next(&visitor->random),
                      &entry, &left_ns) == CACHE_MISS) {
            entry = cache_entry_new(span_of(text), span_of(text));
            (void)cache_put(visitor->cache, &key, entry, i * SECOND / 10, SECOND,
                            splitmix_next(&visitor->random));
        }
        visitor->wrong += !span_is(entry->json, text) || !span_is(entry->wire, text);
        cache_entry_unref(entry);
    }
    return NULL;
}

static void many_threads_read_what_was_written(void **state)
{
    (void)state;
    struct cache *cache = make(128, 1 << 20);
    struct visitor visitors[THREADS];
    struct cache_stats stats;
    for (size_t i = 0; i < THREADS; i++) {
        visitors[i] = (struct visitor){.cache = cache, .random = i};
        assert_int_equal(pthread_create(&visitors[i].thread, NULL, visit, &visitors[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(visitors[i].thread, NULL), 0);
        assert_int_equal(visitors[i].wrong, 0);
    }
    cache_stats(cache, &stats);
    assert_int_equal(stats.hits + stats.misses, THREADS * ROUNDS);
    assert_true(stats.entries <= 128);
    cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_there_in_both_encodings),
        cmocka_unit_test(an_answer_expires_and_is_then_gone),
        cmocka_unit_test(a_life_is_never_longer_than_the_ttl_nor_much_shorter),
        cmocka_unit_test(a_new_answer_takes_the_place_of_the_old),
        cmocka_unit_test(refreshes_come_as_xfetch_says),
        cmocka_unit_test(a_young_answer_is_never_refreshed),
        cmocka_unit_test(an_entry_is_at_most_a_sixteenth_of_a_shard),
        cmocka_unit_test(the_bounds_hold_whatever_comes),
        cmocka_unit_test(eviction_is_sieves),
        cmocka_unit_test(what_is_past_its_time_goes_before_what_is_not),
        cmocka_unit_test(many_threads_read_what_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
