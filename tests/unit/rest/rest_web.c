/* Connect and gRPC-Web on the wire: types, frames, text, time-outs, and the words for an end. */
#include "rest/rest_web.h"

#include "shared/flow/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define BYTES(text) ((struct span)SPAN_LITERAL(text))

static struct arena arena;
static struct buf out;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    buf_init(&out, NULL, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_fini(&arena);
    buf_fini(&out);
    return 0;
}

static void assert_out(struct span expected)
{
    if (!span_equal(buf_span(&out), expected))
        fail_msg("\"%.*s\", not \"%.*s\"", (int)out.len, out.at, (int)expected.len, expected.at);
    buf_clear(&out);
}

static void assert_type(const char *text, enum web_protocol protocol, bool protobuf)
{
    const struct web_type *type = web_type_of(span_of(text));
    assert_non_null(type);
    assert_int_equal(type->protocol, protocol);
    assert_int_equal(type->protobuf, protobuf);
}

static void test_types(void **state)
{
    static const char *const others[] = {"",
                                         "text/plain",
                                         "application/jsonp",
                                         "application/grpc",
                                         "application/grpc+proto",
                                         "application/grpc-web+json",
                                         "application/grpc-web-text+thrift",
                                         "application/connect",
                                         "application/connect+xml",
                                         "; charset=utf-8",
                                         "application/protobuf"};
    (void)state;
    assert_type("application/json", WEB_CONNECT, false);
    assert_type(" Application/JSON ; charset=utf-8", WEB_CONNECT, false);
    assert_type("application/proto", WEB_CONNECT, true);
    assert_type("application/connect+json", WEB_CONNECT_STREAM, false);
    assert_type("application/connect+proto", WEB_CONNECT_STREAM, true);
    assert_type("application/grpc-web", WEB_GRPC, true);
    assert_type("application/grpc-web+proto", WEB_GRPC, true);
    assert_type("application/grpc-web-text", WEB_GRPC_TEXT, true);
    assert_type("application/grpc-web-text+proto", WEB_GRPC_TEXT, true);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_null(web_type_of(span_of(others[i])));
    assert_null(web_type_of(SPAN_EMPTY));
    assert_true(web_is_grpc(span_of("application/grpc-web+json")));
    assert_true(web_is_grpc(span_of("application/grpc-web")));
    assert_false(web_is_grpc(span_of("application/grpc")));
    assert_false(web_is_grpc(SPAN_EMPTY));
}

static void assert_unframed(struct span body, struct span expected)
{
    struct span message = SPAN_EMPTY, detail = SPAN_EMPTY;
    assert_int_equal(web_unframe(body, &message, &detail), VERDICT_OK);
    assert_int_equal(detail.len, 0);
    assert_true(span_equal(message, expected));
}

static void assert_refused(struct span body, enum verdict_code code)
{
    struct span message = SPAN_EMPTY, detail = SPAN_EMPTY;
    assert_int_equal(web_unframe(body, &message, &detail), code);
    assert_true(detail.len > 0);
}

static void test_unframe(void **state)
{
    (void)state;
    assert_unframed(BYTES("\0\0\0\0\0"), SPAN_EMPTY);
    assert_unframed(BYTES("\0\0\0\0\3abc"), BYTES("abc"));
    assert_refused(SPAN_EMPTY, VERDICT_MALFORMED);
    assert_refused(BYTES("\0\0\0\0"), VERDICT_MALFORMED);
    assert_refused(BYTES("\0\0\0\0\3ab"), VERDICT_MALFORMED);
    assert_refused(BYTES("\0\0\0\0\3abcd"), VERDICT_MALFORMED);
    assert_refused(BYTES("\0\0\0\0\1a\0\0\0\0\1b"), VERDICT_MALFORMED);
    assert_refused(BYTES("\0\xff\xff\xff\xff"), VERDICT_MALFORMED);
    assert_refused(BYTES("\0\1\0\0\3abc"), VERDICT_MALFORMED);
    assert_refused(BYTES("\1\0\0\0\3abc"), VERDICT_BAD_COMPRESSION);
    assert_refused(BYTES("\2\0\0\0\2{}"), VERDICT_MALFORMED);
    assert_refused(BYTES("\3\0\0\0\2{}"), VERDICT_MALFORMED);
    assert_refused(BYTES("\x80\0\0\0\0"), VERDICT_MALFORMED);
}

static void test_frame(void **state)
{
    (void)state;
    buf_put_text(&out, "before");
    size_t frame = web_frame_begin(&out, WEB_TRAILERS);
    for (size_t i = 0; i < 0x10203; i++)
        buf_put_char(&out, 'x');
    web_frame_end(&out, frame);
    assert_int_equal(out.len, 6 + 5 + 0x10203);
    assert_memory_equal(out.at, "before\x80\0\1\2\3x", 12);
    /* One that does not fit leaves what is there alone. */
    struct buf small;
    buf_init(&small, NULL, 3);
    web_frame_end(&small, web_frame_begin(&small, WEB_END));
    assert_true(small.overflow);
    buf_fini(&small);
}

static void assert_text(const char *text, struct span expected)
{
    char to[64];
    size_t len = 0;
    must(base64_decoded_most(strlen(text)) <= sizeof to);
    assert_true(web_text_decode(span_of(text), to, &len));
    assert_true(span_equal(span_make(to, len), expected));
}

