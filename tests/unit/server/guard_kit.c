#include "tests/unit/server/guard_kit.h"

#include <signal.h>

uv_loop_t loop;
static uv_timer_t clock_hand;
struct timers timers;
struct guard *guard;
struct guard_settings settings;
int inside;
unsigned handed;
unsigned closed;
uint16_t last_port;
int client;

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

int guard_set_up(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_timer_init(&loop, &clock_hand), 0);
    assert_int_equal(uv_timer_start(&clock_hand, on_tick, 2, 2), 0);
    timers_init(&timers);
    settings = patient_settings();
    settings.to_rpc = to_rpc;
    settings.rpc_context = &inside;
    settings.closed = on_closed;
    settings.closed_context = &closed;
    inside = client = -1;
    handed = closed = 0;
    return 0;
}

bool has_closed(void *context)
{
    (void)context;
    return closed > 0;
}

bool has_handed(void *context)
{
    (void)context;
    return handed > 0;
}

int guard_tear_down(void **state)
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

void adopt_as(enum tls_use use)
{
    int ends[2];
    struct peer peer = {.port = 4711};
    guard = guard_new(&loop, &timers, &settings, to_rest, NULL);
    client_pair(ends);
    client = ends[0];
    guard_adopt(guard, ends[1], &peer, use);
}

void adopt(void)
{
    adopt_as(TLS_RPC);
}

void say(int fd, const struct buf *what)
{
    assert_int_equal(send(fd, what->at, what->len, MSG_NOSIGNAL), what->len);
}

void say_opening(void)
{
    struct buf bytes;
    buf_init(&bytes, NULL, 4096);
    put_opening(&bytes);
    say(client, &bytes);
    buf_fini(&bytes);
}

void say_frame(int fd, unsigned kind, unsigned flags, uint32_t stream, const void *payload,
               size_t len)
{
    struct buf bytes;
    buf_init(&bytes, NULL, 1 << 20);
    put_frame(&bytes, kind, flags, stream, payload, len);
    say(fd, &bytes);
    buf_fini(&bytes);
}

void open_relay(void)
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

void open_rest(void)
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

size_t hear(int fd, char *to, size_t most)
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

void expect_end(void)
{
    assert_true(loop_until(&loop, has_closed, NULL, 3000, NULL));
    assert_int_equal(closed, 1);
    assert_int_equal(last_port, 4711);
    assert_int_equal(guard_connections(guard), 0);
}

void expect_breach(enum guard_rule rule)
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
