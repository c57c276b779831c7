#include "server/admin_http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct admin_request request;

/* Whole, and byte by byte: only the last byte decides. */
static enum admin_reading read_all(const char *text)
{
    struct span bytes = span_of(text);
    enum admin_reading reading = ADMIN_MORE;
    for (size_t len = 0; len <= bytes.len && reading == ADMIN_MORE; len++)
        reading = admin_http_read(span_make(bytes.at, len), &request);
    assert_int_equal(admin_http_read(bytes, &request), reading);
    return reading;
}

static void test_requests(void **state)
{
    (void)state;
    assert_int_equal(read_all("GET /metrics HTTP/1.1\r\nHost: localhost:9090\r\n\r\n"),
                     ADMIN_WHOLE);
    assert_true(span_is(request.method, "GET"));
    assert_true(span_is(request.path, "/metrics"));
    assert_true(span_is(request.host, "localhost:9090"));
    assert_false(request.openmetrics);
    assert_int_equal(read_all("HEAD /ready?a=b?c HTTP/1.0\r\n\r\n"), ADMIN_WHOLE);
    assert_true(span_is(request.method, "HEAD"));
    assert_true(span_is(request.path, "/ready"));
    assert_int_equal(request.host.len, 0);
    assert_int_equal(read_all("GET / HTTP/1.1\r\ncontent-length: 0\r\nX:\r\n\r\n"), ADMIN_WHOLE);
}

static void test_formats(void **state)
{
    (void)state;
    assert_int_equal(read_all("GET / HTTP/1.1\r\nAccept: application/openmetrics-text;version=1.0.0"
                              ",text/plain;q=0.5\r\n\r\n"),
                     ADMIN_WHOLE);
    assert_true(request.openmetrics);
    assert_int_equal(read_all("GET / HTTP/1.1\r\naccept: text/plain , */*\r\n\r\n"), ADMIN_WHOLE);
    assert_false(request.openmetrics);
}

static void test_what_is_not_understood(void **state)
{
    static const char *const bad[] = {
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET / HTTP/1.1 \r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\n\r\n",
        " / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\n: no name\r\n\r\n",
        "GET / HTTP/1.1\r\n folded: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (read_all(bad[i]) != ADMIN_BAD)
            fail_msg("\"%s\" is understood", bad[i]);
}

static void test_heads_without_end(void **state)
{
    (void)state;
    char *text = malloc(ADMIN_HEAD_BYTES);
    assert_non_null(text);
    memset(text, 'a', ADMIN_HEAD_BYTES);
    assert_int_equal(admin_http_read(SPAN_EMPTY, &request), ADMIN_MORE);
    assert_int_equal(admin_http_read(span_make(text, ADMIN_HEAD_BYTES - 1), &request), ADMIN_MORE);
    assert_int_equal(admin_http_read(span_make(text, ADMIN_HEAD_BYTES), &request), ADMIN_BAD);
    free(text);
}

static void test_responses(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, NULL, 4096);
    admin_http_write(&out, 200, "text/plain", span_of("body"), false);
    buf_put_char(&out, '\0');
    assert_string_equal(out.at, "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"
                                "content-length: 4\r\ncache-control: no-store\r\n"
                                "x-content-type-options: nosniff\r\nconnection: close\r\n\r\nbody");
    buf_clear(&out);
    admin_http_write(&out, 405, "text/plain", span_of("body"), true);
    buf_put_char(&out, '\0');
    assert_non_null(strstr(out.at, "content-length: 4\r\nallow: GET, HEAD\r\n"));
    assert_non_null(strstr(out.at, "\r\n\r\n"));
    assert_null(strstr(out.at, "body"));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_what_is_not_understood),
        cmocka_unit_test(test_heads_without_end),
        cmocka_unit_test(test_responses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
