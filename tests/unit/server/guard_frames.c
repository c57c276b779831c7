/* The guard's frame parser: what each rule lets pass and what it stops, whole and byte by byte. */
#include "server/guard_frames.h"

#include "tests/unit/server/frame_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct guard_frames frames;
static struct buf bytes;
static tick_ms now_ms;

/* :method POST, :scheme http, and a literal with and one without indexing. */
static const char block[] = "\x83\x86\x44\x05/a/bc\x40\x01x\x03yes\x0f\x2b\x01z";
enum { BLOCK = sizeof block - 1 };

static int setup(void **state)
{
    (void)state;
    now_ms = 1000000;
    guard_frames_init(&frames, now_ms);
    buf_init(&bytes, NULL, 8 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    guard_frames_fini(&frames);
    buf_fini(&bytes);
    return 0;
}

/* Feeds what was put together, and forgets it. A second parser gets it byte by byte and has to come
 * to the same end, with the same streams open. */
static enum guard_rule feed_client(void)
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
        char *byte = malloc(1); /* alone, so that a sanitizer sees a read past its end */
        assert_non_null(byte);
        *byte = bytes.at[i];
        rule = guard_frames_client(&twin, span_make(byte, 1), now_ms);
        free(byte);
    }
    assert_int_equal(rule, whole);
    assert_int_equal(twin.streams.count, frames.streams.count);
    guard_frames_fini(&twin);
    buf_clear(&bytes);
    return whole;
}

static enum guard_rule feed_server(void)
{
    enum guard_rule rule = GUARD_FINE;
    for (size_t i = 0; i < bytes.len && rule == GUARD_FINE; i += 7)
        rule = guard_frames_server(
            &frames, span_make(bytes.at + i, bytes.len - i < 7 ? bytes.len - i : 7), now_ms);
    buf_clear(&bytes);
    return rule;
}

static void open_connection(void)
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

static void put_headers(unsigned flags, uint32_t stream)
{
    put_frame(&bytes, HEADERS, flags, stream, block, BLOCK);
}

/* A whole call, and its answer. */
static void call(uint32_t stream)
{
    put_headers(END_HEADERS, stream);
    put_frame(&bytes, DATA, END_STREAM, stream, "\0\0\0\0\0", 5);
    assert_int_equal(feed_client(), GUARD_FINE);
    put_headers(END_HEADERS, stream);
    put_frame(&bytes, DATA, 0, stream, "\0\0\0\0\0", 5);
    put_headers(END_HEADERS | END_STREAM, stream);
    assert_int_equal(feed_server(), GUARD_FINE);
}

static void assert_client(enum guard_rule expected)
{
    enum guard_rule rule = feed_client();
    if (rule != expected)
        fail_msg("%s, expected %s", rule ? guard_rule_row(rule)->name : "fine",
                 expected ? guard_rule_row(expected)->name : "fine");
}

/* --- the beginning --- */

static void test_opening(void **state)
{
    (void)state;
    buf_put(&bytes, frame_preface, 24);
    assert_client(GUARD_FINE);
    assert_false(guard_frames_begun(&frames));
    assert_int_equal(frames.since_ms, now_ms);
    put_frame(&bytes, SETTINGS, 0, 0, "\0\3\0\0\0\x64\0\4\0\1\0\0", 12);
    assert_client(GUARD_FINE);
    assert_true(guard_frames_begun(&frames));
    assert_int_equal(frames.since_ms, TICK_NEVER);
}

