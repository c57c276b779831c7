/* An entrance over real loopback sockets, as load balancers that speak the PROXY protocol use it.
 * How it accepts, rests and closes is in front_door.c. */
#include "server/entrance.h"

#include "server/proxy_header.h"
#include "server/socket.h"
#include "tests/unit/server/loop_kit.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { MOST = 64, HEADER_MS = 80, LONG_MS = 1000 * 1000, PATIENCE_MS = 20000 };

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static const char from_ada[] = "PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n";
static const char from_bob[] = "PROXY TCP6 2001:db8:0:1::b 2001:db8::9 1234 443\r\n";
static const char binary_ada[] = SIGNATURE "\x21\x11\0\xf"
                                           "\xc0\0\2\1"
                                           "\xc0\0\2\x9"
                                           "\xdc\4"
                                           "\1\xbb"
                                           "\4\0";

static uv_loop_t loop;
static struct tally tally;
static struct refusals refusals;
static struct cidr_list balancers;
static struct entrance entrance;
static uint16_t port;
static struct {
    int fds[MOST];
    struct peer clients[MOST];
    size_t count;
} in;

static void on_arrived(void *context, int fd, const struct peer *client)
{
    assert_ptr_equal(context, &in);
    assert_true(in.count < MOST);
    in.fds[in.count] = fd;
    in.clients[in.count++] = *client;
}

static void on_closed(void *context)
{
    assert_ptr_equal(context, &in);
}

/* Caps of `most` in all and `each` per address. */
static void open_entrance(const char *listed, size_t most, size_t each, uint64_t header_ms)
{
    char error[256];
    struct span wrong;
    assert_true(cidr_list_parse(span_of(listed), &balancers, &wrong));
    tally_init(&tally, most, each, 1);
    int fd = socket_listen("127.0.0.1", 0, "HOST", "PORT", error);
    assert_true(fd >= 0);
    port = socket_port(fd);
    entrance = (struct entrance){.tally = &tally,
                                 .refusals = &refusals,
                                 .balancers = &balancers,
                                 .header_ms = header_ms,
                                 .arrived = on_arrived,
                                 .closed = on_closed,
                                 .context = &in};
    entrance_open(&entrance, &loop, fd);
    entrance_start(&entrance);
}

static int setup(void **state)
{
    (void)state;
    memset(&in, 0, sizeof in);
    refusals = (struct refusals){.complaint.event = "connection_refused"};
    return uv_loop_init(&loop);
}

static bool is_closed(void *context)
{
    (void)context;
    return entrance_is_closed(&entrance);
}

/* Everybody is counted exactly once. */
static int teardown(void **state)
{
    (void)state;
    entrance_shut(&entrance);
    assert_true(loop_until(&loop, is_closed, NULL, PATIENCE_MS, NULL));
    for (size_t i = 0; i < in.count; i++) {
        (void)close(in.fds[i]);
        tally_leave(&tally, &in.clients[i]);
    }
    assert_int_equal(tally.open, 0);
    assert_int_equal(tally.addresses, 0);
    tally_fini(&tally);
    cidr_list_free(&balancers);
    loop_close(&loop);
    return 0;
}

static bool have_arrived(void *count)
{
    return in.count >= *(size_t *)count;
}

static void wait_for(size_t count)
{
    assert_true(loop_until(&loop, have_arrived, &count, PATIENCE_MS, NULL));
    assert_int_equal(in.count, count);
}

static bool is_refused(void *refusal)
{
    return refusals.counts[*(enum refusal *)refusal] > 0;
}

static size_t n_refused(void)
{
    size_t sum = 0;
    for (size_t i = 0; i < REFUSALS; i++)
        sum += refusals.counts[i];
    return sum;
}

