#include "shared/policy/hosts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct span list =
    SPAN_LITERAL("api.example.com, *.example.org,192.0.2.7,[2001:db8::7],localhost");

static bool allows(const char *authority)
{
    return hosts_allow(list, span_of(authority));
}

static void assert_host(const char *authority, const char *expected)
{
    struct span host = hosts_of_authority(span_of(authority));
    assert_int_equal(host.len, strlen(expected));
    assert_true(span_is(host, expected));
}

static void test_hosts_of_authorities(void **state)
{
    (void)state;
    assert_host("example.com", "example.com");
    assert_host("example.com:8080", "example.com");
    assert_host("example.com:", "example.com");
    assert_host("example.com.", "example.com");
    assert_host("Example.COM.:443", "Example.COM");
    assert_host("127.0.0.1:65535", "127.0.0.1");
    assert_host("[::1]", "[::1]");
    assert_host("[::ffff:192.0.2.1]:80", "[::ffff:192.0.2.1]");
    assert_host("under_score", "under_score");
}

static void test_no_hosts(void **state)
{
    static const char *const bad[] = {
        "",
        ":80",
        ".",
        ".example.com",
        "user@example.com",
        "a b",
        "a/b",
        "a:80:80",
        "a:x",
        "a:123456",
        "a:-1",
        "[::1",
        "::1",
        "[]",
        "[::1]x",
        "[::1]:x",
        "[::1%25eth0]",
        "a\tb",
        "exa?mple",
        "http://a.com",
        "a.com#b",
        "*.a.com",
        "\xc3\xa4.com",
        "a%2e.com",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (hosts_of_authority(span_of(bad[i])).len != 0)
            fail_msg("\"%s\" has a host", bad[i]);
        assert_false(hosts_allow(SPAN_EMPTY, span_of(bad[i])));
        assert_false(allows(bad[i]));
    }
    assert_int_equal(hosts_of_authority(span_make("a\0b", 3)).len, 0);
    char longest[300];
    memset(longest, 'a', sizeof longest);
    assert_int_equal(hosts_of_authority(span_make(longest, 253)).len, 253);
    assert_int_equal(hosts_of_authority(span_make(longest, 255)).len, 0);
}

static void test_the_list(void **state)
{
    (void)state;
    assert_true(allows("api.example.com"));
    assert_true(allows("API.Example.Com:8443"));
    assert_true(allows("api.example.com."));
    assert_true(allows("192.0.2.7:80"));
    assert_true(allows("[2001:DB8::7]:80"));
    assert_true(allows("localhost"));
    assert_false(allows("example.com"));
    assert_false(allows("evil-api.example.com"));
    assert_false(allows("api.example.com.evil.net"));
    assert_false(allows("192.0.2.77"));
    assert_false(allows("2001:db8::7"));
    assert_false(allows("[2001:db8::8]"));
}

static void test_names_below_a_suffix(void **state)
{
    (void)state;
    assert_true(allows("a.example.org"));
    assert_true(allows("a.b.example.org:1"));
    assert_true(allows("A.EXAMPLE.ORG"));
    assert_false(allows("example.org"));
    assert_false(allows("evilexample.org"));
    assert_false(allows("a.example.org.evil.net"));
}

static void test_an_empty_list_has_all(void **state)
{
    (void)state;
    assert_true(hosts_allow(SPAN_EMPTY, span_of("anything.example")));
    assert_true(hosts_allow(span_of(NULL), span_of("[::1]:80")));
}

static void test_well_formed_lists(void **state)
{
    static const char *const bad[] = {
        "a.com,",  ",a.com", "a.com:80",       "https://a.com", "*",        "*.",   "*.*.com",
        "a.*.com", "a.com.", "*.[2001:db8::]", "a com",         "a.com,b/", "[::1", "user@a.com",
    };
    struct span wrong;
    (void)state;
    assert_true(hosts_check(list, &wrong));
    assert_true(hosts_check(span_of("a"), &wrong));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (hosts_check(span_of(bad[i]), &wrong))
            fail_msg("\"%s\" passes", bad[i]);
    assert_false(hosts_check(span_of("fine.com, not fine ,x"), &wrong));
    assert_true(span_is(wrong, "not fine"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts_of_authorities),
        cmocka_unit_test(test_no_hosts),
        cmocka_unit_test(test_the_list),
        cmocka_unit_test(test_names_below_a_suffix),
        cmocka_unit_test(test_an_empty_list_has_all),
        cmocka_unit_test(test_well_formed_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
