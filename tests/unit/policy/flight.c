/* Flights of one answer: who waits for it, who leaves, and how it is told. */
#include "tests/unit/policy/flight_kit.h"

static void one_call_serves_all_who_ask_the_same(void **state)
{
    (void)state;
    struct passenger a = {.woken = 0}, b = a, c = a, d = a;
    lead(1, 0, false, &a);
    assert_int_equal(join(1, 0, false, &b), FLIGHT_JOINED);
    assert_int_equal(join(1, 1, false, &c), FLIGHT_JOINED);
    assert_int_equal(join(2, 1, false, &d), FLIGHT_LEADS);
    struct flight *other = d.waiter.flight;
    land("{}", &workers[0].tasks.executor);
    assert_true(a.over && b.over); /* this worker's at once */
    assert_false(c.over);          /* the others' on their own thread */
    task_queue_run(&workers[1].tasks);
    assert_true(c.over);
    assert_string_equal(c.answer, "{}");
    assert_false(d.over);
    struct flight_end end = {.code = 3};
    flight_land(other, &end, &workers[1].tasks.executor);
    assert_true(d.over);
    assert_int_equal(pilot.cancels, 0);
}

static void many_on_one_worker_cost_it_one_task(void **state)
{
    (void)state;
    struct passenger a = {.woken = 0}, many[100] = {{.woken = 0}};
    lead(1, 0, false, &a);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(join(1, 2, false, &many[i]), FLIGHT_JOINED);
    land("{}", &workers[0].tasks.executor);
    assert_int_equal(workers[2].tasks.posts, 1);
    assert_int_equal(workers[1].tasks.posts, 0);
    run_all();
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(many[i].woken, 1);
}

static void the_leader_leaves_and_the_rest_get_their_answer(void **state)
{
    (void)state;
    struct passenger a = {.woken = 0}, b = a;
    lead(1, 0, false, &a);
    assert_int_equal(join(1, 1, false, &b), FLIGHT_JOINED);
    (void)flight_leave(&a.waiter, false);
    run_all();
    assert_int_equal(pilot.cancels, 0);
    land("{}", &workers[0].tasks.executor);
    run_all();
    assert_false(a.over);
    assert_true(b.over);
}

static void the_last_to_leave_cancels_on_the_home_worker(void **state)
{
    (void)state;
    struct passenger a = {.woken = 0}, b = a, c = a;
    lead(1, 0, false, &a);
    assert_int_equal(join(1, 1, false, &b), FLIGHT_JOINED);
    (void)flight_leave(&a.waiter, false);
    (void)flight_leave(&b.waiter, false);
    assert_int_equal(pilot.cancels, 0); /* never inside the call */
    struct pilot first = pilot;
    /* Who asks now must not be given a call that is about to be cancelled. */
    lead(1, 1, false, &c);
    pilot.flight = c.waiter.flight;
    struct pilot second = pilot;
    assert_ptr_not_equal(first.flight, second.flight);
    (void)flight_leave(&c.waiter, false);
    run_all();
    assert_int_equal(pilot.cancels, 2);
    (void)flight_leave(&a.waiter, false); /* harmless */
}

static void the_last_to_leave_says_whether_the_call_is_to_blame(void **state)
{
    (void)state;
    for (unsigned last = 0; last < 2; last++) {
        struct passenger a = {.woken = 0}, b = a;
        lead(1, 0, false, &a);
        assert_int_equal(join(1, 1, false, &b), FLIGHT_JOINED);
        assert_false(flight_leave(&a.waiter, last == 0));
        assert_true(flight_leave(&b.waiter, last == 1));
        run_all();
        assert_int_equal(pilot.cancels, 1);
        assert_int_equal(pilot.blames, last);
    }
}

static void an_answer_that_comes_before_the_cancellation_counts(void **state)
{
    (void)state;
    struct passenger a = {.woken = 0};
    lead(1, 0, false, &a);
    (void)flight_leave(&a.waiter, false);
    land("{}", &workers[0].tasks.executor);
    run_all();
    assert_int_equal(pilot.cancels, 0);
}

