/* Whose time it is: while bytes wait for an inside that is slow, no client is ended for being slow.
 * The clock is this test's own, so that minutes pass in no time. */
#include "server/guard_internal.h"
#include "tests/unit/server/guard_kit.h"

#include <time.h>

enum { LENGTH = 16384, FRAME = 9 + LENGTH, HALF = 8000, SPARE_MS = 5000 };

static uint64_t ahead_ms; /* of the real time, in which sockets move */

/* Here instead of in shared/base/tick.c. */
uint64_t tick_now_ns(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec + ahead_ms * 1000000U;
}

tick_ms tick_now_ms(void)
{
    return tick_now_ns() / 1000000U;
}

uint64_t tick_wall_ns(void)
{
    return tick_now_ns();
}

static void pass(uint64_t ms)
{
    ahead_ms += ms;
    (void)loop_for(&loop, 20);
}

static void open_upload(void)
{
    char got[64];
    ahead_ms = 0;
    settings.idle_ms = settings.age_ms = settings.leave_ms = 1000 * (uint64_t)LONG_MS;
    open_relay();
    say_frame(client, HEADERS, END_HEADERS, 1, "\x83", 1);
    assert_int_equal(hear(inside, got, sizeof got), 10);
}

/* Says DATA until the inside takes no more, each time up to the middle of a frame; returns how
 * much. */
static size_t jam(void)
{
    static char payload[LENGTH];
    const struct relay *relay = guard->relays;
    struct buf frames;
    buf_init(&frames, NULL, 1 << 20);
    put_frame(&frames, DATA, 0, 1, payload, sizeof payload);
    put_frame(&frames, DATA, 0, 1, payload, sizeof payload);
    assert_int_equal(send(client, frames.at, HALF, MSG_NOSIGNAL), HALF);
    size_t said = HALF;
    (void)loop_for(&loop, 5);
    while (relay->up.len == 0 && said < (8U << 20)) {
        assert_int_equal(send(client, frames.at + HALF, FRAME, MSG_NOSIGNAL), FRAME);
        said += FRAME;
        client_is_heard(client);
        (void)loop_for(&loop, 5);
    }
    buf_fini(&frames);
    assert_true(relay->up.len > 0);
    assert_int_equal(relay->frames.client.left, FRAME - HALF); /* which is a part of a frame */
    return said;
}

/* The inside takes all of it. */
static void unjam(size_t said)
{
    static char got[1 << 20];
    for (size_t heard = 0, each; heard < said; heard += each) {
        each = hear(inside, got, sizeof got);
        assert_true(each > 0);
    }
    assert_int_equal(guard->relays->up.len, 0);
}

/* For longer than the client has; then the client's time goes on where it stood. */
static void expect_excuse(enum guard_rule rule)
{
    open_upload();
    pass(LONG_MS / 2);
    size_t said = jam();
    pass(3 * (uint64_t)LONG_MS);
    assert_int_equal(guard->relays->state, RELAY_RELAYING);
    unjam(said);
    pass(LONG_MS / 2 - SPARE_MS);
    assert_int_equal(guard->relays->state, RELAY_RELAYING);
    pass(rule == GUARD_FRAME_TIME ? LONG_MS : 2 * SPARE_MS);
    expect_breach(rule);
}

static void test_frame_time(void **state)
{
    (void)state;
    settings.message_ms = 1000 * (uint64_t)LONG_MS;
    expect_excuse(GUARD_FRAME_TIME);
}

static void test_message_time(void **state)
{
    (void)state;
    settings.frame_ms = 1000 * (uint64_t)LONG_MS;
    expect_excuse(GUARD_MESSAGE_TIME);
}

/* An upload by fits and starts comes to its end, however long all of it takes. */
static void test_again_and_again(void **state)
{
    static char rest[FRAME];
    char got[64];
    (void)state;
    open_upload();
    for (unsigned i = 0; i < 3; i++) {
        size_t said = jam();
        pass(LONG_MS - SPARE_MS);
        unjam(said);
        assert_int_equal(send(client, rest, FRAME - HALF, MSG_NOSIGNAL), FRAME - HALF);
        unjam(FRAME - HALF);
    }
    say_frame(client, DATA, END_STREAM, 1, "x", 1);
    assert_int_equal(hear(inside, got, sizeof got), 10);
    pass(3 * (uint64_t)LONG_MS);
    assert_int_equal(guard->relays->state, RELAY_RELAYING);
    assert_int_equal(closed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUARD_TEST(test_frame_time),
        GUARD_TEST(test_message_time),
        GUARD_TEST(test_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