static void test_preface(void **state)
{
    (void)state;
    buf_put_text(&bytes, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r!");
    assert_client(GUARD_PREFACE);
    guard_frames_init(&frames, now_ms);
    buf_put_text(&bytes, "GET / HTTP/1.1\r\n\r\n");
    assert_client(GUARD_PREFACE);
}

static void test_settings_first(void **state)
{
    (void)state;
    buf_put(&bytes, frame_preface, 24);
    put_frame(&bytes, PING, 0, 0, "12345678", 8);
    assert_client(GUARD_FIRST_SETTINGS);
    guard_frames_init(&frames, now_ms);
    buf_put(&bytes, frame_preface, 24);
    put_frame(&bytes, SETTINGS, ACK, 0, NULL, 0);
    assert_client(GUARD_FIRST_SETTINGS);
}

/* --- frames that break the wire --- */

struct bad_frame {
    unsigned kind, flags;
    uint32_t stream;
    size_t len;
    enum guard_rule rule;
};

static void test_bad_frames(void **state)
{
    static const struct bad_frame cases[] = {
        {DATA, 0, 1, 16385, GUARD_FRAME_SIZE},
        {0x55, 0, 1, 16385, GUARD_FRAME_SIZE},
        {SETTINGS, 0, 0, 5, GUARD_FRAME_LENGTH},
        {SETTINGS, ACK, 0, 6, GUARD_FRAME_LENGTH},
        {SETTINGS, 0, 1, 6, GUARD_STREAM_ID},
        {SETTINGS, 0, 0, 33 * 6, GUARD_SETTINGS_LENGTH},
        {PING, 0, 0, 7, GUARD_FRAME_LENGTH},
        {PING, 0, 1, 8, GUARD_STREAM_ID},
        {RST_STREAM, 0, 1, 5, GUARD_FRAME_LENGTH},
        {RST_STREAM, 0, 9, 4, GUARD_STREAM_ID},
        {RST_STREAM, 0, 0, 4, GUARD_STREAM_ID},
        {PRIORITY, 0, 1, 4, GUARD_FRAME_LENGTH},
        {PRIORITY, 0, 0, 5, GUARD_STREAM_ID},
        {WINDOW_UPDATE, 0, 1, 3, GUARD_FRAME_LENGTH},
        {WINDOW_UPDATE, 0, 1, 4, GUARD_WINDOW},
        {WINDOW_UPDATE, 0, 0, 4, GUARD_WINDOW},
        {WINDOW_UPDATE, 0, 9, 4, GUARD_STREAM_ID},
        {PUSH_PROMISE, END_HEADERS, 1, 4, GUARD_PUSH},
        {CONTINUATION, END_HEADERS, 1, 0, GUARD_FRAME_ORDER},
        {DATA, 0, 0, 5, GUARD_STREAM_ID},
        {DATA, 0, 9, 5, GUARD_STREAM_ID},
        {DATA, PADDED, 1, 0, GUARD_FRAME_LENGTH},
        {HEADERS, END_HEADERS, 0, 0, GUARD_STREAM_ID},
        {HEADERS, END_HEADERS, 2, 0, GUARD_STREAM_ID},
        {HEADERS, END_HEADERS, 1, 0, GUARD_FRAME_ORDER}, /* trailers have to end the stream */
        {HEADERS, END_HEADERS | PADDED, 3, 0, GUARD_FRAME_LENGTH},
        {HEADERS, END_HEADERS | WITH_PRIORITY, 3, 4, GUARD_FRAME_LENGTH},
    };
    static const char zeros[16385];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        guard_frames_fini(&frames);
        guard_frames_init(&frames, now_ms);
        open_connection();
        put_headers(END_HEADERS, 1);
        put_frame(&bytes, cases[i].kind, cases[i].flags, cases[i].stream, zeros, cases[i].len);
        enum guard_rule rule = feed_client();
        if (rule != cases[i].rule)
            fail_msg("case %zu: rule %d, expected %d", i, rule, cases[i].rule);
    }
}

static void test_a_block_is_not_interrupted(void **state)
{
    (void)state;
    open_connection();
    put_headers(0, 1);
    put_frame(&bytes, PING, 0, 0, "12345678", 8);
    assert_client(GUARD_FRAME_ORDER);
    guard_frames_fini(&frames);
    guard_frames_init(&frames, now_ms);
    open_connection();
    put_headers(0, 1);
    put_frame(&bytes, CONTINUATION, END_HEADERS, 3, NULL, 0);
    assert_client(GUARD_FRAME_ORDER);
}