static void a_failure_is_told_to_all_and_then_forgotten(void **state)
{
    (void)state;
    struct passenger a = {.woken = 0}, b = a, c = a;
    lead(1, 0, false, &a);
    assert_int_equal(join(1, 1, false, &b), FLIGHT_JOINED);
    struct flight_end end = {.code = 42, .retry_after_ms = 1500};
    flight_land(pilot.flight, &end, NULL);
    assert_false(a.over);  /* by tasks only */
    lead(1, 2, false, &c); /* not even before they have run is the failure anybody else's */
    task_queue_run(&workers[0].tasks);
    task_queue_run(&workers[1].tasks);
    assert_int_equal(a.end.code, 42);
    assert_int_equal(b.end.code, 42);
    assert_int_equal(b.end.retry_after_ms, 1500);
    assert_null(b.end.entry);
    assert_false(c.over);
    land("{}", &workers[2].tasks.executor);
    assert_true(c.over);
}

static void waiters_may_take_others_along_in_their_wake(void **state)
{
    (void)state;
    struct passenger a = {.woken = 0}, b = a, c = a;
    a.takes_along = &b;
    lead(1, 0, false, &a);
    assert_int_equal(join(1, 0, false, &b), FLIGHT_JOINED);
    assert_int_equal(join(1, 0, false, &c), FLIGHT_JOINED);
    land("{}", &workers[0].tasks.executor);
    assert_true(a.over && !b.over && c.over);
    assert_int_equal(b.woken, 0);
    assert_int_equal(c.woken, 1);
}

static void to_lead_is_not_to_join(void **state)
{
    (void)state;
    struct cache_key key = key_of(1);
    struct passenger a = {.woken = 0}, b = {.waiter.wake = on_wake};
    lead(1, 0, false, &a);
    assert_int_equal(flight_lead(flights, &key, &workers[1].home, false, &b.waiter), FLIGHT_NONE);
    assert_null(b.waiter.flight);
    land("{}", &workers[0].tasks.executor);
    assert_int_equal(flight_lead(flights, &key, &workers[1].home, false, &b.waiter), FLIGHT_LEADS);
    struct flight_end end = {.code = 1};
    flight_land(b.waiter.flight, &end, &workers[1].tasks.executor);
}

static void flights_are_bounded(void **state)
{
    (void)state;
    struct passenger crowd[MOST + 2] = {{.woken = 0}};
    struct flight *led[MOST];
    struct flights_stats stats;
    for (unsigned i = 0; i < MOST; i++) {
        assert_int_equal(join(i, 0, false, &crowd[i]), FLIGHT_LEADS);
        led[i] = crowd[i].waiter.flight;
    }
    assert_int_equal(join(MOST, 0, false, &crowd[MOST]), FLIGHT_NONE);
    assert_int_equal(join(0, 0, false, &crowd[MOST + 1]), FLIGHT_JOINED); /* no new one */
    flights_stats(flights, &stats);
    assert_int_equal(stats.flights, MOST);
    assert_int_equal(stats.waiters, MOST + 1);
    assert_int_equal(stats.refused, 1);
    struct flight_end end = {.code = 1};
    for (unsigned i = 0; i < MOST; i++)
        flight_land(led[i], &end, &workers[0].tasks.executor);
    flights_stats(flights, &stats);
    assert_int_equal(stats.failed, MOST);
    assert_int_equal(stats.flights, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLIGHT_TEST(one_call_serves_all_who_ask_the_same),
        FLIGHT_TEST(many_on_one_worker_cost_it_one_task),
        FLIGHT_TEST(the_leader_leaves_and_the_rest_get_their_answer),
        FLIGHT_TEST(the_last_to_leave_cancels_on_the_home_worker),
        FLIGHT_TEST(the_last_to_leave_says_whether_the_call_is_to_blame),
        FLIGHT_TEST(an_answer_that_comes_before_the_cancellation_counts),
        FLIGHT_TEST(a_failure_is_told_to_all_and_then_forgotten),
        FLIGHT_TEST(waiters_may_take_others_along_in_their_wake),
        FLIGHT_TEST(to_lead_is_not_to_join),
        FLIGHT_TEST(flights_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
