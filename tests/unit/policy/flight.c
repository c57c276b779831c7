/* Flights, step by step: three workers whose tasks run when the test says so. */
#include "shared/policy/flight.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* --- workers: a queue of tasks each --- */

enum { WORKERS = 3, MOST = 4 };

struct fake_worker {
    struct executor executor;
    struct flight_home home;
    struct task *first;
    struct task **end;
    unsigned posts;
};

static struct fake_worker workers[WORKERS];
static struct flights *flights;

static void fake_post(struct executor *executor, struct task *task)
{
    struct fake_worker *worker = container_of(executor, struct fake_worker, executor);
    task->next = NULL;
    *worker->end = task;
    worker->end = &task->next;
    worker->posts++;
}

static void run_tasks(struct fake_worker *worker)
{
    while (worker->first != NULL) {
        struct task *task = worker->first;
        worker->first = task->next;
        if (worker->first == NULL)
            worker->end = &worker->first;
        task->run(task);
    }
}

static void run_all(void)
{
    for (size_t i = 0; i < WORKERS; i++)
        run_tasks(&workers[i]);
}

/* --- those who wait --- */

struct passenger {
    struct flight_waiter waiter;
    struct pieces_cursor cursor;
    unsigned woken;
    char heard[256];
    bool leaves_when_woken;
    bool slow; /* does not read */
    struct passenger *takes_along;
    bool over;
    struct flight_end end;
    char answer[64];
};

static void on_wake(struct flight_waiter *waiter)
{
    struct passenger *passenger = container_of(waiter, struct passenger, waiter);
    const struct flight_end *end = flight_ended(waiter->flight);
    struct span text;
    passenger->woken++;
    if (flight_pieces(waiter->flight) != NULL && !passenger->slow) {
        if (passenger->cursor.block == NULL)
            pieces_start(flight_pieces(waiter->flight), &passenger->cursor);
        while (pieces_next(&passenger->cursor, &text)) {
            if (text.len < 32)
                strcat(passenger->heard, text.at);
            strcat(passenger->heard, "|");
        }
        flight_read(waiter->flight, passenger->cursor.bytes);
    }
    if (end != NULL) {
        passenger->over = true;
        passenger->end = *end;
        if (end->entry != NULL && end->entry->json.len > 0)
            memcpy(passenger->answer, end->entry->json.at, end->entry->json.len);
    }
    if (passenger->takes_along != NULL)
        (void)flight_leave(&passenger->takes_along->waiter, false);
    if (end != NULL || passenger->leaves_when_woken)
        (void)flight_leave(waiter, false);
}

static void read_now(struct passenger *passenger)
{
    passenger->slow = false;
    on_wake(&passenger->waiter);
}

/* --- the one who flies --- */

struct pilot {
    struct flight_pilot pilot;
    struct flight *flight;
    unsigned cancels, blames, resumes;
};

static void on_cancel(struct flight_pilot *pilot, bool blamed)
{
    container_of(pilot, struct pilot, pilot)->cancels++;
    container_of(pilot, struct pilot, pilot)->blames += blamed;
}

static void on_resume(struct flight_pilot *pilot)
{
    container_of(pilot, struct pilot, pilot)->resumes++;
}

static struct pilot pilot;

static struct cache_key key_of(unsigned n)
{
    struct cache_key key = {{0}};
    memcpy(key.bytes, &n, sizeof n);
    return key;
}

static enum flight_place join(unsigned n, unsigned worker, bool streams,
                              struct passenger *passenger)
{
    struct cache_key key = key_of(n);
    *passenger = (struct passenger){.waiter.wake = on_wake,
                                    .leaves_when_woken = passenger->leaves_when_woken,
                                    .slow = passenger->slow,
                                    .takes_along = passenger->takes_along};
    return flight_join(flights, &key, &workers[worker].home, streams, &passenger->waiter);
}

static void lead(unsigned n, unsigned worker, bool streams, struct passenger *passenger)
{
    assert_int_equal(join(n, worker, streams, passenger), FLIGHT_LEADS);
    pilot = (struct pilot){.pilot = {on_cancel, on_resume}, .flight = passenger->waiter.flight};
    flight_fly(pilot.flight, &pilot.pilot);
}

static void land(const char *json, const struct executor *here)
{
    struct flight_end end = {.entry = cache_entry_new(span_of(json), SPAN_EMPTY)};
    flight_land(pilot.flight, &end, here);
}

