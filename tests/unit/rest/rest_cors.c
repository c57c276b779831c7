#include "rest/rest_cors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct span list = SPAN_LITERAL("https://app.example.com,http://localhost:3000");
static struct rest_cors_header headers[REST_CORS_HEADERS];
static size_t count;

static void decide(struct span origins, const char *origin, const char *preflight)
{
    const struct rest_cors_request request = {.origin = span_of(origin),
                                              .requested_method = span_of(preflight),
                                              .is_options = preflight != NULL};
    memset(headers, 0, sizeof headers);
    count = rest_cors_headers(origins, &request, headers);
    assert_true(count <= REST_CORS_HEADERS);
}

/* "" where there is no such header. */
static void assert_header(const char *name, const char *expected)
{
    struct span found = SPAN_EMPTY;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(headers[i].name, name) != 0)
            continue;
        assert_int_equal(found.len, 0);
        found = headers[i].value;
    }
    if (!span_is(found, expected))
        fail_msg("%s: \"%.*s\", not \"%s\"", name, (int)found.len, found.at, expected);
}

static void assert_no_cors(void)
{
    for (size_t i = 0; i < count; i++)
        assert_false(span_starts_with(span_of(headers[i].name), "access-control-"));
    assert_header("cross-origin-resource-policy", "same-origin");
}

static void test_nobody_is_allowed(void **state)
{
    (void)state;
    decide(SPAN_EMPTY, "https://app.example.com", NULL);
    assert_no_cors();
    assert_header("vary", "");
    decide(SPAN_EMPTY, "https://app.example.com", "POST");
    assert_no_cors();
    decide(SPAN_EMPTY, NULL, NULL);
    assert_no_cors();
}

static void test_a_listed_origin(void **state)
{
    (void)state;
    decide(list, "http://localhost:3000", NULL);
    assert_header("access-control-allow-origin", "http://localhost:3000");
    assert_header("access-control-expose-headers",
                  "X-Request-ID, Retry-After, RateLimit, RateLimit-Policy, "
                  "Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin");
    assert_header("access-control-allow-methods", "");
    assert_header("access-control-allow-credentials", "");
    assert_header("cross-origin-resource-policy", "cross-origin");
    assert_header("vary", "Origin");
}

static void test_a_preflight(void **state)
{
    (void)state;
    decide(list, "https://app.example.com", "POST");
    assert_header("access-control-allow-origin", "https://app.example.com");
    assert_header("access-control-allow-methods", "GET, POST, OPTIONS");
    assert_header("access-control-allow-headers",
                  "Content-Type, Authorization, X-Request-ID, X-API-Key, "
                  "Connect-Protocol-Version, Connect-Timeout-Ms, X-Grpc-Web, Grpc-Timeout, "
                  "X-User-Agent");
    assert_header("access-control-max-age", "600");
    assert_header("access-control-expose-headers", "");
    assert_header("access-control-allow-credentials", "");
    assert_header("vary", "Origin");
}

static void test_others_are_not_told_anything(void **state)
{
    (void)state;
    decide(list, "https://evil.example", NULL);
    assert_no_cors();
    assert_header("vary", "Origin");
    decide(list, "https://evil.example", "POST");
    assert_no_cors();
    decide(list, "null", NULL);
    assert_no_cors();
    decide(list, NULL, NULL); /* same origin, or no browser: caches still have to tell them apart */
    assert_no_cors();
    assert_header("vary", "Origin");
}

static void test_everybody(void **state)
{
    (void)state;
    decide(span_of("*"), "https://whoever.example", NULL);
    assert_header("access-control-allow-origin", "*");
    assert_header("cross-origin-resource-policy", "cross-origin");
    assert_header("vary", "");
    decide(span_of("*"), "null", "POST");
    assert_header("access-control-allow-origin", "*");
    assert_header("access-control-allow-credentials", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_is_allowed),
        cmocka_unit_test(test_a_listed_origin),
        cmocka_unit_test(test_a_preflight),
        cmocka_unit_test(test_others_are_not_told_anything),
        cmocka_unit_test(test_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
