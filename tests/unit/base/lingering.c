/* What is left of a connection: bytes are dropped, counted, and only so many. */
#include "shared/base/lingering.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int here, there; /* two ends of a TCP connection */

static int setup(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    (void)state;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listening, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &len), 0);
    there = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(there, (struct sockaddr *)&address, len), 0);
    here = accept(listening, NULL, NULL);
    assert_true(here >= 0);
    (void)close(listening);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)close(here);
    return close(there);
}

/* Waits for what is on its way. */
static void await(void)
{
    char byte;
    assert_true(recv(here, &byte, 1, MSG_PEEK) >= 0);
}

static void test_drops_until_the_end(void **state)
{
    uint32_t dropped = 0;
    (void)state;
    assert_true(lingering_drop(here, &dropped)); /* nothing there yet */
    assert_int_equal(dropped, 0);
    assert_int_equal(send(there, "whatever", 8, MSG_NOSIGNAL), 8);
    await();
    assert_true(lingering_drop(here, &dropped));
    assert_int_equal(dropped, 8);
    (void)shutdown(there, SHUT_WR);
    await();
    assert_false(lingering_drop(here, &dropped));
    assert_int_equal(dropped, 8);
}

static void test_the_client_is_gone(void **state)
{
    const struct linger at_once = {.l_onoff = 1};
    uint32_t dropped = 0;
    (void)state;
    assert_int_equal(setsockopt(there, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    (void)close(there);
    there = dup(here); /* for the teardown */
    assert_false(lingering_drop(here, &dropped));
}

static void test_only_so_much(void **state)
{
    static char bytes[64 * 1024];
    uint32_t dropped = 0;
    size_t sent = 0;
    bool goes_on = true;
    (void)state;
    while (goes_on && sent < 4U * LINGERING_BYTES) {
        ssize_t each = send(there, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += each > 0 ? (size_t)each : 0;
        uint32_t before = dropped;
        goes_on = lingering_drop(here, &dropped);
        assert_true(dropped - before < LINGERING_TURN_BYTES + sizeof bytes);
    }
    assert_false(goes_on);
    assert_in_range(dropped, LINGERING_BYTES, LINGERING_BYTES + sizeof bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_drops_until_the_end),
        TEST(test_the_client_is_gone),
        TEST(test_only_so_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