static void test_closed_streams(void **state)
{
    (void)state;
    open_connection();
    put_headers(END_HEADERS | END_STREAM, 1);
    put_frame(&bytes, DATA, 0, 1, "\0\0\0\0\0", 5);
    assert_client(GUARD_STREAM_CLOSED);
    guard_frames_fini(&frames);
    guard_frames_init(&frames, now_ms);
    open_connection();
    put_headers(END_HEADERS | END_STREAM, 1);
    put_headers(END_HEADERS | END_STREAM, 1);
    assert_client(GUARD_STREAM_CLOSED);
}

/* --- header blocks --- */

static void test_padding_and_priority_are_no_header_block(void **state)
{
    (void)state;
    char payload[6 + BLOCK + 3] = "\3\0\0\0\0\x10";
    memcpy(payload + 6, block, BLOCK);
    memset(payload + 6 + BLOCK, 0xff, 3); /* would be an integer that does not end */
    open_connection();
    put_frame(&bytes, HEADERS, END_HEADERS | PADDED | WITH_PRIORITY, 1, payload, sizeof payload);
    assert_client(GUARD_FINE);
    payload[0] = (char)sizeof payload; /* more than there is */
    put_frame(&bytes, HEADERS, END_HEADERS | PADDED | WITH_PRIORITY, 3, payload, sizeof payload);
    assert_client(GUARD_PADDING);
}

static void test_block_over_continuations(void **state)
{
    (void)state;
    open_connection();
    for (size_t cut = 0; cut <= BLOCK; cut++) {
        uint32_t stream = (uint32_t)(2 * cut + 1);
        put_frame(&bytes, HEADERS, END_STREAM, stream, block, cut);
        put_frame(&bytes, CONTINUATION, 0, stream, NULL, 0);
        put_frame(&bytes, CONTINUATION, END_HEADERS, stream, block + cut, BLOCK - cut);
    }
    assert_client(GUARD_FINE);
    assert_int_equal(frames.since_ms, TICK_NEVER);
    put_frame(&bytes, HEADERS, 0, 99, block, BLOCK);
    assert_client(GUARD_FINE);
    assert_int_equal(frames.since_ms, now_ms); /* an unfinished block is unfinished business */
}

static void test_block_ends_inside_a_field(void **state)
{
    (void)state;
    open_connection();
    put_frame(&bytes, HEADERS, END_HEADERS, 1, block, BLOCK - 1);
    assert_client(GUARD_HPACK);
}

static void test_continuation_flood(void **state)
{
    (void)state;
    open_connection();
    put_headers(0, 1);
    for (int i = 0; i < 9; i++)
        put_frame(&bytes, CONTINUATION, 0, 1, NULL, 0);
    assert_client(GUARD_CONTINUATION_COUNT);
}

static void test_block_bytes(void **state)
{
    static char piece[16384];
    (void)state;
    open_connection();
    /* Strings of 16,000 zeros, one a frame: 5 of them are too much. */
    memcpy(piece, "\0\1x\x7f\x81\x7c", 6);
    put_frame(&bytes, HEADERS, 0, 1, piece, 16006);
    for (int i = 0; i < 3; i++)
        put_frame(&bytes, CONTINUATION, 0, 1, piece, 16006);
    assert_client(GUARD_FINE);
    put_frame(&bytes, CONTINUATION, END_HEADERS, 1, piece, 16006);
    assert_client(GUARD_HEADER_BLOCK);
}

struct bad_block {
    const char *at;
    size_t len;
    enum guard_rule rule;
};
#define BAD(text, rule)                                                                            \
    {                                                                                              \
        text, sizeof text - 1, rule                                                                \
    }

