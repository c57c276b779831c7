/* What framing lets pass and what it refuses, over whole heads (N2). */
#include "rest/rest_framing.h"
#include "tests/support/exact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static enum verdict_code checked(const char *head, size_t len, struct span *detail)
{
    struct span copy = exact_copy(span_make(head, len));
    enum verdict_code code = framing_check(copy, detail);
    exact_free(copy);
    return code;
}

static void assert_code(const char *head, enum verdict_code expected)
{
    struct span detail = SPAN_LITERAL("untouched");
    enum verdict_code code = checked(head, strlen(head), &detail);
    if (code != expected)
        fail_msg("%d, not %d: %s", (int)code, (int)expected, head);
    /* Malformed heads are explained; the other rows speak for themselves. */
    assert_int_equal(detail.len > 0, code == VERDICT_MALFORMED);
}

static void assert_line(const char *line, enum verdict_code expected)
{
    char head[1024];
    (void)snprintf(head, sizeof head, "%s\r\nHost: weir\r\n\r\n", line);
    assert_code(head, expected);
}

/* With these header lines, each with its CRLF, after the request line. */
static void assert_headers(const char *headers, enum verdict_code expected)
{
    char head[1024];
    (void)snprintf(head, sizeof head, "POST /chat HTTP/1.1\r\n%s\r\n", headers);
    assert_code(head, expected);
}

static void proper_heads_pass(void **state)
{
    (void)state;
    assert_line("GET / HTTP/1.1", VERDICT_OK);
    assert_line("GET /a/b?c=d HTTP/1.0", VERDICT_OK);
    assert_line("OPTIONS * HTTP/1.1", VERDICT_OK);
    assert_headers("Host: weir\r\nContent-Length: 2\r\n", VERDICT_OK);
    assert_headers("hOST:weir\r\nTRANSFER-encoding: \tChunked \r\n", VERDICT_OK);
    assert_headers("X-Empty:\r\nHost: weir\r\n", VERDICT_OK);
    /* What follows the head is not looked at. */
    assert_headers("Host: weir\r\n\r\nHost: a\n b\r\n", VERDICT_OK);
    assert_code("GET / HTTP/1.0\r\n\r\n", VERDICT_OK);
}

static void request_lines(void **state)
{
    (void)state;
    static const char *const malformed[] = {
        "",
        "GET",
        " / HTTP/1.1",
        "GET  HTTP/1.1",
        "GET /",
        "GET / http/1",
        "GET chat HTTP/1.1",
        "GET http://weir/ HTTP/1.1",
        "GET / x",
        "GET */ HTTP/1.1",
        "GET  / HTTP/1.1",
        "CONNECT weir:1 HTTP/1.1",
    };
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++)
        assert_line(malformed[i], VERDICT_MALFORMED);
    assert_line("GET / HTTP/2.0", VERDICT_HTTP_VERSION);
    assert_line("GET / HTTP/1.2", VERDICT_HTTP_VERSION);
    assert_line("GET / HTTP/1.1 ", VERDICT_HTTP_VERSION);
    assert_line("GET / b HTTP/1.1", VERDICT_MALFORMED);
}

static void hosts(void **state)
{
    (void)state;
    assert_headers("", VERDICT_MALFORMED);
    assert_headers("Host:\r\n", VERDICT_MALFORMED);
    assert_headers("Host: \t\r\n", VERDICT_MALFORMED);
    assert_headers("Host: a\r\nHost: a\r\n", VERDICT_MALFORMED);
    assert_headers("Host: a\r\nX: y\r\nhost: b\r\n", VERDICT_MALFORMED);
    assert_code("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", VERDICT_MALFORMED);
}

static void lengths_and_encodings(void **state)
{
    (void)state;
    static const char *const malformed[] = {
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked;a=b\r\n",
        "Transfer-Encoding:\r\n",
    };
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        char headers[256];
        (void)snprintf(headers, sizeof headers, "Host: weir\r\n%s", malformed[i]);
        assert_headers(headers, VERDICT_MALFORMED);
    }
    assert_code("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", VERDICT_MALFORMED);
}

static void lines_and_names(void **state)
{
    (void)state;
    assert_headers("Host: weir\r\n folded\r\n", VERDICT_MALFORMED);
    assert_headers("Host: weir\r\n\tfolded\r\n", VERDICT_MALFORMED);
    assert_headers("Host: weir\r\nX : y\r\n", VERDICT_MALFORMED);
    assert_headers("Host: weir\r\nX\t: y\r\n", VERDICT_MALFORMED);
    assert_headers("Host: weir\r\n: y\r\n", VERDICT_MALFORMED);
    assert_headers("Host: weir\r\nno colon\r\n", VERDICT_MALFORMED);
    assert_headers("Host: weir\nX: y\r\n", VERDICT_MALFORMED);
    assert_headers("Host: we\rir\r\n", VERDICT_MALFORMED);
    assert_code("GET / HTTP/1.1\nHost: weir\n\n", VERDICT_MALFORMED);
    assert_code("\r\nGET / HTTP/1.1\r\nHost: weir\r\n\r\n", VERDICT_MALFORMED);
}

