#include "shared/base/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

static struct peer peer_v4(const char *text, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET, text, &address.sin_addr), 1);
    return peer_from_sockaddr((const struct sockaddr *)&address);
}

static struct peer peer_v6(const char *text, uint16_t port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET6, text, &address.sin6_addr), 1);
    return peer_from_sockaddr((const struct sockaddr *)&address);
}

static void assert_text(struct peer peer, const char *expected)
{
    char text[PEER_TEXT_BYTES];
    memset(text, 'x', sizeof text);
    peer_text(&peer, text);
    assert_string_equal(text, expected);
}

static void test_v4(void **state)
{
    (void)state;
    struct peer peer = peer_v4("192.0.2.7", 65535);
    assert_int_equal(peer.port, 65535);
    assert_true(peer_is_v4(&peer));
    assert_false(peer_is_loopback(&peer));
    assert_text(peer, "192.0.2.7");
    assert_text(peer_v4("0.0.0.0", 0), "0.0.0.0");
    assert_text(peer_v4("255.255.255.255", 0), "255.255.255.255");
    assert_text(peer_v4("10.100.9.99", 0), "10.100.9.99");
}

static void test_v6(void **state)
{
    (void)state;
    struct peer peer = peer_v6("2001:db8::1", 443);
    assert_int_equal(peer.port, 443);
    assert_false(peer_is_v4(&peer));
    assert_false(peer_is_loopback(&peer));
    assert_text(peer, "2001:db8::1");
    assert_text(peer_v6("2001:db8:1111:2222:3333:4444:5555:6666", 1),
                "2001:db8:1111:2222:3333:4444:5555:6666");
}

static void test_mapped_v4_is_the_same_peer(void **state)
{
    (void)state;
    struct peer plain = peer_v4("192.0.2.7", 80), mapped = peer_v6("::ffff:192.0.2.7", 80);
    assert_memory_equal(plain.address, mapped.address, sizeof plain.address);
    assert_int_equal(plain.port, mapped.port);
    assert_text(mapped, "192.0.2.7");
}

static void test_loopback(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool v6, loopback;
    } cases[] = {
        {"127.0.0.1", false, true},   {"127.255.255.254", false, true},
        {"128.0.0.1", false, false},  {"126.0.0.1", false, false},
        {"::1", true, true},          {"::", true, false},
        {"::2", true, false},         {"::ffff:127.0.0.9", true, true},
        {"::127.0.0.1", true, false}, {"fe80::1", true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct peer peer = cases[i].v6 ? peer_v6(cases[i].text, 1) : peer_v4(cases[i].text, 1);
        assert_int_equal(peer_is_loopback(&peer), cases[i].loopback);
    }
}

static void test_other_families(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/somewhere"};
    struct peer peer = peer_from_sockaddr((const struct sockaddr *)&address);
    assert_int_equal(peer.port, 0);
    assert_false(peer_is_loopback(&peer));
    assert_text(peer, "::");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v4),
        cmocka_unit_test(test_v6),
        cmocka_unit_test(test_mapped_v4_is_the_same_peer),
        cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_other_families),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
