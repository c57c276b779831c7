/* Who the client is behind proxies (H11). */
#include "shared/policy/client_address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct peer peer_of(const char *text)
{
    struct peer peer;
    assert_true(cidr_read_address(span_of(text), &peer));
    return peer;
}

static const char *run(const char *proxies, unsigned hops, const char *socket,
                       const char *const *headers, size_t n)
{
    static char text[PEER_TEXT_BYTES];
    struct client_address_policy policy = {.hops = hops};
    struct span values[CLIENT_ADDRESS_VALUES + 8], wrong;
    assert_true(cidr_list_parse(span_of(proxies), &policy.proxies, &wrong));
    for (size_t i = 0; i < n && i < CLIENT_ADDRESS_VALUES; i++)
        values[i] = span_of(headers[i]);
    struct peer from = peer_of(socket);
    from.port = 4711;
    struct peer client = client_address(&policy, &from, values, n);
    peer_text(&client, text);
    cidr_list_free(&policy.proxies);
    return text;
}

static void test_table(void **state)
{
    static const struct {
        const char *proxies;
        unsigned hops;
        const char *socket;
        const char *headers[4];
        const char *client;
    } cases[] = {
        /* No proxy is trusted: the header is only what the client says. */
        {"", 0, "203.0.113.9", {"198.51.100.1"}, "203.0.113.9"},
        {"10.0.0.0/8", 0, "203.0.113.9", {"198.51.100.1"}, "203.0.113.9"},
        {"10.0.0.0/8", 0, "203.0.113.9", {"10.0.0.1"}, "203.0.113.9"},
        /* One proxy. */
        {"10.0.0.0/8", 0, "10.0.0.1", {NULL}, "10.0.0.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"198.51.100.1"}, "198.51.100.1"},
        {"10.0.0.0/8", 0, "::ffff:10.0.0.1", {"198.51.100.1"}, "198.51.100.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"1.2.3.4, 198.51.100.1"}, "198.51.100.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"garbage, 198.51.100.1"}, "198.51.100.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {",,, 198.51.100.1"}, "198.51.100.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"198.51.100.1:5123"}, "198.51.100.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"\t198.51.100.1 "}, "198.51.100.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"2001:db8::7"}, "2001:db8::7"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"[2001:db8::7]"}, "2001:db8::7"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"[2001:db8::7]:443"}, "2001:db8::7"},
        /* Several, and several header lines. */
        {"10.0.0.0/8",
         0,
         "10.0.0.1",
         {"1.2.3.4, 198.51.100.1, 10.0.0.3, 10.0.0.2"},
         "198.51.100.1"},
        {"10.0.0.0/8",
         0,
         "10.0.0.1",
         {"1.2.3.4", "198.51.100.1, 10.0.0.3", "10.0.0.2"},
         "198.51.100.1"},
        {"10.0.0.0/8, 2001:db8::/32", 0, "2001:db8::1", {"198.51.100.1, 10.0.0.3"}, "198.51.100.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"10.0.0.5, 10.0.0.2"}, "10.0.0.5"},
        /* What cannot be read leaves the socket's. */
        {"10.0.0.0/8", 0, "10.0.0.1", {"198.51.100.1, garbage"}, "10.0.0.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"198.51.100.1,"}, "10.0.0.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {""}, "10.0.0.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"198.51.100.1", ""}, "10.0.0.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"unknown"}, "10.0.0.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"198.51.100.1:"}, "10.0.0.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"198.51.100.1:x"}, "10.0.0.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"[198.51.100.1]"}, "10.0.0.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"[2001:db8::7"}, "10.0.0.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"[2001:db8::7]x"}, "10.0.0.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"[]"}, "10.0.0.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"fe80::1%eth0"}, "10.0.0.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"198.051.100.1"}, "10.0.0.1"},
        {"10.0.0.0/8", 0, "10.0.0.1", {"198.51.100.1 10.0.0.3"}, "10.0.0.1"},
        /* By count: the n-th from the right, whoever calls. */
        {"", 1, "169.254.1.1", {"198.51.100.1"}, "198.51.100.1"},
        {"", 1, "169.254.1.1", {"1.2.3.4, 198.51.100.1"}, "198.51.100.1"},
        {"", 2, "169.254.1.1", {"1.2.3.4, 198.51.100.1, 203.0.113.1"}, "198.51.100.1"},
        {"", 2, "169.254.1.1", {"1.2.3.4, 198.51.100.1", "203.0.113.1"}, "198.51.100.1"},
        {"", 2, "169.254.1.1", {"198.51.100.1"}, "169.254.1.1"},
        {"", 2, "169.254.1.1", {"198.51.100.1, garbage"}, "169.254.1.1"},
        {"", 1, "169.254.1.1", {NULL}, "169.254.1.1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = 0;
        while (n < 4 && cases[i].headers[n] != NULL)
            n++;
        const char *client =
            run(cases[i].proxies, cases[i].hops, cases[i].socket, cases[i].headers, n);
        if (strcmp(client, cases[i].client) != 0)
            fail_msg("case %zu: %s is expected, not %s", i, cases[i].client, client);
    }
}

static void test_more_values_than_are_looked_at(void **state)
{
    const char *headers[CLIENT_ADDRESS_VALUES + 1];
    (void)state;
    for (size_t i = 0; i <= CLIENT_ADDRESS_VALUES; i++)
        headers[i] = "198.51.100.1";
    assert_string_equal(run("10.0.0.0/8", 0, "10.0.0.1", headers, CLIENT_ADDRESS_VALUES),
                        "198.51.100.1");
    assert_string_equal(run("10.0.0.0/8", 0, "10.0.0.1", headers, CLIENT_ADDRESS_VALUES + 1),
                        "10.0.0.1");
}

static void test_the_port_is_the_socket_s_or_none(void **state)
{
    (void)state;
    struct client_address_policy policy = {.hops = 1};
    struct peer socket = peer_of("10.0.0.1");
    socket.port = 4711;
    struct span value = span_of("198.51.100.1:99");
    assert_int_equal(client_address(&policy, &socket, &value, 1).port, 0);
    assert_int_equal(client_address(&policy, &socket, NULL, 0).port, 4711);
}

static void test_who_may_speak_of_the_protocol(void **state)
{
    struct client_address_policy policy = {.hops = 0};
    struct span wrong;
    (void)state;
    assert_true(cidr_list_parse(span_of("10.0.0.0/8"), &policy.proxies, &wrong));
    struct peer proxy = peer_of("10.0.0.1"), stranger = peer_of("203.0.113.9");
    assert_true(client_address_is_proxy(&policy, &proxy));
    assert_false(client_address_is_proxy(&policy, &stranger));
    cidr_list_free(&policy.proxies);
    assert_false(client_address_is_proxy(&policy, &proxy));
    policy.hops = 1;
    assert_true(client_address_is_proxy(&policy, &stranger));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_more_values_than_are_looked_at),
        cmocka_unit_test(test_the_port_is_the_socket_s_or_none),
        cmocka_unit_test(test_who_may_speak_of_the_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
