/* Why SIEVE: hit ratios on skewed traces, beside LRU and FIFO of the same size. Prints them. */
#include "shared/policy/cache_shard.h"

#include "shared/base/splitmix.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { KEYS = 100000, REQUESTS = 100000 };
#else
enum { KEYS = 100000, REQUESTS = 500000 };
#endif

static uint64_t seed;

/* Key k is asked for in proportion to 1 / (k + 1)^skew. Every `scan`th request (0: none) is for a
 * key that never comes again. */
static uint32_t *make_trace(double skew, unsigned scan)
{
    double *sum = malloc(KEYS * sizeof *sum), total = 0;
    uint32_t *trace = malloc(REQUESTS * sizeof *trace), once = KEYS;
    seed = 1;
    for (size_t k = 0; k < KEYS; k++)
        sum[k] = total += pow((double)(k + 1), -skew);
    for (size_t i = 0; i < REQUESTS; i++) {
        double at = (double)(splitmix_next(&seed) >> 11) * 0x1p-53 * total;
        size_t low = 0, high = KEYS - 1;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (sum[middle] > at)
                high = middle;
            else
                low = middle + 1;
        }
        trace[i] = scan > 0 && i % scan == 0 ? once++ : (uint32_t)low;
    }
    free(sum);
    return trace;
}

/* The textbook queue: a hit moves to the front (LRU) or does nothing (FIFO). */
struct place {
    uint32_t before, after;
    bool in;
};

static double run_queue(const uint32_t *trace, size_t size, bool lru)
{
    enum { ENDS = KEYS + REQUESTS }; /* one more place is the ring's head */
    struct place *places = calloc(ENDS + 1, sizeof *places);
    size_t n = 0, hits = 0;
    places[ENDS] = (struct place){ENDS, ENDS, true};
    for (size_t i = 0; i < REQUESTS; i++) {
        uint32_t key = trace[i];
        struct place *place = &places[key];
        hits += place->in;
        if (place->in && !lru)
            continue;
        if (!place->in && n == size) {
            uint32_t victim = places[ENDS].before;
            places[places[victim].before].after = ENDS;
            places[ENDS].before = places[victim].before;
            places[victim].in = false;
        } else if (!place->in) {
            n++;
        } else {
            places[place->before].after = place->after;
            places[place->after].before = place->before;
        }
        *place = (struct place){ENDS, places[ENDS].after, true};
        places[place->after].before = key;
        places[ENDS].after = key;
    }
    free(places);
    return (double)hits / REQUESTS;
}

static double run_sieve(const uint32_t *trace, size_t size)
{
    struct cache_shard shard;
    struct cache_entry *entry = cache_entry_new(span_of("x"), SPAN_EMPTY);
    size_t hits = 0, evicted = 0;
    cache_shard_init(&shard, size, SIZE_MAX);
    for (size_t i = 0; i < REQUESTS; i++) {
        struct cache_key key = {{0}};
        memcpy(key.bytes, &trace[i], sizeof trace[i]);
        struct cache_node *node = cache_shard_find(&shard, &key, trace[i]);
        if (node != NULL) {
            node->visited = true;
            hits++;
            continue;
        }
        node = calloc(1, sizeof *node);
        node->key = key;
        node->hash = trace[i];
        node->entry = cache_entry_ref(entry);
        node->bytes = 1;
        node->expires_ns = UINT64_MAX;
        cache_node_free_all(cache_shard_put(&shard, node, 0, &evicted));
    }
    cache_shard_fini(&shard);
    cache_entry_unref(entry);
    return (double)hits / REQUESTS;
}

static void sieve_keeps_more_of_what_is_asked_for(void **state)
{
    (void)state;
    static const struct {
        double skew;
        unsigned scan;
    } traces[] = {{0.8, 0}, {1.0, 0}, {1.2, 0}, {1.0, 4}};
    static const size_t sizes[] = {64, 1024, 10000};
    for (size_t t = 0; t < sizeof traces / sizeof traces[0]; t++) {
        uint32_t *trace = make_trace(traces[t].skew, traces[t].scan);
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            double sieve = run_sieve(trace, sizes[s]);
            double lru = run_queue(trace, sizes[s], true);
            double fifo = run_queue(trace, sizes[s], false);
            printf("skew %.1f%s, %5zu entries: SIEVE %.4f  LRU %.4f  FIFO %.4f\n", traces[t].skew,
                   traces[t].scan > 0 ? " with scans" : "", sizes[s], sieve, lru, fifo);
            assert_true(sieve > lru && lru > fifo);
        }
        free(trace);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sieve_keeps_more_of_what_is_asked_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
