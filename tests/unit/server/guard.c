/* The guard's relay over real sockets: a client on loopback, and what is handed on to as the other
 * end of a pair. Time is the loop's, in tens of milliseconds. */
#include "server/guard.h"

#include "shared/base/tick.h"
#include "tests/unit/server/frame_kit.h"
#include "tests/unit/server/loop_kit.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { SHORT_MS = 60, LONG_MS = 60000 };

static uv_loop_t loop;
static uv_timer_t clock_hand;
static struct timers timers;
static struct guard *guard;
static struct guard_settings settings;
static int inside;      /* what was handed on; -1: nothing yet */
static unsigned handed; /* how often */
static unsigned closed;
static uint16_t last_port;
static int client; /* one end of a connection; the guard has the other */

static void to_rpc(void *context, int fd, const struct peer *peer, struct certificate *certificate)
{
    assert_ptr_equal(context, &inside);
    assert_null(certificate);
    inside = fd;
    last_port = peer->port;
    handed++;
}

static void to_rest(void *context, int fd, const struct guard_passed *passed)
{
    assert_null(context);
    assert_true(passed->http2 && !passed->tls);
    assert_null(passed->certificate);
    inside = fd;
    last_port = passed->peer.port;
    handed++;
}

static void on_closed(void *context, const struct peer *peer)
{
    assert_ptr_equal(context, &closed);
    closed++;
    last_port = peer->port;
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
    timers_run(&timers, tick_now_ms());
}

static int setup(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_timer_init(&loop, &clock_hand), 0);
    assert_int_equal(uv_timer_start(&clock_hand, on_tick, 2, 2), 0);
    timers_init(&timers);
    settings = (struct guard_settings){.handshake_ms = LONG_MS,
                                       .frame_ms = LONG_MS,
                                       .message_ms = LONG_MS,
                                       .read_ms = LONG_MS,
                                       .idle_ms = LONG_MS,
                                       .age_ms = LONG_MS,
                                       .leave_ms = LONG_MS,
                                       .linger_ms = SHORT_MS,
                                       .rules = true,
                                       .to_rpc = to_rpc,
                                       .rpc_context = &inside,
                                       .closed = on_closed,
                                       .closed_context = &closed};
    inside = client = -1;
    handed = closed = 0;
    return 0;
}

static bool has_closed(void *context)
{
    (void)context;
    return closed > 0;
}

static bool has_handed(void *context)
{
    (void)context;
    return handed > 0;
}

static int teardown(void **state)
{
    (void)state;
    guard_abort(guard);
    while (guard_connections(guard) > 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    guard = guard_free(guard);
    timers_fini(&timers);
    uv_close((uv_handle_t *)&clock_hand, NULL);
    loop_close(&loop);
    if (inside >= 0)
        (void)close(inside);
    (void)close(client);
    return closed == 1 ? 0 : 1; /* exactly once */
}

static void adopt_as(enum tls_use use)
{
    int ends[2];
    struct peer peer = {.port = 4711};
    guard = guard_new(&loop, &timers, &settings, to_rest, NULL);
    client_pair(ends);
    client = ends[0];
    guard_adopt(guard, ends[1], &peer, use);
}

static void adopt(void)
{
    adopt_as(TLS_RPC);
}

static void say(int fd, const struct buf *what)
{
    assert_int_equal(send(fd, what->at, what->len, MSG_NOSIGNAL), what->len);
}

static void say_opening(void)
{
    struct buf bytes;
    buf_init(&bytes, NULL, 4096);
    put_opening(&bytes);
    say(client, &bytes);
    buf_fini(&bytes);
}

static void say_frame(int fd, unsigned kind, unsigned flags, uint32_t stream, const void *payload,
                      size_t len)
{
    struct buf bytes;
    buf_init(&bytes, NULL, 1 << 20);
    put_frame(&bytes, kind, flags, stream, payload, len);
    say(fd, &bytes);
    buf_fini(&bytes);
}

/* The relay is up: preface and SETTINGS have arrived inside. */
static void open_relay(void)
{
    char got[64];
    adopt();
    say_opening();
    assert_true(loop_until(&loop, has_handed, NULL, 2000, NULL));
    assert_int_equal(last_port, 4711);
    (void)loop_for(&loop, 5);
    assert_int_equal(recv(inside, got, sizeof got, MSG_DONTWAIT), 24 + 9);
    assert_memory_equal(got, frame_preface, 24);
}

/* All that arrives at `fd` until it ends or nothing more comes. */
static size_t hear(int fd, char *to, size_t most)
{
    size_t got = 0;
    ssize_t each;
    (void)loop_for(&loop, 10);
    while ((each = recv(fd, to + got, most - got, MSG_DONTWAIT)) > 0) {
        got += (size_t)each;
        (void)loop_for(&loop, 5);
    }
    return got;
}

static void expect_end(void)
{
    assert_true(loop_until(&loop, has_closed, NULL, 3000, NULL));
    assert_int_equal(closed, 1);
    assert_int_equal(last_port, 4711);
    assert_int_equal(guard_connections(guard), 0);
}

static void expect_breach(enum guard_rule rule)
{
    char got[256];
    struct guard_stats stats;
    size_t len = 0;
    const char *name = guard_rule_row(rule)->name;
    tick_ms until_ms = tick_now_ms() + 3000;
    while (len < strlen(name) && tick_now_ms() < until_ms)
        len += hear(client, got + len, sizeof got - len);
    guard_stats(guard, &stats);
    assert_int_equal(stats.breaches[rule], 1);
    assert_true(len >= strlen(name));
    assert_memory_equal(got + len - strlen(name), name, strlen(name));
    (void)hear(inside, got, sizeof got); /* what was fine */
    assert_true(client_is_closed(inside, 1000));
    (void)shutdown(client, SHUT_WR);
    expect_end();
}

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

static void open_rest(void)
{
    char got[64];
    settings.rules = false; /* which are the C core's to switch off, not REST's */
    adopt_as(TLS_REST_2);
    say_opening();
    assert_true(loop_until(&loop, has_handed, NULL, 2000, NULL));
    assert_int_equal(hear(inside, got, sizeof got), 24 + 9);
    say_frame(inside, SETTINGS, 0, 0, NULL, 0);
    assert_int_equal(hear(client, got, sizeof got), 9);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_both_ways),
        TEST(test_the_inside_ends),
        TEST(test_the_client_resets),
        TEST(test_back_pressure),
        TEST(test_breach),
        TEST(test_bad_beginning),
        TEST(test_handshake_time),
        TEST(test_frame_time),
        TEST(test_frame_time_of_a_late_loop),
        TEST(test_message_time),
        TEST(test_read_time),
        TEST(test_idle_time),
        TEST(test_age),
        TEST(test_rest_is_asked_to_leave),
        TEST(test_bodies_that_rest_holds),
        TEST(test_drain),
        TEST(test_abort),
        TEST(test_without_rules),
        TEST(test_no_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
