/* The rate limiter's table, with time passed in. */
#include "shared/policy/bucket.h"

#include "tests/unit/rounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

static const struct siphash_key key = {{1, 2, 3, 4}};
static const struct rate per_minute = {60, 60 * SECOND};
static const struct rate heavy = {10, 60 * SECOND};
static struct bucket_table *table;
static uint64_t now_ns;

static int set_up(void **state)
{
    (void)state;
    table = bucket_table_new(BUCKET_MOST_PEERS, &key);
    now_ns = 1000 * SECOND;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    table = bucket_table_free(table);
    return 0;
}

static struct siphash peer_of(uint64_t i)
{
    return bucket_peer(table, span_make((const char *)&i, sizeof i));
}

static bool call(struct siphash peer, struct rate rate, struct bucket_answer *answer)
{
    struct bucket_answer ignored;
    struct bucket_ask ask = {.lane = BUCKET_CALLS, .rate = rate, .cost = 1};
    return bucket_take(table, peer, &ask, 1, now_ns, answer != NULL ? answer : &ignored);
}

static size_t peers_now(void)
{
    struct bucket_stats stats;
    bucket_read_stats(table, &stats);
    return stats.peers;
}

static void test_so_many_pass_and_no_more(void **state)
{
    struct bucket_answer answer;
    (void)state;
    for (uint32_t i = 0; i < 60; i++) {
        assert_true(call(peer_of(1), per_minute, &answer));
        assert_false(answer.refused);
        assert_int_equal(answer.remaining, 59 - i);
        assert_int_equal(answer.full_after_ns, (i + 1) * SECOND);
    }
    assert_false(call(peer_of(1), per_minute, &answer));
    assert_true(answer.refused);
    assert_int_equal(answer.remaining, 0);
    assert_int_equal(answer.retry_after_ns, SECOND);
    assert_true(call(peer_of(2), per_minute, NULL));
}

static void test_calls_come_back_one_by_one(void **state)
{
    struct bucket_answer answer;
    (void)state;
    for (int i = 0; i < 60; i++)
        assert_true(call(peer_of(1), per_minute, NULL));
    now_ns += SECOND - 1;
    assert_false(call(peer_of(1), per_minute, &answer));
    assert_int_equal(answer.retry_after_ns, 1);
    now_ns += 1;
    assert_true(call(peer_of(1), per_minute, NULL));
    assert_false(call(peer_of(1), per_minute, NULL));
    now_ns += 3600 * SECOND; /* no more than a full bucket, however long it was idle */
    for (int i = 0; i < 60; i++)
        assert_true(call(peer_of(1), per_minute, NULL));
    assert_false(call(peer_of(1), per_minute, NULL));
}

/* A refusal waits for what it says: not a nanosecond less is enough, and not one more is needed. */
static void test_retry_after_is_exact(void **state)
{
    struct rate rates[] = {{1, SECOND}, {3, SECOND}, {7, 60 * SECOND}, {1000000, SECOND}};
    (void)state;
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct bucket_answer answer;
        while (call(peer_of(i), rates[i], &answer))
            continue;
        now_ns += answer.retry_after_ns - 1;
        assert_false(call(peer_of(i), rates[i], NULL));
        now_ns += 1;
        assert_true(call(peer_of(i), rates[i], NULL));
    }
}

static void test_all_are_checked_before_any_is_taken(void **state)
{
    struct bucket_ask asks[] = {{.lane = BUCKET_CALLS, .rate = per_minute, .cost = 1},
                                {.lane = BUCKET_HEAVY, .rate = heavy, .cost = 1}};
    struct bucket_answer answers[2];
    (void)state;
    for (int i = 0; i < 10; i++)
        assert_true(bucket_take(table, peer_of(1), asks, 2, now_ns, answers));
    for (int i = 0; i < 100; i++) {
        assert_false(bucket_take(table, peer_of(1), asks, 2, now_ns, answers));
        assert_false(answers[0].refused);
        assert_int_equal(answers[0].remaining, 50);
        assert_true(answers[1].refused);
    }
    for (int i = 0; i < 50; i++)
        assert_true(bucket_take(table, peer_of(1), asks, 1, now_ns, answers));
    /* And the other way round: without calls left, nothing heavy is spent. */
    now_ns += 30 * SECOND;
    for (int i = 0; i < 30; i++)
        assert_true(bucket_take(table, peer_of(1), asks, 1, now_ns, answers));
    for (int i = 0; i < 100; i++) {
        assert_false(bucket_take(table, peer_of(1), asks, 2, now_ns, answers));
        assert_int_equal(answers[1].remaining, 5);
    }
}