static void test_header_syntax(void **state)
{
    static const struct bad_block cases[] = {
        BAD("\x80", GUARD_HPACK),                                 /* index 0 */
        BAD("\xbd", GUARD_FINE),                                  /* 61 */
        BAD("\xff\x3e", GUARD_FINE),                              /* 189: the last there can be */
        BAD("\xff\x3f", GUARD_HPACK),                             /* 190 */
        BAD("\xff\x80\x80\x80\x00", GUARD_FINE),                  /* 5 bytes, padded */
        BAD("\xff\x80\x80\x80\x80\x00", GUARD_HPACK_INTEGER),     /* 6 */
        BAD("\xff\xff\xff\xff\xff\xff\xff", GUARD_HPACK_INTEGER), /* without end */
        BAD("\x3f\xe1\x1f", GUARD_FINE),                          /* table of 4096 */
        BAD("\x3f\xe2\x1f", GUARD_HPACK),                         /* and one more */
        BAD("\x20\x20", GUARD_FINE),
        BAD("\x20\x20\x20", GUARD_HPACK),
        BAD("\x83\x20", GUARD_HPACK), /* not at the beginning */
        BAD("\x40\x00\x00", GUARD_FINE),
        BAD("\x40\x7f\x82\x7f", GUARD_HPACK_STRING), /* 16,385 */
        BAD("\x40\x01x", GUARD_HPACK),               /* the value is missing */
        BAD("\x10\x81\xff\x01y", GUARD_FINE),        /* Huffman, never indexed */
        BAD("\x7f\xff\xff\xff\xff\x01", GUARD_HPACK_INTEGER),
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        guard_frames_fini(&frames);
        guard_frames_init(&frames, now_ms);
        open_connection();
        put_frame(&bytes, HEADERS, END_HEADERS, 1, cases[i].at, cases[i].len);
        enum guard_rule rule = feed_client();
        if (rule != cases[i].rule)
            fail_msg("case %zu: rule %d, expected %d", i, rule, cases[i].rule);
    }
}

static void test_field_count(void **state)
{
    char fields[257];
    (void)state;
    memset(fields, 0x83, sizeof fields);
    open_connection();
    put_frame(&bytes, HEADERS, END_HEADERS, 1, fields, 256);
    assert_client(GUARD_FINE);
    put_frame(&bytes, HEADERS, END_HEADERS, 3, fields, 257);
    assert_client(GUARD_HEADER_FIELDS);
}

/* --- streams --- */

static void test_open_streams(void **state)
{
    (void)state;
    open_connection();
    for (uint32_t i = 0; i < 100; i++)
        put_headers(END_HEADERS | END_STREAM, 2 * i + 1);
    assert_client(GUARD_FINE);
    assert_int_equal(frames.streams.count, 100);
    /* One is answered: there is room for one more, and only one. */
    put_headers(END_HEADERS | END_STREAM, 51);
    assert_int_equal(feed_server(), GUARD_FINE);
    put_headers(END_HEADERS | END_STREAM, 201);
    assert_client(GUARD_FINE);
    put_headers(END_HEADERS | END_STREAM, 203);
    assert_client(GUARD_STREAM_COUNT);
}

/* A stream is over when both sides have ended it, or either has reset it. */
/* Bodies count until their streams are over, whoever ends them. */
static void test_bodies(void **state)
{
    static const char body[10000];
    (void)state;
    open_connection();
    frames.streams.most_bytes = 3 * sizeof body;
    for (uint32_t i = 0; i < 9; i++) {
        put_headers(END_HEADERS, 2 * i + 1);
        put_frame(&bytes, DATA, i % 3 == 0 ? END_STREAM : 0, 2 * i + 1, body, sizeof body);
        if (i % 3 == 1)
            put_word_frame(&bytes, RST_STREAM, 2 * i + 1, 8);
        assert_client(GUARD_FINE);
        if (i % 3 == 0)
            put_headers(END_HEADERS | END_STREAM, 2 * i + 1);
        if (i % 3 == 2)
            put_word_frame(&bytes, RST_STREAM, 2 * i + 1, 7);
        assert_int_equal(feed_server(), GUARD_FINE);
    }
    assert_int_equal(frames.streams.bytes, 0);
    put_headers(END_HEADERS, 19);
    for (unsigned i = 0; i < 3; i++)
        put_frame(&bytes, DATA, i == 2 ? END_STREAM : 0, 19, body, sizeof body);
    put_headers(END_HEADERS, 21);
    assert_client(GUARD_FINE);
    put_frame(&bytes, DATA, END_STREAM, 21, "x", 1);
    assert_client(GUARD_BODIES);
}

