#include "tests/unit/server/guard_frames_kit.h"

#include "tests/support/exact.h"

#include <stdlib.h>

struct guard_frames frames;
struct buf bytes;
tick_ms now_ms;

int frames_set_up(void **state)
{
    (void)state;
    now_ms = 1000000;
    guard_frames_init(&frames, now_ms);
    buf_init(&bytes, NULL, 8 << 20);
    return 0;
}

int frames_tear_down(void **state)
{
    (void)state;
    guard_frames_fini(&frames);
    buf_fini(&bytes);
    return 0;
}

enum guard_rule feed_client(void)
{
    struct guard_frames twin = frames;
    enum guard_rule rule = GUARD_FINE, whole;
    size_t size = frames.streams.capacity * sizeof *frames.streams.all;
    twin.streams.all = malloc(size > 0 ? size : 1);
    assert_non_null(twin.streams.all);
    if (size > 0)
        memcpy(twin.streams.all, frames.streams.all, size);
    whole = guard_frames_client(&frames, buf_span(&bytes), now_ms);
    for (size_t i = 0; i < bytes.len && rule == GUARD_FINE; i++) {
        struct span byte = exact_copy(span_make(bytes.at + i, 1));
        rule = guard_frames_client(&twin, byte, now_ms);
        exact_free(byte);
    }
    assert_int_equal(rule, whole);
    assert_int_equal(twin.streams.count, frames.streams.count);
    guard_frames_fini(&twin);
    buf_clear(&bytes);
    return whole;
}

enum guard_rule feed_server(void)
{
    enum guard_rule rule = GUARD_FINE;
    for (size_t i = 0; i < bytes.len && rule == GUARD_FINE; i += 7)
        rule = guard_frames_server(
            &frames, span_make(bytes.at + i, bytes.len - i < 7 ? bytes.len - i : 7), now_ms);
    buf_clear(&bytes);
    return rule;
}

void open_connection(void)
{
    put_opening(&bytes);
    assert_int_equal(feed_client(), GUARD_FINE);
    put_frame(&bytes, SETTINGS, 0, 0, NULL, 0);
    put_frame(&bytes, SETTINGS, ACK, 0, NULL, 0);
    assert_int_equal(feed_server(), GUARD_FINE);
    put_frame(&bytes, SETTINGS, ACK, 0, NULL, 0);
    assert_int_equal(feed_client(), GUARD_FINE);
    assert_true(guard_frames_begun(&frames));
}

void put_headers(unsigned flags, uint32_t stream)
{
    put_frame(&bytes, HEADERS, flags, stream, block, BLOCK);
}

void call(uint32_t stream)
{
    put_headers(END_HEADERS, stream);
    put_frame(&bytes, DATA, END_STREAM, stream, "\0\0\0\0\0", 5);
    assert_int_equal(feed_client(), GUARD_FINE);
    put_headers(END_HEADERS, stream);
    put_frame(&bytes, DATA, 0, stream, "\0\0\0\0\0", 5);
    put_headers(END_HEADERS | END_STREAM, stream);
    assert_int_equal(feed_server(), GUARD_FINE);
}

void assert_client(enum guard_rule expected)
{
    enum guard_rule rule = feed_client();
    if (rule != expected)
        fail_msg("%s, expected %s", rule ? guard_rule_row(rule)->name : "fine",
                 expected ? guard_rule_row(expected)->name : "fine");
}
