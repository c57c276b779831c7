#include "server/lobby.h"

#include "server/peek.h"
#include "tests/unit/server/loop_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 60, LONG_MS = 1000 * 1000, MOST_MS = 20000 };

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static uv_loop_t loop;
static struct lobby lobby;
static unsigned left;
static enum peek_result last;
static struct peer last_peer;
static int last_fd = -1;
static bool entering;

static void on_leave(void *context, int fd, const struct peer *peer, bool decided)
{
    int low_water = 0;
    socklen_t len = sizeof low_water;
    assert_ptr_equal(context, &left);
    assert_false(entering);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low_water, &len), 0);
    assert_int_equal(low_water, 1);
    left++;
    last = decided ? peek_look(fd) : PEEK_MORE;
    assert_true(!decided || last != PEEK_MORE);
    last_peer = *peer;
    last_fd = fd;
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    lobby = (struct lobby){
        .loop = &loop, .wait_ms = WAIT_MS, .look = peek_wants, .leave = on_leave, .context = &left};
    left = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(lobby.count, 0);
    assert_null(lobby.guests);
    loop_close(&loop);
    return 0;
}

static bool has_left(void *count)
{
    return left >= *(unsigned *)count;
}

static void enter(int fd, uint16_t port)
{
    struct peer peer = {.port = port};
    uv_update_time(&loop); /* as in a callback of a loop that runs */
    entering = true;
    assert_true(lobby_enter(&lobby, fd, &peer));
    entering = false;
}

static void run_until_left(unsigned count)
{
    assert_true(loop_until(&loop, has_left, &count, MOST_MS, NULL));
    assert_int_equal(left, count);
}

/* Sends `text` in two parts cut at `cut`, and returns what was decided. */
static enum peek_result decided(const char *text, size_t cut)
{
    int fds[2];
    char bytes[64];
    size_t len = strlen(text);
    client_pair(fds);
    left = 0;
    enter(fds[1], 7);
    if (cut > 0) {
        assert_int_equal(send(fds[0], text, cut, 0), cut);
        (void)loop_for(&loop, 3);
    }
    if (left == 0)
        assert_int_equal(send(fds[0], text + cut, len - cut, 0), len - cut);
    run_until_left(1);
    assert_int_equal(last_fd, fds[1]);
    assert_int_equal(last_peer.port, 7);
    /* Nothing was eaten. */
    ssize_t got = recv(last_fd, bytes, sizeof bytes, MSG_DONTWAIT);
    assert_true(got > 0 && (size_t)got <= len && memcmp(bytes, text, (size_t)got) == 0);
    (void)close(fds[0]);
    (void)close(fds[1]);
    return last;
}

static void test_both_protocols_in_pieces(void **state)
{
    (void)state;
    lobby.wait_ms = LONG_MS; /* the bytes decide, on a machine that stalls, too */
    for (size_t cut = 0; cut < sizeof preface - 1; cut++)
        assert_int_equal(decided(preface, cut), PEEK_HTTP2);
    for (size_t cut = 0; cut < 6; cut++) {
        assert_int_equal(decided("POST /chat HTTP/1.1\r\nHost: x\r\n\r\n", cut), PEEK_HTTP1);
        assert_int_equal(decided("GET / HTTP/1.1\r\n\r\n", cut), PEEK_HTTP1);
    }
    /* Shorter than a preface, and begun like one: the timer finds it. */
    lobby.wait_ms = 10 * WAIT_MS;
    assert_int_equal(decided("POST / HTTP/1.0\r\n\r\n", 1), PEEK_HTTP1);
}

static void test_look(void **state)
{
    (void)state;
    int fds[2];
    client_pair(fds);
    assert_int_equal(peek_look(fds[1]), PEEK_MORE);
    client_say(fds[0], "PRI");
    assert_int_equal(peek_look(fds[1]), PEEK_MORE);
    client_say(fds[0], "X");
    assert_int_equal(peek_look(fds[1]), PEEK_HTTP1);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

/* Half a preface, silence, and a client that leaves: given up in time, and without spinning. */
static void test_gives_up(void **state)
{
    (void)state;
    static const char *const said[] = {"", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r"};
    for (size_t i = 0; i < 3; i++) {
        int fds[2];
        unsigned turns = 0, one = 1;
        client_pair(fds);
        left = 0;
        client_say(fds[0], said[i]);
        enter(fds[1], 1);
        assert_true(loop_until(&loop, has_left, &one, MOST_MS, &turns));
        assert_int_equal(last, PEEK_MORE);
        assert_true(turns < 10);
        (void)close(fds[0]);
        (void)close(fds[1]);
    }
}

/* The kernel counts what stands behind urgent data, and keeps it back. */
static void test_urgent_data(void **state)
{
    (void)state;
    int fds[2];
    unsigned turns = 0, one = 1;
    client_pair(fds);
    client_say(fds[0], "PRI");
    assert_int_equal(send(fds[0], "!", 1, MSG_OOB), 1);
    client_say(fds[0], preface);
    enter(fds[1], 1);
    assert_true(loop_until(&loop, has_left, &one, MOST_MS, &turns));
    assert_int_equal(last, PEEK_MORE);
    assert_true(turns < 10);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void test_a_client_that_leaves(void **state)
{
    (void)state;
    lobby.wait_ms = LONG_MS;
    for (int reset = 0; reset < 2; reset++) {
        for (int half = 0; half < 2; half++) {
            int fds[2];
            const struct linger at_once = {.l_onoff = reset};
            client_pair(fds);
            left = 0;
            if (half)
                client_say(fds[0], "PRI");
            enter(fds[1], 1);
            (void)loop_for(&loop, 2);
            assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once),
                             0);
            (void)close(fds[0]);
            run_until_left(1);
            assert_int_equal(last, PEEK_MORE);
            (void)close(fds[1]);
        }
    }
}

static void test_clear(void **state)
{
    (void)state;
    int fds[3][2];
    lobby.wait_ms = LONG_MS;
    for (size_t i = 0; i < 3; i++) {
        client_pair(fds[i]);
        enter(fds[i][1], 1);
    }
    assert_int_equal(lobby.count, 3);
    entering = true; /* clear tells later, too */
    lobby_clear(&lobby);
    lobby_clear(&lobby);
    entering = false;
    run_until_left(3);
    assert_int_equal(last, PEEK_MORE);
    for (size_t i = 0; i < 3; i++) {
        (void)close(fds[i][0]);
        (void)close(fds[i][1]);
    }
}

static void test_is_bounded(void **state)
{
    (void)state;
    int fds[2];
    struct peer peer = {0};
    client_pair(fds);
    lobby.count = LOBBY_MOST;
    assert_false(lobby_enter(&lobby, fds[1], &peer));
    lobby.count = LOBBY_MOST - 1;
    assert_true(lobby_enter(&lobby, fds[1], &peer));
    lobby.count = 1;
    client_say(fds[0], "GET");
    run_until_left(1);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both_protocols_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_look, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gives_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_urgent_data, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_client_that_leaves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clear, setup, teardown),
        cmocka_unit_test_setup_teardown(test_is_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