static void test_bodies_of_grpc_are_the_cores(void **state)
{
    static const char body[10000];
    (void)state;
    open_connection();
    put_headers(END_HEADERS, 1);
    for (unsigned i = 0; i < 5000; i++) {
        put_frame(&bytes, DATA, 0, 1, body, sizeof body);
        assert_client(GUARD_FINE);
    }
}

static void test_how_streams_end(void **state)
{
    (void)state;
    open_connection();
    put_headers(END_HEADERS, 1);
    put_headers(END_HEADERS, 3);
    put_headers(END_HEADERS, 5);
    put_headers(END_HEADERS, 7);
    assert_client(GUARD_FINE);
    put_headers(END_HEADERS | END_STREAM, 1);
    put_headers(END_HEADERS | END_STREAM, 3);
    put_word_frame(&bytes, RST_STREAM, 3, H2_NO_ERROR);
    put_word_frame(&bytes, RST_STREAM, 5, H2_INTERNAL_ERROR);
    assert_int_equal(feed_server(), GUARD_FINE);
    assert_int_equal(frames.streams.count, 2);
    put_headers(END_HEADERS | END_STREAM, 1); /* trailers */
    put_word_frame(&bytes, RST_STREAM, 7, 8);
    assert_client(GUARD_FINE);
    assert_int_equal(frames.streams.count, 0);
    /* What was on its way meanwhile is let pass. */
    put_frame(&bytes, DATA, 0, 5, "\0\0\0\0\0", 5);
    put_word_frame(&bytes, RST_STREAM, 5, 8);
    put_word_frame(&bytes, WINDOW_UPDATE, 5, 100);
    assert_client(GUARD_FINE);
}

static void test_owed(void **state)
{
    (void)state;
    open_connection();
    put_headers(END_HEADERS, 1);
    assert_client(GUARD_FINE);
    now_ms += 5000;
    put_headers(END_HEADERS, 3);
    put_headers(END_HEADERS | END_STREAM, 5);
    assert_client(GUARD_FINE);
    assert_int_equal(guard_frames_owed_ms(&frames, now_ms + 1000), 6000);
    put_frame(&bytes, DATA, END_STREAM, 1, NULL, 0);
    assert_client(GUARD_FINE);
    assert_int_equal(guard_frames_owed_ms(&frames, now_ms + 1000), 1000);
    put_frame(&bytes, DATA, END_STREAM, 3, NULL, 0);
    assert_client(GUARD_FINE);
    assert_int_equal(guard_frames_owed_ms(&frames, now_ms + 1000), 0);
}

/* --- budgets --- */

/* Honest: ten thousand calls at once, one after another. */
static void test_answered_calls_cost_nothing(void **state)
{
    (void)state;
    open_connection();
    for (uint32_t i = 0; i < 2000; i++)
        call(2 * i + 1);
    assert_int_equal(frames.streams.count, 0);
}

/* How many of something pass at once, and how many more a second later. */
static void check_budget(enum guard_rule rule, unsigned burst, unsigned per_second,
                         void (*put)(uint32_t i))
{
    uint32_t i = 0;
    unsigned passed = 0;
    for (enum guard_rule got = GUARD_FINE; got == GUARD_FINE; passed++) {
        put(i++);
        got = feed_client();
        assert_true(got == GUARD_FINE || got == rule);
    }
    assert_int_equal(passed - 1, burst);
    frames.client.got = 0; /* as if the last had not been said */
    now_ms += 1000;
    for (unsigned n = 0; n < per_second; n++) {
        put(i++);
        assert_client(GUARD_FINE);
    }
    put(i++);
    assert_client(rule);
}

static void put_reset_call(uint32_t i)
{
    put_headers(END_HEADERS, 2 * i + 1);
    put_frame(&bytes, DATA, 0, 2 * i + 1, "\0\0\0\0\0", 5);
    put_word_frame(&bytes, RST_STREAM, 2 * i + 1, 8);
}