static void say(int fd, const char *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

static int client(const char *bytes, size_t len)
{
    int fd = client_connect(port);
    assert_true(fd >= 0);
    say(fd, bytes, len);
    return fd;
}

static void check_client(size_t i, const char *address, uint16_t client_port)
{
    char text[PEER_TEXT_BYTES];
    peer_text(&in.clients[i], text);
    assert_string_equal(text, address);
    if (client_port != 0)
        assert_int_equal(in.clients[i].port, client_port);
}

/* What is left to read, which has to be exactly the client's own. */
static void check_rest(size_t i, const char *expected)
{
    char bytes[256] = "";
    ssize_t got = recv(in.fds[i], bytes, sizeof bytes - 1, MSG_DONTWAIT);
    assert_int_equal(got > 0 ? got : 0, strlen(expected));
    assert_string_equal(bytes, expected);
}

static void test_the_header_names_the_client(void **state)
{
    (void)state;
    const struct {
        const char *bytes;
        size_t len;
        const char *address;
        uint16_t port;
    } cases[] = {{from_ada, sizeof from_ada - 1, "192.0.2.1", 56324},
                 {from_bob, sizeof from_bob - 1, "2001:db8:0:1::b", 1234},
                 {binary_ada, 16 + 15, "192.0.2.1", 56324},
                 {"PROXY UNKNOWN\r\n", 15, "127.0.0.1", 0},
                 {proxy_header_local, sizeof proxy_header_local, "127.0.0.1", 0}};
    open_entrance("127.0.0.0/8", 100, 100, LONG_MS);
    for (size_t i = 0; i < 5; i++) {
        char bytes[256];
        memcpy(bytes, cases[i].bytes, cases[i].len);
        memcpy(bytes + cases[i].len, "PROXY GET /\r\n", 13);
        int fd = client(bytes, cases[i].len + 13);
        wait_for(i + 1);
        check_client(i, cases[i].address, cases[i].port);
        check_rest(i, "PROXY GET /\r\n");
        (void)close(fd);
    }
    assert_int_equal(n_refused(), 0);
}

/* Cut at each byte; waiting for the rest costs a turn of the loop a piece, no more. */
static void test_in_pieces(void **state)
{
    (void)state;
    const struct span headers[] = {{from_ada, sizeof from_ada - 1}, {binary_ada, 16 + 15}};
    size_t count = 0;
    open_entrance("127.0.0.1", 100, 100, LONG_MS);
    for (size_t h = 0; h < 2; h++) {
        for (size_t cut = 1; cut < headers[h].len; cut++) {
            char rest[256];
            unsigned turns = 0;
            int fd = client(headers[h].at, cut);
            (void)loop_for(&loop, 2);
            assert_int_equal(in.count, 0);
            assert_int_equal(tally.open, 1);
            assert_int_equal(tally.addresses, 0);
            memcpy(rest, headers[h].at + cut, headers[h].len - cut);
            memcpy(rest + headers[h].len - cut, "GET", 3);
            say(fd, rest, headers[h].len - cut + 3);
            count = 1;
            assert_true(loop_until(&loop, have_arrived, &count, PATIENCE_MS, &turns));
            assert_true(turns < 10);
            check_client(0, "192.0.2.1", 56324);
            check_rest(0, "GET");
            (void)close(fd);
            (void)close(in.fds[0]);
            tally_leave(&tally, &in.clients[0]);
            in.count = 0;
        }
    }
}

/* In single bytes, the end of the client's side right behind them. */
static void test_in_drops(void **state)
{
    (void)state;
    open_entrance("127.0.0.1", 100, 100, LONG_MS);
    int fd = client(from_ada, 1);
    unsigned turns = 0;
    for (size_t i = 1; i < sizeof from_ada - 1; i++) {
        turns += loop_for(&loop, 2);
        say(fd, from_ada + i, 1);
    }
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    wait_for(1);
    assert_true(turns < 5 * sizeof from_ada);
    check_rest(0, "");
    (void)close(fd);
}

/* Given up in its time, without spinning: with nothing, with a part of either version, and with
 * urgent data, which the kernel counts but does not give. */
static void test_too_little_for_too_long(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        enum refusal silent = REFUSAL_PROXY_SILENT;
        unsigned turns = 0;
        refusals.counts[silent] = 0;
        open_entrance("127.0.0.1", 100, 100, HEADER_MS);
        int fd = client(kind == 1 ? binary_ada : from_ada, kind == 0 ? 1 : 14);
        if (kind == 3) {
            assert_int_equal(send(fd, "!", 1, MSG_OOB), 1);
            say(fd, from_ada, sizeof from_ada - 1);
        }
        (void)loop_for(&loop, HEADER_MS / 4);
        assert_int_equal(refusals.counts[silent], 0);
        assert_int_equal(tally.open, 1);
        assert_true(loop_until(&loop, is_refused, &silent, PATIENCE_MS, &turns));
        assert_true(turns < 10);
        assert_true(client_is_closed(fd, 1000));
        assert_int_equal(tally.open, 0);
        (void)close(fd);
        entrance_shut(&entrance);
        assert_true(loop_until(&loop, is_closed, NULL, PATIENCE_MS, NULL));
        tally_fini(&tally);
        cidr_list_free(&balancers);
    }
    assert_int_equal(in.count, 0);
    open_entrance("127.0.0.1", 1, 1, HEADER_MS); /* for teardown */
}

static bool nobody_is_open(void *context)
{
    (void)context;
    return tally.open == 0;
}

/* Whoever leaves by himself is not waited for; with half a header that is worth a word. */
static void test_leaves(void **state)
{
    (void)state;
    open_entrance("127.0.0.1", 100, 100, LONG_MS);
    int fd = client(from_ada, 14);
    (void)loop_for(&loop, 5);
    assert_int_equal(tally.open, 1);
    (void)close(fd);
    assert_true(loop_until(&loop, nobody_is_open, NULL, PATIENCE_MS, NULL));
    assert_int_equal(refusals.counts[REFUSAL_PROXY_SILENT], 1);
    /* A look whether the port is open. */
    fd = client_connect(port);
    (void)close(fd);
    (void)loop_for(&loop, 20);
    assert_true(loop_until(&loop, nobody_is_open, NULL, PATIENCE_MS, NULL));
    assert_int_equal(n_refused(), 1);
}

