/* Accept-Encoding and Content-Type values, and the headers that every response has (H1, H3, H7). */
#include "rest/rest_headers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void gzip_is_taken_when_it_is_named(void **state)
{
    (void)state;
    static const char *const takes[] = {
        "gzip",           "GZIP",        "x-gzip",
        "deflate, gzip",  "gzip;q=1.0",  "gzip;q=0.5",
        "gzip ; q=0.001", "*",           "br;q=1, *;q=0.1",
        " ,, gzip",       "gzip;Q=0.01", "identity;q=0, gzip",
    };
    static const char *const refuses[] = {
        "",           "identity", "br, deflate", "gzip;q=0",    "gzip;q=0.000", "gzip; q=0",
        "*;q=0",      "gzipped",  "gzi",         "*, gzip;q=0", "gzip;q=0, *",  ";gzip",
        "gzip;q=0.0", "x",        ",",           "gzip;Q=0",
    };
    for (size_t i = 0; i < sizeof takes / sizeof takes[0]; i++)
        if (!rest_accepts_gzip(span_of(takes[i])))
            fail_msg("%s does not take gzip", takes[i]);
    for (size_t i = 0; i < sizeof refuses / sizeof refuses[0]; i++)
        if (rest_accepts_gzip(span_of(refuses[i])))
            fail_msg("%s takes gzip", refuses[i]);
    assert_false(rest_accepts_gzip(SPAN_EMPTY));
}

static void json_is_json_with_any_parameters(void **state)
{
    (void)state;
    static const char *const is[] = {
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        " application/json ",
        "application/json;",
    };
    static const char *const is_not[] = {
        "",          "application/jsonx",           "application",
        "text/json", "application/json, text/html", "application/problem+json",
        "json",      ";application/json",           "application /json",
    };
    for (size_t i = 0; i < sizeof is / sizeof is[0]; i++)
        if (!rest_is_json(span_of(is[i])))
            fail_msg("%s is not JSON", is[i]);
    for (size_t i = 0; i < sizeof is_not / sizeof is_not[0]; i++)
        if (rest_is_json(span_of(is_not[i])))
            fail_msg("%s is JSON", is_not[i]);
    assert_false(rest_is_json(SPAN_EMPTY));
}

static struct span response_header(const h2o_req_t *req, const char *name)
{
    struct span value = SPAN_EMPTY;
    size_t n = 0;
    for (size_t i = 0; i < req->res.headers.size; i++) {
        const h2o_header_t *header = &req->res.headers.entries[i];
        if (!span_is(span_make(header->name->base, header->name->len), name))
            continue;
        value = span_make(header->value.base, header->value.len);
        n++;
    }
    if (n != 1)
        fail_msg("%s is there %zu times", name, n);
    return value;
}

static void every_response_has_them(void **state)
{
    (void)state;
    static const char *const expected[][2] = {
        {"content-security-policy", "default-src 'none'; frame-ancestors 'none'"},
        {"x-content-type-options", "nosniff"},
        {"x-frame-options", "DENY"},
        {"referrer-policy", "strict-origin-when-cross-origin"},
        {"permissions-policy", "geolocation=(), camera=(), microphone=()"},
        {"cross-origin-opener-policy", "same-origin"},
        {"cross-origin-resource-policy", "same-origin"},
        {"cache-control", "no-store"},
        {"x-request-id", "id-1"},
    };
    enum { EXPECTED = sizeof expected / sizeof expected[0] };
    const struct rest_headers_policy policy = {.hsts = SPAN_LITERAL("max-age=1")};
    h2o_req_t req = {0};
    char id[] = "id-1";
    h2o_mem_init_pool(&req.pool);
    rest_headers_add(&req, &policy, false, id);
    id[0] = 'x'; /* it was copied */
    assert_int_equal(req.res.headers.size, EXPECTED);
    for (size_t i = 0; i < EXPECTED; i++)
        assert_true(span_is(response_header(&req, expected[i][0]), expected[i][1]));
    rest_header_add(&req, "allow", span_of("GET"));
    assert_true(span_is(response_header(&req, "allow"), "GET"));
    h2o_mem_clear_pool(&req.pool);
}

static void https_alone_gets_hsts(void **state)
{
    (void)state;
    const struct rest_headers_policy none = {.hsts = SPAN_EMPTY};
    const struct rest_headers_policy policy = {.hsts = SPAN_LITERAL("max-age=1")};
    h2o_req_t req = {0};
    h2o_mem_init_pool(&req.pool);
    rest_headers_add(&req, &none, true, "id");
    for (size_t i = 0; i < req.res.headers.size; i++)
        assert_false(h2o_memis(req.res.headers.entries[i].name->base,
                               req.res.headers.entries[i].name->len,
                               H2O_STRLIT("strict-transport-security")));
    rest_headers_add(&req, &policy, true, "id");
    assert_true(span_is(response_header(&req, "strict-transport-security"), "max-age=1"));
    h2o_mem_clear_pool(&req.pool);
}

static void a_proxy_says_https(void **state)
{
    (void)state;
    assert_true(rest_says_https(span_of("https")));
    assert_true(rest_says_https(span_of(" HTTPS ")));
    assert_true(rest_says_https(span_of("http, https")));
    assert_false(rest_says_https(span_of("https, http")));
    assert_false(rest_says_https(span_of("http")));
    assert_false(rest_says_https(span_of("httpsx")));
    assert_false(rest_says_https(span_of("https,")));
    assert_false(rest_says_https(SPAN_EMPTY));
}

/* h2o keeps well-known names as tokens and others as text. */
static void request_headers_are_found_by_either_kind_of_name(void **state)
{
    (void)state;
    h2o_req_t req = {0};
    h2o_mem_init_pool(&req.pool);
    h2o_add_header(&req.pool, &req.headers, H2O_TOKEN_CONTENT_TYPE, NULL, H2O_STRLIT("a/b"));
    h2o_add_header_by_str(&req.pool, &req.headers, H2O_STRLIT("x-request-id"), 0, NULL,
                          H2O_STRLIT("first"));
    h2o_add_header_by_str(&req.pool, &req.headers, H2O_STRLIT("x-request-id"), 0, NULL,
                          H2O_STRLIT("second"));
    assert_true(span_is(rest_header_find(&req, "content-type"), "a/b"));
    assert_true(span_is(rest_header_find(&req, "x-request-id"), "first"));
    assert_int_equal(rest_header_find(&req, "accept-encoding").len, 0);
    assert_int_equal(rest_header_find(&req, "x-none").len, 0);
    h2o_mem_clear_pool(&req.pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gzip_is_taken_when_it_is_named),
        cmocka_unit_test(json_is_json_with_any_parameters),
        cmocka_unit_test(every_response_has_them),
        cmocka_unit_test(https_alone_gets_hsts),
        cmocka_unit_test(a_proxy_says_https),
        cmocka_unit_test(request_headers_are_found_by_either_kind_of_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
