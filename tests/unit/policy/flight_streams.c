/* Flights of streams: late joiners, slow readers, and a call that waits for them. */
#include "tests/unit/policy/flight_kit.h"

static void late_joiners_get_the_prefix_and_then_follow(void **state)
{
    (void)state;
    struct passenger a = {.woken = 0}, b = a, c = a;
    lead(1, 0, true, &a);
    say("Once ");
    assert_string_equal(a.heard, "Once |");
    say("upon ");
    assert_int_equal(join(1, 1, true, &b), FLIGHT_JOINED);
    read_now(&b);
    assert_string_equal(b.heard, "Once |upon |");
    say("a");
    run_all();
    assert_string_equal(a.heard, "Once |upon |a|");
    assert_string_equal(b.heard, "Once |upon |a|");
    assert_int_equal(join(1, 2, true, &c), FLIGHT_JOINED);
    struct flight_end end = {.entry = cache_entry_new_stream(flight_pieces(pilot.flight),
                                                             span_of("Once upon a"), SPAN_EMPTY)};
    flight_land(pilot.flight, &end, &workers[0].tasks.executor);
    run_all();
    assert_string_equal(c.heard, "Once |upon |a|");
    assert_true(a.over && b.over && c.over);
}

static void a_slow_reader_holds_nobody(void **state)
{
    (void)state;
    struct passenger fast = {.woken = 0}, slow = {.slow = true};
    static char large[FLIGHT_AHEAD_BYTES / 2];
    memset(large, 'x', sizeof large);
    lead(1, 0, true, &fast);
    assert_int_equal(join(1, 1, true, &slow), FLIGHT_JOINED);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(
            flight_append(pilot.flight, span_make(large, sizeof large), &workers[0].tasks.executor),
            FLIGHT_GOES_ON);
    assert_string_equal(fast.heard, "||||||||||");
    run_all();
    assert_string_equal(slow.heard, "");
    read_now(&slow);
    assert_string_equal(slow.heard, "||||||||||");
    struct flight_end end = {.code = 1};
    flight_land(pilot.flight, &end, &workers[0].tasks.executor);
    run_all();
    assert_true(fast.over && slow.over);
}

static void the_call_pauses_when_nobody_keeps_up(void **state)
{
    (void)state;
    struct passenger a = {.slow = true}, b = {.slow = true};
    static char large[FLIGHT_AHEAD_BYTES / 2];
    struct span text = span_make(large, sizeof large);
    memset(large, 'x', sizeof large);
    lead(1, 0, true, &a);
    assert_int_equal(join(1, 1, true, &b), FLIGHT_JOINED);
    assert_int_equal(flight_append(pilot.flight, text, &workers[0].tasks.executor), FLIGHT_GOES_ON);
    assert_int_equal(flight_append(pilot.flight, text, &workers[0].tasks.executor), FLIGHT_PAUSE);
    run_all();
    assert_int_equal(pilot.resumes, 0);
    read_now(&b); /* one that reads is enough */
    assert_int_equal(pilot.resumes, 0);
    run_all();
    assert_int_equal(pilot.resumes, 1);
    read_now(&a); /* behind: nothing new to the call */
    run_all();
    assert_int_equal(pilot.resumes, 1);
    (void)flight_leave(&a.waiter, false);
    (void)flight_leave(&b.waiter, false);
    run_all();
    assert_int_equal(pilot.cancels, 1);
}

static void a_stream_without_an_end_is_ended(void **state)
{
    (void)state;
    struct passenger a = {.woken = 0};
    static char large[1 << 20];
    unsigned n = 0;
    a.slow = true;
    lead(1, 0, true, &a);
    while (flight_append(pilot.flight, span_make(large, sizeof large), NULL) != FLIGHT_TOO_LONG)
        assert_in_range(++n, 1, 16);
    struct flight_end end = {.code = 9};
    flight_land(pilot.flight, &end, NULL);
    run_all();
    assert_int_equal(a.end.code, 9);
}

static void one_leaves_in_the_middle_of_a_piece(void **state)
{
    (void)state;
    struct passenger a = {.leaves_when_woken = true}, b = {.woken = 0};
    lead(1, 0, true, &a);
    assert_int_equal(join(1, 0, true, &b), FLIGHT_JOINED);
    say("Once ");
    say("upon ");
    assert_string_equal(a.heard, "Once |");
    assert_string_equal(b.heard, "Once |upon |");
    (void)flight_leave(&b.waiter, false);
    run_all();
    assert_int_equal(pilot.cancels, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLIGHT_TEST(late_joiners_get_the_prefix_and_then_follow),
        FLIGHT_TEST(a_slow_reader_holds_nobody),
        FLIGHT_TEST(the_call_pauses_when_nobody_keeps_up),
        FLIGHT_TEST(a_stream_without_an_end_is_ended),
        FLIGHT_TEST(one_leaves_in_the_middle_of_a_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
