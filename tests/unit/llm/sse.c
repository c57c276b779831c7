/* Event streams, fed whole, byte by byte, and cut in two at every place. */
#include "shared/llm/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct row {
    const char *input;
    const char *events; /* name|data; of each */
};

static const struct row rows[] = {
    {"", ""},
    {"data: a\n\n", "|a;"},
    {"data: a\r\n\r\n", "|a;"},
    {"data: a\r\r", "|a;"},
    {"data: a\r\n\rdata: b\n\r", "|a;|b;"},
    {"data: a\n\r\ndata: b\r\r\n", "|a;|b;"},
    {"data:a\n\n", "|a;"},
    {"data:  a \n\n", "| a ;"},
    {"data: a\ndata: b\n\n", "|a\nb;"},
    {"data: a\r\ndata:\r\ndata: b\r\n\r\n", "|a\n\nb;"},
    {"data\n\n", "|;"},
    {"data:\n\n", "|;"},
    {"data\ndata\n\n", "|\n;"},
    {"\n\n\r\n\r\r", ""},
    {": a comment\n\n", ""},
    {": ping\ndata: a\n: ping\n\n:\n", "|a;"},
    {"event: error\ndata: a\n\ndata: b\n\n", "error|a;|b;"},
    {"event: lost\n\ndata: a\n\n", "|a;"},
    {"event: one\nevent: two\ndata: a\n\n", "two|a;"},
    {"event:\ndata: a\n\n", "|a;"},
    {"id: 7\nretry: 10\ndata: a\nid\n\n", "|a;"},
    {"unknown: x\ndatax: y\nData: z\n\n", ""},
    {"data: {\"a\": \"b:c\"}\n\n", "|{\"a\": \"b:c\"};"},
    {"\xef\xbb\xbf"
     "data: a\n\n",
     "|a;"},
    {"\xef\xbb\xbf\n\xef\xbb\xbf"
     "data: a\n\n",
     ""},
    {"\xef\xbb"
     "data: a\n\ndata: b\n\n",
     "|b;"},
    {"data: \xc3\xa9\xf0\x9f\x98\x80\n\n", "|\xc3\xa9\xf0\x9f\x98\x80;"},
    {"data: a\n", ""},
    {"data: a\n\ndata: left over", "|a;"},
    {"data: a\n\ndata: left over\n", "|a;"},
};

static enum sse_result feed(struct sse *sse, struct span input, struct buf *seen)
{
    struct sse_event event;
    enum sse_result result;
    while ((result = sse_next(sse, &input, &event)) == SSE_EVENT) {
        buf_put_span(seen, event.name);
        buf_put_char(seen, '|');
        buf_put_span(seen, event.data);
        buf_put_char(seen, ';');
    }
    if (result == SSE_MORE)
        assert_int_equal(input.len, 0);
    return result;
}

/* In pieces of `first` bytes and then of `step` bytes, each alone on the heap. */
static void check(struct sse *sse, const struct row *row, size_t first, size_t step)
{
    struct buf seen;
    struct span input = span_of(row->input);
    buf_init(&seen, NULL, 1000);
    sse_reset(sse, 16);
    for (size_t at = 0, len = first; at < input.len; at += len, len = step) {
        len = len > input.len - at ? input.len - at : len;
        char *piece = malloc(len > 0 ? len : 1);
        assert_non_null(piece);
        memcpy(piece, input.at + at, len);
        assert_int_equal(feed(sse, span_make(piece, len), &seen), SSE_MORE);
        free(piece);
    }
    if (!span_is(buf_span(&seen), row->events))
        fail_msg("%s gave %.*s by %zu, %zu", row->input, (int)seen.len, seen.at, first, step);
    buf_fini(&seen);
}

static void test_events(void **state)
{
    struct sse sse;
    (void)state;
    sse_init(&sse);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = strlen(rows[i].input);
        check(&sse, &rows[i], len, len);
        check(&sse, &rows[i], 1, 1);
        for (size_t first = 0; first < len; first++)
            check(&sse, &rows[i], first, len);
    }
    sse_fini(&sse);
}

static void test_nul_bytes_pass(void **state)
{
    static const char input[] = "data: a\0b\n\n";
    struct sse sse;
    struct sse_event event;
    struct span rest = span_make(input, sizeof input - 1);
    (void)state;
    sse_init(&sse);
    assert_int_equal(sse_next(&sse, &rest, &event), SSE_EVENT);
    assert_true(span_equal(event.data, span_make("a\0b", 3)));
    sse_fini(&sse);
}

/* Line ends are looked for in strides of 256 bytes. */
static void test_line_ends_around_strides(void **state)
{
    static const char *const ends[] = {"\n", "\r", "\r\n"};
    struct sse sse;
    (void)state;
    sse_init(&sse);
    for (size_t len = 240; len < 270; len++) {
        for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
            char input[400], data[300], events[400];
            memset(data, 'x', len);
            data[len] = '\0';
            (void)snprintf(input, sizeof input, "data: %s%s%sdata: y\r\r\n", data, ends[i],
                           ends[i]);
            (void)snprintf(events, sizeof events, "|%s;|y;", data);
            const struct row row = {input, events};
            check(&sse, &row, strlen(input), 1);
            check(&sse, &row, len + 6, sizeof input);
        }
    }
    sse_fini(&sse);
}

/* What is too large fails however it comes, and stays failed. */
static void test_limit(void **state)
{
    (void)state;
    static const char *const heads[] = {"data: ", ": ", "event: ", "data: a\ndata: ", ""};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        for (size_t step = 4096; step <= 4 * SSE_EVENT_BYTES; step *= 16) {
            struct sse sse;
            struct buf input, seen;
            buf_init(&input, NULL, 2 * SSE_EVENT_BYTES);
            buf_init(&seen, NULL, 2 * SSE_EVENT_BYTES);
            sse_init(&sse);
            buf_put_text(&input, heads[i]);
            while (input.len < (size_t)SSE_EVENT_BYTES + 100)
                buf_put_char(&input, 'x');
            buf_put_text(&input, "\n\n");
            enum sse_result result = SSE_MORE;
            for (size_t at = 0; at < input.len && result == SSE_MORE; at += step)
                result = feed(
                    &sse, span_make(input.at + at, step < input.len - at ? step : input.len - at),
                    &seen);
            assert_int_equal(result, SSE_TOO_LARGE);
            assert_int_equal(feed(&sse, span_of("data: a\n\n"), &seen), SSE_TOO_LARGE);
            assert_int_equal(seen.len, 0);
            sse_reset(&sse, 0);
            assert_int_equal(feed(&sse, span_of("data: a\n\n"), &seen), SSE_MORE);
            assert_true(span_is(buf_span(&seen), "|a;"));
            sse_fini(&sse);
            buf_fini(&input);
            buf_fini(&seen);
        }
    }
}

static void test_many_lines_make_an_event_too_large(void **state)
{
    struct sse sse;
    struct buf seen;
    enum sse_result result = SSE_MORE;
    size_t fed = 0;
    (void)state;
    buf_init(&seen, NULL, 100);
    sse_init(&sse);
    for (; result == SSE_MORE && fed < 3U * SSE_EVENT_BYTES; fed += 12)
        result = feed(&sse, span_of("data: 12345\n"), &seen);
    assert_int_equal(result, SSE_TOO_LARGE);
    assert_true(fed > SSE_EVENT_BYTES);
    sse_fini(&sse);
    buf_fini(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_nul_bytes_pass),
        cmocka_unit_test(test_line_ends_around_strides),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_many_lines_make_an_event_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