static void test_a_look_takes_nothing_and_remembers_nobody(void **state)
{
    struct bucket_ask ask = {.lane = BUCKET_CREDENTIALS, .rate = per_minute, .cost = 2};
    struct bucket_answer answer;
    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_true(bucket_look(table, peer_of(1), &ask, now_ns, &answer));
    assert_int_equal(answer.remaining, 60);
    assert_int_equal(peers_now(), 0);
    for (int i = 0; i < 30; i++)
        bucket_charge(table, peer_of(1), &ask, now_ns);
    assert_false(bucket_look(table, peer_of(1), &ask, now_ns, &answer));
    assert_int_equal(answer.retry_after_ns, 2 * SECOND);
    /* Beyond empty nothing is charged: the wait stays the same. */
    for (int i = 0; i < 1000; i++)
        bucket_charge(table, peer_of(1), &ask, now_ns);
    assert_false(bucket_look(table, peer_of(1), &ask, now_ns, &answer));
    assert_int_equal(answer.retry_after_ns, 2 * SECOND);
    now_ns += SECOND;
    assert_false(bucket_look(table, peer_of(1), &ask, now_ns, &answer));
    assert_int_equal(answer.retry_after_ns, SECOND);
    assert_true(call(peer_of(1), per_minute, NULL)); /* a bucket of its own */
}

static void test_a_charge_takes_what_is_left(void **state)
{
    struct bucket_ask two = {.lane = BUCKET_CREDENTIALS, .rate = {3, 3 * SECOND}, .cost = 2};
    struct bucket_answer answer;
    (void)state;
    bucket_charge(table, peer_of(1), &two, now_ns);
    bucket_charge(table, peer_of(1), &two, now_ns);
    assert_false(bucket_look(table, peer_of(1), &two, now_ns, &answer));
    assert_int_equal(answer.remaining, 0);
    assert_int_equal(answer.retry_after_ns, 2 * SECOND);
}

static void test_no_rate_is_no_limit(void **state)
{
    struct bucket_answer answer;
    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_true(call(peer_of(1), (struct rate){0}, &answer));
}

static void test_a_rate_may_change(void **state)
{
    struct bucket_answer answer;
    (void)state;
    for (int i = 0; i < 60; i++)
        assert_true(call(peer_of(1), per_minute, NULL));
    /* An hour's worth of waiting would make no sense for a key of now 10 a second. */
    assert_false(call(peer_of(1), (struct rate){10, SECOND}, &answer));
    assert_int_equal(answer.retry_after_ns, SECOND / 10);
}

/* Clocks of two threads may differ by a little: time that goes back gives nothing and takes
 * nothing. */
static void test_time_that_goes_back(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        now_ns += i % 2 == 0 ? 5 : (uint64_t)-5;
        assert_true(call(peer_of(1), per_minute, NULL));
    }
    now_ns -= 1000;
    assert_false(call(peer_of(1), per_minute, NULL));
}

/* --- against a naive model: a list of peers with tokens, refilled one by one --- */

struct model_bucket {
    uint64_t tokens, refilled_ns;
};

static bool model_take(struct model_bucket *bucket, struct rate rate, uint64_t at_ns)
{
    uint64_t interval_ns = rate.period_ns / rate.count;
    while (bucket->tokens < rate.count && bucket->refilled_ns + interval_ns <= at_ns) {
        bucket->refilled_ns += interval_ns;
        bucket->tokens++;
    }
    if (bucket->tokens == rate.count)
        bucket->refilled_ns = at_ns;
    if (bucket->tokens == 0)
        return false;
    bucket->tokens--;
    return true;
}

static void test_against_a_naive_model(void **state)
{
    enum { PEERS = 300, CALLS = ROUNDS_OF(300000) };
    static const struct rate rates[] = {{5, 60 * SECOND}, {10, SECOND}, {100, 3600 * SECOND}};
    static struct model_bucket model[PEERS];
    (void)state;
    srandom(4711);
    for (size_t i = 0; i < PEERS; i++)
        model[i] = (struct model_bucket){rates[i % 3].count, now_ns};
    for (size_t i = 0; i < CALLS; i++) {
        size_t p = (size_t)random() % PEERS;
        now_ns += (uint64_t)random() % (random() % 50 == 0 ? 5 * SECOND : SECOND / 100);
        assert_int_equal(call(peer_of(p), rates[p % 3], NULL),
                         model_take(&model[p], rates[p % 3], now_ns));
    }
}

/* --- bounds --- */