static void test_rapid_reset(void **state)
{
    (void)state;
    uint32_t i = 0;
    open_connection();
    for (; i < 100; i++) {
        put_reset_call(i);
        assert_client(GUARD_FINE);
    }
    put_reset_call(i++);
    assert_client(GUARD_RESETS);
    frames.client.got = 0; /* as if that had not been said */
    /* In the long run one a second, as nothing is answered. */
    now_ms += 2000;
    put_reset_call(i++);
    put_reset_call(i++);
    assert_client(GUARD_FINE);
    put_reset_call(i++);
    assert_client(GUARD_RESET_SHARE);
}

/* Half of the streams reset, at the rate of resets that is allowed. */
static void test_resets_among_answered_calls(void **state)
{
    (void)state;
    open_connection();
    for (uint32_t i = 0; i < 500; i++) {
        call(4 * i + 1);
        put_reset_call(2 * i + 1);
        assert_client(GUARD_FINE);
        now_ms += 100;
    }
}

static void test_too_many_resets_among_answered_calls(void **state)
{
    (void)state;
    open_connection();
    uint32_t i = 0;
    for (enum guard_rule rule = GUARD_FINE; rule != GUARD_RESETS; i++) {
        assert_int_equal(rule, GUARD_FINE);
        call(4 * i + 1);
        put_reset_call(2 * i + 1);
        rule = feed_client();
    }
    assert_int_equal(i, 101);
}

/* MadeYouReset: the server is led to reset. */
static void test_resets_of_the_server(void **state)
{
    (void)state;
    open_connection();
    for (uint32_t i = 0; i < 100; i++) {
        put_headers(END_HEADERS, 2 * i + 1);
        assert_client(GUARD_FINE);
        put_word_frame(&bytes, RST_STREAM, 2 * i + 1, H2_PROTOCOL_ERROR);
        assert_int_equal(feed_server(), GUARD_FINE);
    }
    put_headers(END_HEADERS, 201);
    assert_client(GUARD_FINE);
    put_word_frame(&bytes, RST_STREAM, 201, H2_PROTOCOL_ERROR);
    assert_int_equal(feed_server(), GUARD_RESETS);
}

/* Unanswered streams that nobody resets are stopped by their count; with trailers on closed ones
 * there are as many header blocks as anyone likes. */
static void put_late_headers(uint32_t i)
{
    (void)i;
    put_headers(END_HEADERS | END_STREAM, 1);
}

static void test_headers(void **state)
{
    (void)state;
    open_connection();
    call(1);
    check_budget(GUARD_HEADERS, 400, 200, put_late_headers);
}

static void put_ping(uint32_t i)
{
    put_frame(&bytes, PING, i % 2 == 0 ? 0 : ACK, 0, "12345678", 8); /* and unasked answers */
}

static void test_pings(void **state)
{
    (void)state;
    open_connection();
    check_budget(GUARD_PINGS, 10, 1, put_ping);
}

static void test_pings_beside_answers(void **state)
{
    (void)state;
    open_connection();
    for (uint32_t i = 0; i < 100; i++) {
        call(2 * i + 1);
        put_frame(&bytes, PING, 0, 0, "12345678", 8);
        assert_client(GUARD_FINE);
        put_frame(&bytes, PING, 0, 0, "87654321", 8);
        assert_int_equal(feed_server(), GUARD_FINE);
        put_frame(&bytes, PING, ACK, 0, "87654321", 8);
        assert_client(GUARD_FINE);
    }
}

static void put_settings(uint32_t i)
{
    put_frame(&bytes, SETTINGS, i % 2 == 0 ? 0 : ACK, 0, NULL, 0);
}

static void test_settings(void **state)
{
    (void)state;
    open_connection();
    now_ms += 10000;
    check_budget(GUARD_SETTINGS, 10, 1, put_settings);
}

static void put_small_data(uint32_t i)
{
    if (i % 3 == 2)
        put_frame(&bytes, DATA, PADDED, 1, "\2\0\0", 3);
    else
        put_frame(&bytes, DATA, 0, 1, "a", i % 3);
}

