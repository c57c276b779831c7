/* What the guard lets its connections hold together, and which of them goes when it is too much. */
#include "server/guard.h"

#include "server/guard_streams.h"
#include "shared/base/tick.h"
#include "tests/unit/server/frame_kit.h"
#include "tests/unit/server/guard_patience.h"
#include "tests/unit/server/loop_kit.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { CLIENTS = 3, HELD_BYTES = 5 * GUARD_STREAM_BYTES };

static uv_loop_t loop;
static struct timers timers;
static struct guard *guard;
static int clients[CLIENTS], insides[CLIENTS];
static unsigned handed;

static void to_rpc(void *context, int fd, const struct peer *peer, struct certificate *certificate)
{
    (void)context;
    (void)certificate;
    insides[peer->port] = fd;
    handed++;
}

static void to_rest(void *context, int fd, const struct guard_passed *passed)
{
    (void)context;
    to_rpc(NULL, fd, &passed->peer, NULL);
}

static void on_closed(void *context, const struct peer *peer)
{
    (void)context;
    (void)peer;
}

static void say(unsigned who, void (*put)(struct buf *out, uint32_t stream), uint32_t stream)
{
    struct buf bytes;
    buf_init(&bytes, NULL, 1 << 20);
    put(&bytes, stream);
    assert_int_equal(send(clients[who], bytes.at, bytes.len, MSG_NOSIGNAL), bytes.len);
    buf_fini(&bytes);
    (void)loop_for(&loop, 10);
}

static void put_start(struct buf *out, uint32_t stream)
{
    (void)stream;
    put_opening(out);
}

static void put_owed(struct buf *out, uint32_t stream)
{
    put_frame(out, HEADERS, END_HEADERS, stream, "\x83", 1);
}

static void put_whole(struct buf *out, uint32_t stream)
{
    put_frame(out, HEADERS, END_HEADERS | END_STREAM, stream, "\x83", 1);
}

static void put_body(struct buf *out, uint32_t stream)
{
    static char payload[GUARD_STREAM_BYTES];
    put_frame(out, DATA, 0, stream, payload, sizeof payload);
}

static void put_end(struct buf *out, uint32_t stream)
{
    put_frame(out, DATA, END_STREAM, stream, NULL, 0);
}

static int setup(void **state)
{
    struct guard_settings settings = patient_settings();
    (void)state;
    settings.linger_ms = 0;
    settings.body_bytes = 1 << 20;
    settings.held_bytes = HELD_BYTES;
    settings.to_rpc = to_rpc;
    settings.closed = on_closed;
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(uv_loop_init(&loop), 0);
    timers_init(&timers);
    guard = guard_new(&loop, &timers, &settings, to_rest, NULL);
    handed = 0;
    for (uint16_t i = 0; i < CLIENTS; i++) {
        int ends[2];
        client_pair(ends);
        clients[i] = ends[0];
        guard_adopt(guard, ends[1], &(struct peer){.port = i}, i == 1 ? TLS_REST_2 : TLS_RPC);
        say(i, put_start, 0);
    }
    return handed == CLIENTS ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    guard_abort(guard);
    while (guard_connections(guard) > 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    guard = guard_free(guard);
    timers_fini(&timers);
    loop_close(&loop);
    for (unsigned i = 0; i < CLIENTS; i++) {
        (void)close(clients[i]);
        (void)close(insides[i]);
    }
    return 0;
}

static unsigned ended(void)
{
    struct guard_stats stats;
    guard_stats(guard, &stats);
    return (unsigned)stats.breaches[GUARD_HELD];
}

/* The inside of an ended connection sees its end. */
static bool is_over(unsigned who)
{
    char byte[1 << 16];
    ssize_t got;
    (void)loop_for(&loop, 10);
    while ((got = recv(insides[who], byte, sizeof byte, MSG_DONTWAIT)) > 0)
        ;
    return got == 0;
}

static void test_who_owes_most_goes(void **state)
{
    (void)state;
    say(0, put_owed, 1);
    say(1, put_owed, 1);
    say(1, put_owed, 3);
    say(2, put_owed, 1);
    say(2, put_owed, 3);
    assert_int_equal(ended(), 0);
    say(1, put_body, 3);
    assert_int_equal(ended(), 1);
    assert_true(is_over(1));
    assert_false(is_over(0));
    assert_false(is_over(2));
    /* What it held is no longer counted. */
    say(0, put_owed, 3);
    say(0, put_owed, 5);
    assert_int_equal(ended(), 1);
    say(2, put_body, 1);
    assert_int_equal(ended(), 2);
    assert_true(is_over(2) != is_over(0));
}

/* What is whole waits for us, what is not for the client: that counts twice. */
static void test_whole_requests_count_less(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        say(0, put_whole, 2 * i + 1);
    say(2, put_owed, 1);
    say(2, put_owed, 3);
    assert_int_equal(ended(), 0);
    say(1, put_whole, 1);
    assert_int_equal(ended(), 1);
    assert_false(is_over(0));
    assert_true(is_over(2));
}

/* Who holds much keeps nobody out who has just begun. */
static void test_who_has_just_begun_stays(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        say(0, put_whole, 2 * i + 1);
    say(2, put_owed, 1);
    assert_int_equal(ended(), 1);
    assert_true(is_over(0));
    assert_false(is_over(2));
}

static void test_a_body_that_ends_is_not_owed(void **state)
{
    (void)state;
    say(0, put_owed, 1);
    say(0, put_body, 1);
    say(0, put_body, 1);
    say(0, put_end, 1);
    say(2, put_owed, 1);
    say(2, put_body, 1);
    assert_int_equal(ended(), 0);
    say(1, put_whole, 1);
    assert_int_equal(ended(), 1);
    assert_true(is_over(2));
}

static void test_who_holds_most_goes(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        say(0, put_whole, 2 * i + 1);
    for (uint32_t i = 0; i < 2; i++)
        say(2, put_whole, 2 * i + 1);
    say(1, put_whole, 1);
    assert_int_equal(ended(), 1);
    assert_true(is_over(0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_who_owes_most_goes),       TEST(test_whole_requests_count_less),
        TEST(test_who_has_just_begun_stays), TEST(test_a_body_that_ends_is_not_owed),
        TEST(test_who_holds_most_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
