/* How long the guard gives a connection: each of its times, its age, and the end of a drain. */
#include "tests/unit/server/guard_kit.h"

#include <poll.h>

static void test_handshake_time(void **state)
{
    (void)state;
    settings.handshake_ms = SHORT_MS;
    adopt();
    client_say(client, "PRI * HTTP/2.0\r\n");
    expect_end();
    assert_int_equal(handed, 0);
}

static void test_frame_time(void **state)
{
    (void)state;
    settings.frame_ms = SHORT_MS;
    open_relay();
    (void)loop_for(&loop, 2 * SHORT_MS); /* idle, which is fine */
    assert_int_equal(closed, 0);
    client_say(client, "\1\1\1");
    expect_breach(GUARD_FRAME_TIME);
}

/* A loop that is late looks at what has come before it ends a connection for being slow. */
static void test_frame_time_of_a_late_loop(void **state)
{
    static const char ping[17] = {0, 0, 8, 6};
    char got[64];
    (void)state;
    settings.frame_ms = SHORT_MS;
    open_relay();
    assert_int_equal(send(client, ping, 3, MSG_NOSIGNAL), 3);
    (void)loop_for(&loop, 5);
    assert_int_equal(send(client, ping + 3, sizeof ping - 3, MSG_NOSIGNAL), sizeof ping - 3);
    assert_int_equal(poll(NULL, 0, 3 * SHORT_MS), 0); /* it is late */
    assert_int_equal(hear(inside, got, sizeof got), sizeof ping);
    assert_memory_equal(got, ping, sizeof ping);
    assert_int_equal(closed, 0);
}

static void test_message_time(void **state)
{
    (void)state;
    settings.message_ms = 2 * SHORT_MS;
    open_relay();
    say_frame(client, HEADERS, 5, 1, "\x83", 1); /* ended: the answer may take its time */
    (void)loop_for(&loop, 4 * SHORT_MS);
    assert_int_equal(closed, 0);
    say_frame(client, HEADERS, 4, 3, "\x83", 1);
    expect_breach(GUARD_MESSAGE_TIME);
}

static void test_read_time(void **state)
{
    static char payload[1 << 18];
    struct guard_stats stats;
    (void)state;
    settings.read_ms = SHORT_MS;
    open_relay();
    /* as an answer that is larger than all buffers on its way, however they grow */
    for (unsigned i = 0; i < 3000 && closed == 0; i++) {
        (void)!send(inside, payload, sizeof payload, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)loop_for(&loop, 1);
    }
    expect_end();
    guard_stats(guard, &stats);
    assert_int_equal(stats.breaches[GUARD_READ_TIME], 1);
}

static void test_idle_time(void **state)
{
    (void)state;
    settings.idle_ms = SHORT_MS;
    open_relay();
    expect_breach(GUARD_IDLE_TIME);
}

static void test_age(void **state)
{
    (void)state;
    settings.age_ms = 2 * SHORT_MS;
    open_relay();
    for (unsigned i = 0; i < 5; i++) {
        (void)loop_for(&loop, 10);
        say_frame(client, PING, 0, 0, "12345678", 8);
    }
    expect_breach(GUARD_AGE);
}

/* h2o does not end a connection for its age; the guard asks, once, and ends nothing. */
static void test_rest_is_asked_to_leave(void **state)
{
    char got[64];
    (void)state;
    settings.leave_ms = 2 * SHORT_MS;
    open_rest();
    (void)loop_for(&loop, 3 * SHORT_MS);
    assert_int_equal(hear(client, got, sizeof got), 9 + 8);
    assert_int_equal(got[3], GOAWAY);
    (void)loop_for(&loop, 3 * SHORT_MS);
    assert_int_equal(hear(client, got, sizeof got), 0);
    assert_int_equal(closed, 0);
    (void)close(inside);
    inside = -1;
    (void)shutdown(client, SHUT_WR);
    expect_end();
}

/* Whoever has not begun has a second left; whoever has is the inside's to end. */
static void test_drain(void **state)
{
    (void)state;
    adopt();
    (void)loop_for(&loop, 5);
    guard_drain(guard);
    (void)loop_for(&loop, 100);
    assert_int_equal(closed, 0);
    say_opening();
    assert_true(loop_until(&loop, has_handed, NULL, 2000, NULL));
    (void)loop_for(&loop, 1100);
    assert_int_equal(closed, 0);
    (void)close(inside);
    inside = -1;
    (void)shutdown(client, SHUT_WR);
    expect_end();
}

/* Whoever is being heard out has a second left, too. */
static void test_drain_of_farewells(void **state)
{
    char got[256];
    (void)state;
    settings.linger_ms = LONG_MS;
    open_relay();
    say_frame(client, PUSH_PROMISE, 4, 1, "\0\0\0\2", 4);
    assert_true(hear(client, got, sizeof got) > 0);
    assert_int_equal(closed, 0);
    guard_drain(guard);
    expect_end();
}

static void test_abort(void **state)
{
    (void)state;
    open_relay();
    guard_abort(guard);
    guard_abort(guard);
    expect_end();
    assert_true(client_is_closed(client, 1000));
    assert_true(client_is_closed(inside, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUARD_TEST(test_handshake_time),
        GUARD_TEST(test_frame_time),
        GUARD_TEST(test_frame_time_of_a_late_loop),
        GUARD_TEST(test_message_time),
        GUARD_TEST(test_read_time),
        GUARD_TEST(test_idle_time),
        GUARD_TEST(test_age),
        GUARD_TEST(test_rest_is_asked_to_leave),
        GUARD_TEST(test_drain),
        GUARD_TEST(test_drain_of_farewells),
        GUARD_TEST(test_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