static void test_small_data(void **state)
{
    (void)state;
    open_connection();
    put_headers(END_HEADERS, 1);
    assert_client(GUARD_FINE);
    check_budget(GUARD_SMALL_DATA, 100, 10, put_small_data);
}

static void put_window_update(uint32_t i)
{
    put_word_frame(&bytes, WINDOW_UPDATE, i % 2, 1);
}

static void test_window_updates(void **state)
{
    (void)state;
    open_connection();
    put_headers(END_HEADERS, 1);
    assert_client(GUARD_FINE);
    check_budget(GUARD_WINDOW_UPDATES, 400, 50, put_window_update);
}

static void put_priority(uint32_t i)
{
    put_frame(&bytes, PRIORITY, 0, 2 * i + 1, "\0\0\0\0\x10", 5);
}

static void test_priorities(void **state)
{
    (void)state;
    open_connection();
    check_budget(GUARD_PRIORITIES, 100, 10, put_priority);
}

static void put_late_data(uint32_t i)
{
    (void)i;
    put_frame(&bytes, DATA, 0, 1, "\0\0\0\0\0", 5);
}

static void test_late_frames(void **state)
{
    (void)state;
    open_connection();
    call(1);
    check_budget(GUARD_LATE_FRAMES, 200, 20, put_late_data);
}

static void put_unknown(uint32_t i)
{
    put_frame(&bytes, i % 2 == 0 ? GOAWAY : 0x55, 0, 0, "\0\0\0\0\0\0\0\0", 8);
}

static void test_other_frames(void **state)
{
    (void)state;
    open_connection();
    check_budget(GUARD_OTHER_FRAMES, 100, 10, put_unknown);
}

/* --- the end --- */

static void test_goaway(void **state)
{
    char out[GUARD_GOAWAY_BYTES];
    static const char expected[] = "\0\0\x0d\7\0\0\0\0\0\0\0\0\5\0\0\0\x0bpings";
    (void)state;
    open_connection();
    put_headers(END_HEADERS, 5);
    assert_client(GUARD_FINE);
    assert_int_equal(guard_frames_goaway(&frames, GUARD_PINGS, out), sizeof expected - 1);
    assert_memory_equal(out, expected, sizeof expected - 1);
    for (enum guard_rule rule = GUARD_FINE + 1; rule < GUARD_RULES; rule++)
        assert_true(guard_frames_goaway(&frames, rule, out) > 17);
    /* Not into the middle of a frame. */
    put_frame(&bytes, DATA, 0, 5, "abc", 3);
    bytes.len--;
    assert_int_equal(feed_server(), GUARD_FINE);
    assert_int_equal(guard_frames_goaway(&frames, GUARD_PINGS, out), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_opening),
        TEST(test_preface),
        TEST(test_settings_first),
        TEST(test_bad_frames),
        TEST(test_a_block_is_not_interrupted),
        TEST(test_closed_streams),
        TEST(test_padding_and_priority_are_no_header_block),
        TEST(test_block_over_continuations),
        TEST(test_block_ends_inside_a_field),
        TEST(test_continuation_flood),
        TEST(test_block_bytes),
        TEST(test_header_syntax),
        TEST(test_field_count),
        TEST(test_open_streams),
        TEST(test_bodies),
        TEST(test_bodies_of_grpc_are_the_cores),
        TEST(test_how_streams_end),
        TEST(test_owed),
        TEST(test_answered_calls_cost_nothing),
        TEST(test_rapid_reset),
        TEST(test_resets_among_answered_calls),
        TEST(test_too_many_resets_among_answered_calls),
        TEST(test_resets_of_the_server),
        TEST(test_headers),
        TEST(test_pings),
        TEST(test_pings_beside_answers),
        TEST(test_settings),
        TEST(test_small_data),
        TEST(test_window_updates),
        TEST(test_priorities),
        TEST(test_late_frames),
        TEST(test_other_frames),
        TEST(test_goaway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