static void test_no_header(void **state)
{
    (void)state;
    static const char *const said[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                       "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\3\1",
                                       "PROXY TCP4 a b c d\r\n", "PROXY FOO"};
    enum { SAID = sizeof said / sizeof said[0] };
    int fds[SAID];
    open_entrance("127.0.0.1", 100, 100, LONG_MS);
    for (size_t i = 0; i < SAID; i++) {
        fds[i] = client(said[i], strlen(said[i]));
        (void)loop_for(&loop, 5);
        assert_true(client_is_closed(fds[i], 1000));
        assert_int_equal(refusals.counts[REFUSAL_PROXY_HEADER], i + 1);
        (void)close(fds[i]);
    }
    assert_int_equal(in.count, 0);
    assert_int_equal(n_refused(), SAID);
    assert_int_equal(tally.open, 0);
}

/* Who is not listed is not read at all, but for this machine, which may only be LOCAL. */
static void test_who_may_send_it(void **state)
{
    (void)state;
    open_entrance("198.51.100.0/24", 100, 100, LONG_MS);
    int fd = client(from_ada, sizeof from_ada - 1);
    (void)loop_for(&loop, 5);
    assert_true(client_is_closed(fd, 1000));
    assert_int_equal(refusals.counts[REFUSAL_PROXY_SENDER], 1);
    (void)close(fd);
    fd = client(proxy_header_local, sizeof proxy_header_local);
    wait_for(1);
    check_client(0, "127.0.0.1", 0);
    (void)close(fd);
    /* From another address, though it is of this machine, too. */
    struct sockaddr_in other = {.sin_family = AF_INET}, to = other;
    other.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(port);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&other, sizeof other), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    say(fd, proxy_header_local, sizeof proxy_header_local);
    (void)loop_for(&loop, 5);
    assert_true(client_is_closed(fd, 1000));
    assert_int_equal(refusals.counts[REFUSAL_PROXY_SENDER], 2);
    (void)close(fd);
    assert_int_equal(in.count, 1);
}

/* The cap per address is of the clients, who all come from one balancer. */
static void test_caps(void **state)
{
    (void)state;
    int fds[6];
    open_entrance("127.0.0.1", 5, 2, LONG_MS);
    fds[0] = client(from_ada, sizeof from_ada - 1);
    fds[1] = client(binary_ada, 16 + 15);
    wait_for(2);
    fds[2] = client(from_ada, sizeof from_ada - 1);
    (void)loop_for(&loop, 5);
    assert_true(client_is_closed(fds[2], 1000));
    assert_int_equal(refusals.counts[REFUSAL_ADDRESS], 1);
    assert_int_equal(tally.open, 2);
    fds[3] = client(from_bob, sizeof from_bob - 1);
    wait_for(3);
    /* Who has not told counts, too, but as nobody's. */
    fds[4] = client(from_ada, 10);
    fds[5] = client(from_ada, 10);
    (void)loop_for(&loop, 5);
    assert_int_equal(tally.open, 5);
    assert_int_equal(tally.addresses, 2);
    int one_more = client(from_bob, sizeof from_bob - 1);
    (void)loop_for(&loop, 5);
    assert_true(client_is_closed(one_more, 1000));
    assert_int_equal(refusals.counts[REFUSAL_CONNECTIONS], 1);
    (void)close(one_more);
    for (size_t i = 0; i < 6; i++)
        (void)close(fds[i]);
}

static void test_the_lobby_is_bounded(void **state)
{
    (void)state;
    open_entrance("127.0.0.1", 100, 100, LONG_MS);
    entrance.headers.count = LOBBY_MOST;
    int fd = client(from_ada, 10);
    (void)loop_for(&loop, 5);
    assert_true(client_is_closed(fd, 1000));
    assert_int_equal(refusals.counts[REFUSAL_UNDECIDED], 1);
    (void)close(fd);
    /* Who sends all of it at once does not need the lobby. */
    fd = client(from_ada, sizeof from_ada - 1);
    wait_for(1);
    entrance.headers.count = 0;
    (void)close(fd);
}

/* Whoever has told is let in when the door shuts, whoever has not is given up. */
static void test_shut(void **state)
{
    (void)state;
    open_entrance("127.0.0.1", 100, 100, LONG_MS);
    int half = client(from_ada, 10);
    (void)loop_for(&loop, 5);
    assert_int_equal(tally.open, 1);
    int whole = client(from_ada, sizeof from_ada - 1);
    client_is_heard(whole);
    entrance_shut(&entrance);
    assert_int_equal(in.count, 1);
    assert_true(loop_until(&loop, is_closed, NULL, PATIENCE_MS, NULL));
    assert_int_equal(tally.open, 1);
    assert_true(client_is_closed(half, 1000));
    assert_false(client_is_closed(whole, 0));
    assert_int_equal(n_refused(), 0);
    (void)close(half);
    (void)close(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_header_names_the_client, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_drops, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_little_for_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leaves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_header, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_may_send_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_caps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_lobby_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shut, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
