/* What the guard's relay passes on and what it ends: both ways, resets, back-pressure, rules,
 * bodies, descriptors. */
#include "tests/unit/server/guard_kit.h"

#include <errno.h>
#include <sys/resource.h>

static void test_both_ways(void **state)
{
    char got[64];
    (void)state;
    open_relay();
    say_frame(client, PING, 0, 0, "12345678", 8);
    assert_int_equal(hear(inside, got, sizeof got), 17);
    assert_memory_equal(got + 9, "12345678", 8);
    say_frame(inside, SETTINGS, 0, 0, NULL, 0);
    assert_int_equal(hear(client, got, sizeof got), 9);
    assert_int_equal(guard_connections(guard), 1);
    (void)close(client);
    client = -1;
    assert_true(loop_until(&loop, has_closed, NULL, 50, NULL) == false); /* the inside may go on */
    (void)close(inside);
    inside = -1;
    expect_end();
}

/* What the inside says last arrives, and then the end. */
static void test_the_inside_ends(void **state)
{
    char got[64];
    (void)state;
    open_relay();
    say_frame(inside, GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    (void)close(inside);
    inside = -1;
    assert_int_equal(hear(client, got, sizeof got), 17);
    assert_true(client_is_closed(client, 1000));
    (void)close(client);
    client = -1;
    expect_end();
}

/* An inside that has ended without reading all has answered before: that arrives, and the end. */
static void test_the_inside_breaks(void **state)
{
    static char payload[GUARD_BUFFER_BYTES];
    char got[64];
    (void)state;
    open_relay();
    say_frame(client, HEADERS, END_HEADERS, 1, "\x83", 1);
    for (unsigned i = 0; i < 20; i++) /* more than is taken inside */
        say_frame(client, DATA, 0, 1, payload, 16384);
    (void)loop_for(&loop, 10);
    say_frame(inside, GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    (void)close(inside);
    inside = -1;
    assert_int_equal(hear(client, got, sizeof got), 17);
    assert_true(client_is_closed(client, 1000));
    (void)close(client);
    client = -1;
    expect_end();
}

/* Who speaks on behind a breach is not reset before it has read why it is ended. */
static void test_a_farewell_is_heard(void **state)
{
    static char payload[1 << 16];
    char got[256];
    (void)state;
    settings.linger_ms = LONG_MS;
    open_relay();
    say_frame(client, PUSH_PROMISE, 4, 1, "\0\0\0\2", 4);
    for (size_t sent = 0; sent < (4U << 20);) {
        ssize_t each = send(client, payload, sizeof payload, MSG_DONTWAIT | MSG_NOSIGNAL);
        assert_true(each > 0 || errno == EAGAIN);
        sent += each > 0 ? (size_t)each : 0;
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
    size_t heard = hear(client, got, sizeof got);
    assert_true(heard > 9 + 8);
    assert_int_equal(got[3], GOAWAY);
    assert_int_equal(recv(client, got, sizeof got, MSG_DONTWAIT), 0);
    assert_int_equal(closed, 0);
    (void)shutdown(client, SHUT_WR);
    expect_end();
}

static void test_the_client_resets(void **state)
{
    const struct linger at_once = {.l_onoff = 1};
    (void)state;
    open_relay();
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    (void)close(client);
    client = -1;
    expect_end();
    assert_true(client_is_closed(inside, 1000));
}

/* Half a frame a time, in both directions, far more than the buffers hold; nobody loses a byte, and
 * who does not read stops the other. */
static void test_back_pressure(void **state)
{
    static char payload[16384], got[1 << 16];
    (void)state;
    open_relay();
    say_frame(client, HEADERS, 4, 1, "\x83", 1);
    assert_int_equal(hear(inside, got, sizeof got), 10);
    struct buf frame;
    buf_init(&frame, NULL, 1 << 20);
    put_frame(&frame, DATA, 0, 1, payload, sizeof payload);
    int from[] = {client, inside}, to[] = {inside, client};
    for (size_t way = 0; way < 2; way++) {
        size_t sent = 0, heard = 0;
        unsigned stuck = 0;
        while (stuck < 20) { /* nobody reads */
            size_t at = sent % frame.len;
            ssize_t each =
                send(from[way], frame.at + at, frame.len - at, MSG_DONTWAIT | MSG_NOSIGNAL);
            (void)loop_for(&loop, 1);
            stuck = each > 0 ? 0 : stuck + 1;
            sent += each > 0 ? (size_t)each : 0;
            assert_true(sent < (64U << 20));
        }
        assert_true(sent > GUARD_BUFFER_BYTES);
        while (heard < sent) {
            size_t each = hear(to[way], got, sizeof got);
            for (size_t i = 0; i < each; i++)
                assert_int_equal((unsigned char)got[i],
                                 (unsigned char)frame.at[(heard + i) % frame.len]);
            assert_true(each > 0);
            heard += each;
        }
        assert_int_equal(heard, sent);
    }
    buf_fini(&frame);
}

static void test_breach(void **state)
{
    (void)state;
    open_relay();
    say_frame(client, PUSH_PROMISE, 4, 1, "\0\0\0\2", 4);
    expect_breach(GUARD_PUSH);
}

/* Nothing of a connection that does not begin well is handed on. */
static void test_bad_beginning(void **state)
{
    struct guard_stats stats;
    (void)state;
    adopt();
    client_say(client, "GET / HTTP/1.1\r\n\r\n");
    assert_true(client_is_closed(client, 0) == false);
    (void)loop_for(&loop, 10);
    assert_true(client_is_closed(client, 1000));
    (void)shutdown(client, SHUT_WR);
    expect_end();
    assert_int_equal(handed, 0);
    guard_stats(guard, &stats);
    assert_int_equal(stats.breaches[GUARD_PREFACE], 1);
}

static void test_bodies_that_rest_holds(void **state)
{
    static char payload[1000];
    (void)state;
    settings.body_bytes = sizeof payload;
    open_rest();
    say_frame(client, HEADERS, 4, 1, "\x83", 1);
    say_frame(client, DATA, 0, 1, payload, sizeof payload);
    (void)loop_for(&loop, 10);
    assert_int_equal(closed, 0);
    say_frame(client, DATA, 0, 1, "1", 1);
    expect_breach(GUARD_BODIES);
}

static void test_without_rules(void **state)
{
    char got[64];
    (void)state;
    settings.rules = false;
    adopt();
    assert_true(loop_until(&loop, has_handed, NULL, 2000, NULL));
    client_say(client, "whatever");
    assert_int_equal(hear(inside, got, sizeof got), 8);
    (void)close(inside);
    inside = -1;
    (void)shutdown(client, SHUT_WR);
    expect_end();
}

static void test_no_descriptors(void **state)
{
    struct rlimit limit, few;
    (void)state;
    adopt();
    int lowest_free = dup(client);
    (void)close(lowest_free);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    few = limit;
    few.rlim_cur = (rlim_t)lowest_free + 1; /* a pair needs two */
    say_opening();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    bool ended = loop_until(&loop, has_closed, NULL, 2000, NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(ended);
    assert_int_equal(handed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUARD_TEST(test_both_ways),
        GUARD_TEST(test_the_inside_ends),
        GUARD_TEST(test_the_inside_breaks),
        GUARD_TEST(test_a_farewell_is_heard),
        GUARD_TEST(test_the_client_resets),
        GUARD_TEST(test_back_pressure),
        GUARD_TEST(test_breach),
        GUARD_TEST(test_bad_beginning),
        GUARD_TEST(test_bodies_that_rest_holds),
        GUARD_TEST(test_without_rules),
        GUARD_TEST(test_no_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