/* No prefix of a head passes, and none is read past its end. */
static void heads_that_do_not_end(void **state)
{
    (void)state;
    static const char head[] = "POST /chat HTTP/1.1\r\nHost: weir\r\nContent-Length: 2\r\n\r\n";
    struct span detail;
    for (size_t len = 1; len < sizeof head - 1; len++)
        assert_int_equal(checked(head, len, &detail), VERDICT_MALFORMED);
    assert_int_equal(checked(head, sizeof head - 1, &detail), VERDICT_OK);
}

static enum verdict_code check_padded(size_t head_bytes, size_t more)
{
    static const char start[] = "GET / HTTP/1.1\r\nHost: weir\r\nX: ";
    size_t len = head_bytes + more;
    char *head = malloc(len);
    struct span detail;
    assert_non_null(head);
    memset(head, 'x', len);
    memcpy(head, start, sizeof start - 1);
    memcpy(head + head_bytes - 4, "\r\n\r\n", 4);
    enum verdict_code code = framing_check(span_make(head, len), &detail);
    free(head);
    return code;
}

static void heads_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(check_padded(FRAMING_HEAD_BYTES, 0), VERDICT_OK);
    assert_int_equal(check_padded(FRAMING_HEAD_BYTES, 100000), VERDICT_OK);
    assert_int_equal(check_padded(FRAMING_HEAD_BYTES + 1, 0), VERDICT_HEADERS_TOO_LARGE);
    assert_int_equal(check_padded(FRAMING_HEAD_BYTES + 3, 100000), VERDICT_HEADERS_TOO_LARGE);
    assert_int_equal(check_padded(10 * FRAMING_HEAD_BYTES, 0), VERDICT_HEADERS_TOO_LARGE);
}

static void headers_are_counted(void **state)
{
    (void)state;
    for (int extra = -1; extra <= 1; extra++) {
        char head[8192] = "GET / HTTP/1.1\r\nHost: weir\r\n";
        for (int i = 1; i < FRAMING_HEADERS + extra; i++)
            (void)strcat(head, "X-A: b\r\n");
        (void)strcat(head, "\r\n");
        assert_code(head, extra > 0 ? VERDICT_HEADERS_TOO_LARGE : VERDICT_OK);
    }
}

static void assert_decoded(struct framing_head head, enum verdict_code expected)
{
    struct span detail = SPAN_LITERAL("untouched");
    assert_int_equal(framing_check_decoded(&head, &detail), expected);
    assert_int_equal(detail.len > 0, expected == VERDICT_MALFORMED);
}

static struct framing_head decoded(const char *method, const char *target, const char *authority)
{
    return (struct framing_head){
        .method = span_of(method), .target = span_of(target), .authority = span_of(authority)};
}

static void decoded_heads(void **state)
{
    (void)state;
    assert_decoded(decoded("GET", "/health?a=b", "weir:8080"), VERDICT_OK);
    assert_decoded(decoded("OPTIONS", "*", "weir"), VERDICT_OK);
    assert_decoded(decoded("G E T", "/", "weir"), VERDICT_MALFORMED);
    assert_decoded(decoded("", "/", "weir"), VERDICT_MALFORMED);
    assert_decoded(decoded("GET", "health", "weir"), VERDICT_MALFORMED);
    assert_decoded(decoded("GET", "", "weir"), VERDICT_MALFORMED);
    assert_decoded(decoded("GET", "/a b", "weir"), VERDICT_MALFORMED);
    assert_decoded(decoded("GET", "/a\x7f", "weir"), VERDICT_MALFORMED);
    assert_decoded(decoded("GET", "**", "weir"), VERDICT_MALFORMED);
    assert_decoded(decoded("GET", "/", ""), VERDICT_MALFORMED);
}

static void decoded_heads_are_bounded(void **state)
{
    (void)state;
    struct framing_head head = decoded("GET", "/", "weir");
    head.fields = FRAMING_HEADERS;
    head.bytes = FRAMING_HEAD_BYTES;
    assert_decoded(head, VERDICT_OK);
    head.fields++;
    assert_decoded(head, VERDICT_HEADERS_TOO_LARGE);
    head.fields--;
    head.bytes++;
    assert_decoded(head, VERDICT_HEADERS_TOO_LARGE);
    head = decoded("GET", "/", "weir");
    head.has_nameless = true;
    assert_decoded(head, VERDICT_MALFORMED);
    head = decoded("GET", "/", "weir");
    head.has_connection_field = true;
    assert_decoded(head, VERDICT_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proper_heads_pass),
        cmocka_unit_test(request_lines),
        cmocka_unit_test(hosts),
        cmocka_unit_test(lengths_and_encodings),
        cmocka_unit_test(lines_and_names),
        cmocka_unit_test(heads_that_do_not_end),
        cmocka_unit_test(heads_are_bounded),
        cmocka_unit_test(headers_are_counted),
        cmocka_unit_test(decoded_heads),
        cmocka_unit_test(decoded_heads_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
