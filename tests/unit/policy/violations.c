#include "shared/policy/violations.h"

#include "tests/unit/rounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct rate ten_a_minute = {10, 60000000000};
static struct violations *violations;
static const struct siphash alice = {7, 7};

static struct siphash other(uint64_t i)
{
    return (struct siphash){i * 0x9e3779b97f4a7c15, ~i};
}

static int set_up(void **state)
{
    (void)state;
    violations = violations_new(ten_a_minute);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    violations = violations_free(violations);
    return 0;
}

static void test_ten_within_a_minute_block_for_a_minute(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 9; i++)
        assert_false(violations_add(violations, alice, 1000000 + i * 6000));
    assert_int_equal(violations_blocked_ms(violations, alice, 1050000), 0);
    assert_true(violations_add(violations, alice, 1059000));
    assert_int_equal(violations_blocked_ms(violations, alice, 1059000), 60000);
    assert_int_equal(violations_blocked_ms(violations, alice, 1118999), 1);
    assert_int_equal(violations_blocked_ms(violations, alice, 1119000), 0);
    assert_int_equal(violations_blocked_ms(violations, other(1), 1059000), 0);
}

static void test_nine_in_any_minute_do_not(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 500; i++)
        assert_false(violations_add(violations, alice, 1000000 + i * 6700));
}

/* The window slides: ten around the edge of any fixed minute count, too. */
static void test_the_minute_is_any_minute(void **state)
{
    (void)state;
    assert_false(violations_add(violations, alice, 1000000));
    for (uint64_t i = 0; i < 9; i++)
        assert_false(violations_add(violations, alice, 1060000 + i * 100));
    assert_true(violations_add(violations, alice, 1119000));
}

static void test_a_block_begins_a_clean_slate(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        (void)violations_add(violations, alice, 1000000);
    /* Not longer by what comes meanwhile, and not again by what led to it. */
    assert_false(violations_add(violations, alice, 1030000));
    assert_int_equal(violations_blocked_ms(violations, alice, 1030000), 30000);
    assert_false(violations_add(violations, alice, 1060000));
    assert_int_equal(violations_blocked_ms(violations, alice, 1060000), 0);
}

/* Also where what led to it is still within the period. */
static void test_a_clean_slate_within_a_long_period(void **state)
{
    (void)state;
    violations = violations_free(violations);
    violations = violations_new((struct rate){2, UINT64_C(3600000000000)});
    assert_false(violations_add(violations, alice, 10000000));
    assert_true(violations_add(violations, alice, 10000000));
    assert_false(violations_add(violations, alice, 10060000));
    assert_true(violations_add(violations, alice, 10060000));
}

static void test_a_threshold_of_one(void **state)
{
    (void)state;
    violations = violations_free(violations);
    violations = violations_new((struct rate){1, 1000000000});
    for (uint64_t i = 0; i < 3; i++) {
        assert_true(violations_add(violations, alice, 1000000 + i * 60000));
        assert_int_equal(violations_blocked_ms(violations, alice, 1000000 + i * 60000), 60000);
    }
}

/* A model that keeps every time, against random times. */
static void test_against_a_naive_model(void **state)
{
    enum { PEERS = 5, EVENTS = 20000 };
    static uint64_t times[PEERS][EVENTS];
    size_t n[PEERS] = {0};
    uint64_t until[PEERS] = {0}, now_ms = 5000000;
    (void)state;
    srandom(4711);
    for (int e = 0; e < EVENTS; e++) {
        now_ms += (uint64_t)(random() % 60) * 100; /* the table is 100 ms fine */
        size_t p = (size_t)random() % PEERS;
        times[p][n[p]++] = now_ms;
        size_t recent = 0;
        while (recent < n[p] && now_ms - times[p][n[p] - 1 - recent] < 60000)
            recent++;
        bool begins = now_ms >= until[p] && recent >= 10;
        if (begins) {
            until[p] = now_ms + 60000;
            n[p] = 0;
        }
        assert_int_equal(violations_add(violations, other(p), now_ms), begins);
        for (size_t i = 0; i < PEERS; i++)
            assert_int_equal(violations_blocked_ms(violations, other(i), now_ms),
                             until[i] > now_ms ? until[i] - now_ms : 0);
    }
}

static void test_a_blocked_peer_survives_a_flood(void **state)
{
    enum { FLOOD = ROUNDS_OF(64 * VIOLATIONS_PEERS) };
    struct violations_stats stats;
    (void)state;
    for (int i = 0; i < 10; i++)
        (void)violations_add(violations, alice, 1000000);
    for (uint64_t i = 0; i < FLOOD; i++)
        (void)violations_add(violations, other(i), 1001000);
    assert_int_equal(violations_blocked_ms(violations, alice, 1059999), 1);
    violations_read_stats(violations, &stats);
    assert_int_equal(stats.violations, FLOOD + 10);
    assert_int_equal(stats.blocks, 1);
    assert_true(stats.peers <= VIOLATIONS_PEERS);
    assert_true(stats.peers > VIOLATIONS_PEERS / 2);
}

static void test_when_all_are_blocked_newcomers_are_forgotten(void **state)
{
    struct violations_stats stats;
    (void)state;
    for (uint64_t i = 0; i < 100000; i++)
        for (int j = 0; j < 10; j++)
            (void)violations_add(violations, other(i), 1000000);
    violations_read_stats(violations, &stats);
    assert_int_equal(stats.peers, VIOLATIONS_PEERS);
    assert_int_equal(stats.blocks, VIOLATIONS_PEERS);
    assert_int_equal(stats.forgotten, 10U * (100000 - VIOLATIONS_PEERS));
    /* A minute later their places are free. */
    for (int j = 0; j < 10; j++)
        (void)violations_add(violations, alice, 1200000);
    assert_int_equal(violations_blocked_ms(violations, alice, 1200000), 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_ten_within_a_minute_block_for_a_minute),
        TEST(test_nine_in_any_minute_do_not),
        TEST(test_the_minute_is_any_minute),
        TEST(test_a_block_begins_a_clean_slate),
        TEST(test_a_clean_slate_within_a_long_period),
        TEST(test_a_threshold_of_one),
        TEST(test_against_a_naive_model),
        TEST(test_a_blocked_peer_survives_a_flood),
        TEST(test_when_all_are_blocked_newcomers_are_forgotten),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
