/* The guard's frame parser: how many streams, how much of their bodies, and how often each kind of
 * frame. */
#include "tests/unit/server/guard_frames_kit.h"

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
    assert_client(GUARD_FINE);
    for (unsigned i = 0; i < 5000; i++) { /* fed whole: byte by byte they would take a minute */
        put_frame(&bytes, DATA, 0, 1, body, sizeof body);
        assert_int_equal(guard_frames_client(&frames, buf_span(&bytes), now_ms), GUARD_FINE);
        buf_clear(&bytes);
    }
    put_frame(&bytes, DATA, 0, 1, body, sizeof body);
    assert_client(GUARD_FINE);
}

/* A stream is over when both sides have ended it, or either has reset it. */
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

/* Time in which the client was not read, in small pieces, is nobody's; all other is. */
static void test_excused(void **state)
{
    (void)state;
    open_connection();
    put_headers(END_HEADERS, 1);
    assert_client(GUARD_FINE);
    for (unsigned i = 0; i < 100; i++) {
        now_ms += 90;
        guard_frames_excuse(&frames, 90);
        now_ms += 10;
    }
    assert_int_equal(guard_frames_owed_ms(&frames, now_ms), 1000);
    put_headers(END_HEADERS, 3);
    put_frame(&bytes, DATA, END_STREAM, 1, NULL, 0);
    assert_client(GUARD_FINE);
    assert_int_equal(guard_frames_owed_ms(&frames, now_ms + 2000), 2000);
    assert_int_equal(frames.since_ms, TICK_NEVER);
    buf_put(&bytes, "\0\0\1", 3);
    assert_client(GUARD_FINE);
    guard_frames_excuse(&frames, 500);
    assert_int_equal(frames.since_ms, now_ms + 500);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRAMES_TEST(test_open_streams),
        FRAMES_TEST(test_bodies),
        FRAMES_TEST(test_bodies_of_grpc_are_the_cores),
        FRAMES_TEST(test_how_streams_end),
        FRAMES_TEST(test_owed),
        FRAMES_TEST(test_excused),
        FRAMES_TEST(test_answered_calls_cost_nothing),
        FRAMES_TEST(test_rapid_reset),
        FRAMES_TEST(test_resets_among_answered_calls),
        FRAMES_TEST(test_too_many_resets_among_answered_calls),
        FRAMES_TEST(test_resets_of_the_server),
        FRAMES_TEST(test_headers),
        FRAMES_TEST(test_pings),
        FRAMES_TEST(test_pings_beside_answers),
        FRAMES_TEST(test_settings),
        FRAMES_TEST(test_small_data),
        FRAMES_TEST(test_window_updates),
        FRAMES_TEST(test_priorities),
        FRAMES_TEST(test_late_frames),
        FRAMES_TEST(test_other_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