static size_t rss_bytes(void)
{
    size_t pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu %zu", &pages, &resident), 2);
    (void)fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* A million peers at once, none of them full again: 64 bytes each, all told. */
static void test_a_million_peers_take_64_bytes_each(void **state)
{
    struct bucket_stats stats;
    (void)state;
    bucket_read_stats(table, &stats);
    size_t empty = stats.bytes;
    assert_true(empty < 64 * 1024);
    for (uint64_t i = 0; i < BUCKET_MOST_PEERS; i++) {
        assert_true(call(peer_of(i), per_minute, NULL) || stats.crowded_out > 0 || i > 900000);
        if ((i + 1) % 100000 == 0) {
            bucket_read_stats(table, &stats);
            assert_true(stats.bytes - empty <= 64 * stats.peers);
        }
    }
    bucket_read_stats(table, &stats);
    assert_true(stats.peers <= BUCKET_MOST_PEERS);
    assert_true(stats.peers > BUCKET_MOST_PEERS * 97 / 100); /* the shards fill unevenly */
}

/* A million invented peers, each seen once, at a rate that lets them be full again: memory is
 * that of the peers who still owe something. */
static void test_memory_follows_the_peers_that_owe(void **state)
{
    struct bucket_stats stats;
    (void)state;
    for (uint64_t i = 0; i < 200000; i++) {
        now_ns += 20000; /* 50,000 new peers a second, each full again after one */
        (void)call(peer_of(i), per_minute, NULL);
    }
    bucket_read_stats(table, &stats);
    size_t bytes = stats.bytes, rss = rss_bytes();
    assert_true(stats.peers < 60000);
    for (uint64_t i = 200000; i < 200000 + ROUNDS_OF(800000); i++) {
        now_ns += 20000;
        (void)call(peer_of(i), per_minute, NULL);
    }
    bucket_read_stats(table, &stats);
    assert_int_equal(stats.crowded_out, 0);
    assert_true(stats.bytes < bytes + bytes / 4);
    assert_true(rss_bytes() < rss + 4 * 1024 * 1024);
}

/* The table is full of peers that owe something: none of them is forgotten, so a limited peer stays
 * limited; strangers share. */
static void test_a_limited_peer_survives_a_flood(void **state)
{
    const struct rate per_hour = {10, 3600 * SECOND};
    const struct siphash limited = peer_of(UINT64_MAX);
    enum { MOST = ROUNDS_OF(BUCKET_MOST_PEERS), STRANGERS = MOST / 5 * 6 };
    struct bucket_stats stats;
    uint64_t strangers = 0;
    (void)state;
    table = bucket_table_free(table);
    table = bucket_table_new(MOST, &key);
    while (call(limited, per_hour, NULL))
        continue;
    for (uint64_t i = 0; i < STRANGERS; i++) {
        now_ns += SECOND / MOST;
        strangers += call(peer_of(i), per_minute, NULL) ? 1 : 0;
    }
    assert_false(call(limited, per_hour, NULL));
    bucket_read_stats(table, &stats);
    assert_true(stats.peers <= MOST);
    /* After a second the first were full again and gave way to the others. */
    assert_true(strangers > STRANGERS / 24 * 23);
    /* When its time has come, it passes again: its place was kept, no more. */
    now_ns += 360 * SECOND;
    assert_true(call(limited, per_hour, NULL));
    assert_false(call(limited, per_hour, NULL));
}

static void test_strangers_share_when_all_places_owe(void **state)
{
    struct bucket_stats stats;
    struct bucket_answer answer;
    struct bucket_ask ask = {.lane = BUCKET_CALLS, .rate = {10, 3600 * SECOND}, .cost = 1};
    uint64_t passed = 0;
    (void)state;
    table = bucket_table_free(table);
    table = bucket_table_new(BUCKET_SHARDS * 4, &key);
    for (uint64_t i = 0; i < 100000; i++)
        passed += call(peer_of(i), ask.rate, NULL) ? 1 : 0;
    bucket_read_stats(table, &stats);
    assert_int_equal(stats.peers, BUCKET_SHARDS * 4);
    assert_int_equal(stats.crowded_out, 100000 - BUCKET_SHARDS * 4);
    /* Each shard's strangers had ten calls between them. */
    assert_int_equal(passed, BUCKET_SHARDS * 4 + BUCKET_SHARDS * 10);
    assert_false(call(peer_of(1000000), ask.rate, &answer));
    assert_true(answer.retry_after_ns <= 360 * SECOND);
    assert_false(bucket_look(table, peer_of(1000001), &ask, now_ns, &answer));
    /* Later there are places again. */
    now_ns += 3600 * SECOND;
    for (uint64_t i = 200000; i < 200100; i++)
        assert_true(call(peer_of(i), ask.rate, NULL));
    bucket_read_stats(table, &stats);
    assert_int_equal(stats.crowded_out, 100001 - BUCKET_SHARDS * 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_so_many_pass_and_no_more),
        TEST(test_calls_come_back_one_by_one),
        TEST(test_retry_after_is_exact),
        TEST(test_all_are_checked_before_any_is_taken),
        TEST(test_a_look_takes_nothing_and_remembers_nobody),
        TEST(test_a_charge_takes_what_is_left),
        TEST(test_no_rate_is_no_limit),
        TEST(test_a_rate_may_change),
        TEST(test_time_that_goes_back),
        TEST(test_against_a_naive_model),
        TEST(test_a_million_peers_take_64_bytes_each),
        TEST(test_memory_follows_the_peers_that_owe),
        TEST(test_a_limited_peer_survives_a_flood),
        TEST(test_strangers_share_when_all_places_owe),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
