/* The guard's frame parser: what a connection may begin with, frames and header blocks that break
 * the wire, and the end. */
#include "tests/unit/server/guard_frames_kit.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRAMES_TEST(test_opening),
        FRAMES_TEST(test_preface),
        FRAMES_TEST(test_settings_first),
        FRAMES_TEST(test_bad_frames),
        FRAMES_TEST(test_a_block_is_not_interrupted),
        FRAMES_TEST(test_closed_streams),
        FRAMES_TEST(test_padding_and_priority_are_no_header_block),
        FRAMES_TEST(test_block_over_continuations),
        FRAMES_TEST(test_block_ends_inside_a_field),
        FRAMES_TEST(test_continuation_flood),
        FRAMES_TEST(test_block_bytes),
        FRAMES_TEST(test_header_syntax),
        FRAMES_TEST(test_field_count),
        FRAMES_TEST(test_goaway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