static void test_text(void **state)
{
    static const char *const bad[] = {"A",    "AAAA=", "Zg====", "=",
                                      "====", "Zg==A", "Z g=",   "Zg=Zg="};
    char to[64];
    size_t len = 0;
    (void)state;
    assert_text("", SPAN_EMPTY);
    assert_text("AAAAAAA=", BYTES("\0\0\0\0\0"));
    assert_text("Zg==Zm8=Zm9vZg", BYTES("ffofoof"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (web_text_decode(span_of(bad[i]), to, &len))
            fail_msg("%s was decoded", bad[i]);
}

static void assert_timeout(bool (*read)(struct span, uint64_t *), const char *text,
                           uint64_t expected)
{
    uint64_t ms = 0;
    if (!read(span_of(text), &ms) || ms != expected)
        fail_msg("%s: %llu", text, (unsigned long long)ms);
}

static void test_timeouts(void **state)
{
    static const char *const bad[] = {"", "x", "-1", "+1", "1.5", " 1", "1 ", "12345678901"};
    static const char *const bad_grpc[] = {"",           "1",   "S",   "1s", "1h",
                                           "123456789m", "1mm", "-1m", "1 m"};
    uint64_t ms = 0;
    (void)state;
    assert_timeout(web_timeout_connect, "1", 1);
    assert_timeout(web_timeout_connect, "0", 1);
    assert_timeout(web_timeout_connect, "9999999999", 9999999999U);
    assert_timeout(web_timeout_grpc, "1H", 3600000);
    assert_timeout(web_timeout_grpc, "99999999H", 99999999ULL * 3600000U);
    assert_timeout(web_timeout_grpc, "2M", 120000);
    assert_timeout(web_timeout_grpc, "3S", 3000);
    assert_timeout(web_timeout_grpc, "250m", 250);
    assert_timeout(web_timeout_grpc, "1001u", 2);
    assert_timeout(web_timeout_grpc, "1n", 1);
    assert_timeout(web_timeout_grpc, "0S", 1);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(web_timeout_connect(span_of(bad[i]), &ms));
    for (size_t i = 0; i < sizeof bad_grpc / sizeof bad_grpc[0]; i++)
        assert_false(web_timeout_grpc(span_of(bad_grpc[i]), &ms));
}

static int status_of(enum verdict_code code)
{
    struct verdict verdict = verdict_of(code);
    return web_http_status(&verdict);
}

static void test_codes(void **state)
{
    (void)state;
    assert_string_equal(web_code_name(GRPC_CANCELLED), "canceled");
    assert_string_equal(web_code_name(GRPC_INVALID_ARGUMENT), "invalid_argument");
    assert_string_equal(web_code_name(GRPC_UNAUTHENTICATED), "unauthenticated");
    assert_int_equal(status_of(VERDICT_INVALID), 400);
    assert_int_equal(status_of(VERDICT_RATE_LIMITED), 429);
    assert_int_equal(status_of(VERDICT_TOO_LARGE), 429);
    assert_int_equal(status_of(VERDICT_UNAUTHENTICATED), 401);
    assert_int_equal(status_of(VERDICT_FORBIDDEN_SCOPE), 403);
    assert_int_equal(status_of(VERDICT_UPSTREAM_FILTERED), 400);
    assert_int_equal(status_of(VERDICT_UPSTREAM_UNREACHABLE), 503);
    assert_int_equal(status_of(VERDICT_TIMED_OUT), 504);
    assert_int_equal(status_of(VERDICT_CANCELLED), 499);
    assert_int_equal(status_of(VERDICT_BAD_COMPRESSION), 501);
    assert_int_equal(status_of(VERDICT_NO_METHOD), 404);
    assert_int_equal(status_of(VERDICT_BAD_HTTP_METHOD), 405);
    assert_int_equal(status_of(VERDICT_BAD_MEDIA_TYPE), 415);
}

static void test_errors(void **state)
{
    struct verdict verdict = {.code = VERDICT_MALFORMED,
                              .detail = SPAN_LITERAL("a \"b\" 100%\n\u00fc")};
    (void)state;
    web_put_error(&out, &verdict, &arena);
    assert_out(BYTES("{\"code\":\"invalid_argument\",\"message\":\"a \\\"b\\\" 100%\\n\u00fc\"}"));
    web_put_status(&out, &verdict, &arena);
    assert_out(BYTES("grpc-status: 3\r\ngrpc-message: a \"b\" 100%25%0A%C3%BC\r\n"));
    verdict = (struct verdict){
        .code = VERDICT_RATE_LIMITED, .detail = SPAN_LITERAL("x"), .retry_after_ms = 2000};
    web_put_error(&out, &verdict, &arena);
    assert_out(BYTES("{\"code\":\"resource_exhausted\",\"message\":\"x\",\"details\":[{\"type\":"
                     "\"google.rpc.RetryInfo\",\"value\":\"CgIIAg\"}]}"));
    web_put_status(&out, &verdict, &arena);
    assert_out(BYTES("grpc-status: 8\r\ngrpc-message: x\r\ngrpc-status-details-bin: "
                     "CAgSAXgaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIAg"
                     "\r\n"));
    verdict = verdict_of(VERDICT_OK);
    web_put_status(&out, &verdict, &arena);
    assert_out(BYTES("grpc-status: 0\r\n"));
    web_put_trailer(&out, "ratelimit", BYTES("\"public\";r=1"));
    assert_out(BYTES("ratelimit: \"public\";r=1\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_unframe),
        cmocka_unit_test_setup_teardown(test_frame, set_up, tear_down),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_codes),
        cmocka_unit_test_setup_teardown(test_errors, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