static void say(const char *text)
{
    assert_int_equal(flight_append(pilot.flight, span_of(text), &workers[0].executor),
                     FLIGHT_GOES_ON);
}

static int set_up(void **state)
{
    (void)state;
    const struct flight_settings settings = {.most = MOST, .workers = WORKERS, .seed = {{5, 6}}};
    flights = flights_new(&settings);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] =
            (struct fake_worker){.executor.post = fake_post, .home = {i, &workers[i].executor}};
        workers[i].end = &workers[i].first;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    struct flights_stats stats;
    run_all();
    flights_stats(flights, &stats);
    assert_int_equal(stats.flights, 0);
    assert_int_equal(stats.waiters, 0);
    flights = flights_free(flights);
    return 0;
}

/* --- unary --- */

static void one_call_serves_all_who_ask_the_same(void **state)
{
    (void)state;
    struct passenger a = {.woken = 0}, b = a, c = a, d = a;
    lead(1, 0, false, &a);
    assert_int_equal(join(1, 0, false, &b), FLIGHT_JOINED);
    assert_int_equal(join(1, 1, false, &c), FLIGHT_JOINED);
    assert_int_equal(join(2, 1, false, &d), FLIGHT_LEADS);
    struct flight *other = d.waiter.flight;
    land("{}", &workers[0].executor);
    assert_true(a.over && b.over); /* this worker's at once */
    assert_false(c.over);          /* the others' on their own thread */
    run_tasks(&workers[1]);
    assert_true(c.over);
    assert_string_equal(c.answer, "{}");
    assert_false(d.over);
    struct flight_end end = {.code = 3};
    flight_land(other, &end, &workers[1].executor);
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
    land("{}", &workers[0].executor);
    assert_int_equal(workers[2].posts, 1);
    assert_int_equal(workers[1].posts, 0);
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
    land("{}", &workers[0].executor);
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
    land("{}", &workers[0].executor);
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
    run_tasks(&workers[0]);
    run_tasks(&workers[1]);
    assert_int_equal(a.end.code, 42);
    assert_int_equal(b.end.code, 42);
    assert_int_equal(b.end.retry_after_ms, 1500);
    assert_null(b.end.entry);
    assert_false(c.over);
    land("{}", &workers[2].executor);
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
    land("{}", &workers[0].executor);
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
    land("{}", &workers[0].executor);
    assert_int_equal(flight_lead(flights, &key, &workers[1].home, false, &b.waiter), FLIGHT_LEADS);
    struct flight_end end = {.code = 1};
    flight_land(b.waiter.flight, &end, &workers[1].executor);
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
        flight_land(led[i], &end, &workers[0].executor);
    flights_stats(flights, &stats);
    assert_int_equal(stats.failed, MOST);
    assert_int_equal(stats.flights, 0);
}

/* --- streams --- */

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
    flight_land(pilot.flight, &end, &workers[0].executor);
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
            flight_append(pilot.flight, span_make(large, sizeof large), &workers[0].executor),
            FLIGHT_GOES_ON);
    assert_string_equal(fast.heard, "||||||||||");
    run_all();
    assert_string_equal(slow.heard, "");
    read_now(&slow);
    assert_string_equal(slow.heard, "||||||||||");
    struct flight_end end = {.code = 1};
    flight_land(pilot.flight, &end, &workers[0].executor);
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
    assert_int_equal(flight_append(pilot.flight, text, &workers[0].executor), FLIGHT_GOES_ON);
    assert_int_equal(flight_append(pilot.flight, text, &workers[0].executor), FLIGHT_PAUSE);
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
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(one_call_serves_all_who_ask_the_same),
        CASE(many_on_one_worker_cost_it_one_task),
        CASE(the_leader_leaves_and_the_rest_get_their_answer),
        CASE(the_last_to_leave_cancels_on_the_home_worker),
        CASE(the_last_to_leave_says_whether_the_call_is_to_blame),
        CASE(an_answer_that_comes_before_the_cancellation_counts),
        CASE(a_failure_is_told_to_all_and_then_forgotten),
        CASE(waiters_may_take_others_along_in_their_wake),
        CASE(to_lead_is_not_to_join),
        CASE(flights_are_bounded),
        CASE(late_joiners_get_the_prefix_and_then_follow),
        CASE(a_slow_reader_holds_nobody),
        CASE(the_call_pauses_when_nobody_keeps_up),
        CASE(a_stream_without_an_end_is_ended),
        CASE(one_leaves_in_the_middle_of_a_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
