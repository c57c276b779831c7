#include "shared/policy/origins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct span list =
    SPAN_LITERAL("https://app.example.com, http://localhost:3000,https://[2001:db8::7]:8443");

static bool allows(const char *origin)
{
    return origins_allow(list, span_of(origin));
}

static void test_exact_matches_only(void **state)
{
    static const char *const others[] = {
        "",
        "null",
        "*",
        "https://app.example.com:443",
        "https://app.example.com/",
        "http://app.example.com",
        "https://APP.example.com",
        "https://app.example.com.evil.net",
        "https://evil-app.example.com",
        "https://app.example.co",
        "http://localhost",
        "http://localhost:30000",
        "https://app.example.com, http://localhost:3000",
    };
    (void)state;
    assert_true(allows("https://app.example.com"));
    assert_true(allows("http://localhost:3000"));
    assert_true(allows("https://[2001:db8::7]:8443"));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (allows(others[i]))
            fail_msg("\"%s\" is allowed", others[i]);
}

static void test_an_empty_list_has_nobody(void **state)
{
    (void)state;
    assert_false(origins_allow(SPAN_EMPTY, span_of("https://app.example.com")));
    assert_false(origins_allow(span_of(""), SPAN_EMPTY));
    assert_false(origins_any(SPAN_EMPTY));
}

static void test_any(void **state)
{
    (void)state;
    assert_true(origins_any(span_of("*")));
    assert_true(origins_any(span_of(" * ")));
    assert_false(origins_any(list));
    assert_true(origins_allow(span_of("*"), span_of("https://whoever.example")));
    assert_false(origins_allow(span_of("*"), SPAN_EMPTY)); /* not a request of a page */
}

static void test_well_formed_lists(void **state)
{
    static const char *const bad[] = {
        "app.example.com",
        "https://",
        "https:///",
        "https://a.com/",
        "https://a.com/x",
        "https://a.com?",
        "https://a.com,",
        "https://u@a.com",
        "HTTPS://a.com",
        "https://A.com",
        "https://a.com:",
        "https://*.a.com",
        "null",
        "https://a.com,*",
        "://a.com",
        "9x://a.com",
        "https://a.com b",
        "https://a.com.",
        "https:/a.com",
        "https://a.com:123456",
    };
    struct span wrong;
    (void)state;
    assert_true(origins_check(list, &wrong));
    assert_true(origins_check(span_of("*"), &wrong));
    assert_true(origins_check(span_of("chrome-extension://abcdefgh"), &wrong));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (origins_check(span_of(bad[i]), &wrong))
            fail_msg("\"%s\" passes", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_matches_only),
        cmocka_unit_test(test_an_empty_list_has_nobody),
        cmocka_unit_test(test_any),
        cmocka_unit_test(test_well_formed_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
