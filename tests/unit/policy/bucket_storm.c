/* The tables from many threads at once; ThreadSanitizer looks on. */
#include "shared/policy/bucket.h"
#include "shared/policy/violations.h"

#include "tests/unit/rounds.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { THREADS = 8, CALLS = ROUNDS_OF(40000), PEERS = 50 };

static const struct rate per_hour = {100, UINT64_C(3600000000000)};
static const uint64_t now_ns = UINT64_C(1000000000000);
static struct bucket_table *table;
static struct violations *violations;
static atomic_uint passed[PEERS], blocks;

static struct siphash peer_of(uint64_t i)
{
    return bucket_peer(table, span_make((const char *)&i, sizeof i));
}

static void *call_and_invent(void *argument)
{
    uint64_t thread = (uint64_t)(uintptr_t)argument;
    struct bucket_ask asks[] = {{.lane = BUCKET_CALLS, .rate = per_hour, .cost = 1},
                                {.lane = BUCKET_HEAVY, .rate = per_hour, .cost = 1}};
    struct bucket_answer answers[2];
    struct bucket_stats stats;
    for (uint64_t i = 0; i < CALLS; i++) {
        if (bucket_take(table, peer_of(i % PEERS), asks, 2, now_ns, answers))
            (void)atomic_fetch_add(&passed[i % PEERS], 1);
        (void)!bucket_take(table, peer_of(1000 + thread * CALLS + i), asks, 1, now_ns, answers);
        bucket_charge(table, peer_of(i % PEERS),
                      &(struct bucket_ask){.lane = BUCKET_CREDENTIALS, .rate = per_hour, .cost = 2},
                      now_ns);
        if (violations_add(violations, peer_of(i % PEERS), 1000000))
            (void)atomic_fetch_add(&blocks, 1);
        (void)violations_blocked_ms(violations, peer_of(i % 7), 1000000);
        if (i % 1000 == 0)
            bucket_read_stats(table, &stats);
    }
    return NULL;
}

static void test_exactly_so_many_pass_whoever_calls(void **state)
{
    pthread_t threads[THREADS];
    struct bucket_stats stats;
    const struct siphash_key key = {{9}};
    (void)state;
    table = bucket_table_new(BUCKET_MOST_PEERS, &key);
    violations = violations_new((struct rate){10, UINT64_C(60000000000)});
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_and_invent, (void *)(uintptr_t)i),
                         0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < PEERS; i++)
        assert_int_equal(passed[i], per_hour.count);
    bucket_read_stats(table, &stats);
    assert_int_equal(stats.peers, PEERS + THREADS * CALLS);
    assert_int_equal(stats.allowed, PEERS * per_hour.count + THREADS * CALLS);
    assert_int_equal(stats.allowed + stats.refused, 2 * THREADS * CALLS);
    assert_int_equal(blocks, PEERS);
    table = bucket_table_free(table);
    violations = violations_free(violations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exactly_so_many_pass_whoever_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
