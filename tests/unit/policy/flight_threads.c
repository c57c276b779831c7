/* Flights between real threads: each worker a thread with a queue; identical questions from all of
 * them, leaders and joiners that leave at random, streams, failures. For tsan and asan as well. */
#include "shared/policy/cache.h"
#include "shared/policy/flight.h"

#include "shared/base/splitmix.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { WORKERS = 4, ROUNDS = 20000, SEATS = 16, KEYS = 4, PIECES = 5 };

struct runner;

/* A request: joins, reads, leaves, and starts anew. Its worker's thread only. */
struct seat {
    struct flight_waiter waiter;
    struct runner *runner;
    struct pieces_cursor cursor;
    unsigned key, heard;
    bool streams;
};

/* An upstream call: says one thing a turn of its worker, then lands. */
struct call {
    struct flight_pilot pilot;
    struct task task;
    struct runner *runner;
    struct flight *flight;
    unsigned key, said;
    bool streams, fails, cancelled;
};

struct runner {
    pthread_t thread;
    unsigned index;
    uint64_t random;
    unsigned left; /* seats still to be taken */
    unsigned taken;
    struct seat seats[SEATS];

    struct executor executor;
    struct task again;
    pthread_mutex_t lock;
    pthread_cond_t some;
    struct task *first, **end;
    bool stop;
};

static struct flights *flights;
static struct runner runners[WORKERS];
static atomic_uint wrong, landed, failed, calls;

static uint64_t draw(struct runner *runner)
{
    return splitmix_next(&runner->random);
}

static void post(struct executor *executor, struct task *task)
{
    struct runner *runner = container_of(executor, struct runner, executor);
    pthread_mutex_lock(&runner->lock);
    task->next = NULL;
    *runner->end = task;
    runner->end = &task->next;
    pthread_cond_signal(&runner->some);
    pthread_mutex_unlock(&runner->lock);
}

/* --- the call --- */

static void say_or_land(struct task *task)
{
    struct call *call = container_of(task, struct call, task);
    struct runner *runner = call->runner;
    char text[32];
    if (call->cancelled) {
        free(call);
        return;
    }
    if (call->streams && call->said < PIECES) {
        (void)snprintf(text, sizeof text, "%u:%u", call->key, call->said++);
        if (flight_append(call->flight, span_of(text), &runner->executor) != FLIGHT_GOES_ON)
            atomic_fetch_add(&wrong, 1);
        executor_post(&runner->executor, &call->task);
        return;
    }
    struct flight_end end = {.code = 5};
    (void)snprintf(text, sizeof text, "%u", call->key);
    if (!call->fails && call->streams)
        end.entry = cache_entry_new_stream(flight_pieces(call->flight), span_of(text), SPAN_EMPTY);
    else if (!call->fails)
        end.entry = cache_entry_new(span_of(text), SPAN_EMPTY);
    flight_land(call->flight, &end, draw(runner) % 2 == 0 ? &runner->executor : NULL);
    free(call);
}

static void on_cancel(struct flight_pilot *pilot, bool blamed)
{
    (void)blamed;
    container_of(pilot, struct call, pilot)->cancelled = true; /* its task sees to the rest */
}

static void on_resume(struct flight_pilot *pilot)
{
    (void)pilot;
    atomic_fetch_add(&wrong, 1); /* nothing here is ever that far ahead */
}

static void start_call(struct runner *runner, struct seat *seat)
{
    struct call *call = calloc(1, sizeof *call);
    *call = (struct call){.pilot = {on_cancel, on_resume},
                          .task.run = say_or_land,
                          .runner = runner,
                          .flight = seat->waiter.flight,
                          .key = seat->key,
                          .streams = seat->streams,
                          .fails = draw(runner) % 5 == 0};
    atomic_fetch_add(&calls, 1);
    flight_fly(call->flight, &call->pilot);
    executor_post(&runner->executor, &call->task);
}

/* --- the seats --- */

static void read_pieces(struct seat *seat)
{
    struct span text;
    if (seat->cursor.block == NULL)
        pieces_start(flight_pieces(seat->waiter.flight), &seat->cursor);
    while (pieces_next(&seat->cursor, &text)) {
        char expected[32];
        (void)snprintf(expected, sizeof expected, "%u:%u", seat->key, seat->heard++);
        if (!span_is(text, expected))
            atomic_fetch_add(&wrong, 1);
    }
    flight_read(seat->waiter.flight, seat->cursor.bytes);
}

static void on_wake(struct flight_waiter *waiter)
{
    struct seat *seat = container_of(waiter, struct seat, waiter);
    const struct flight_end *end = flight_ended(waiter->flight);
    if (seat->streams)
        read_pieces(seat);
    if (end == NULL)
        return;
    char expected[32];
    (void)snprintf(expected, sizeof expected, "%u", seat->key);
    if (end->entry == NULL) {
        atomic_fetch_add(&failed, 1);
        if (end->code != 5)
            atomic_fetch_add(&wrong, 1);
    } else {
        atomic_fetch_add(&landed, 1);
        if (!span_is(seat->streams ? end->entry->whole : end->entry->json, expected) ||
            (seat->streams && seat->heard != PIECES))
            atomic_fetch_add(&wrong, 1);
    }
    (void)flight_leave(waiter, false);
}

static void take_seat(struct runner *runner, struct seat *seat)
{
    unsigned n = (unsigned)(draw(runner) % KEYS);
    struct cache_key key = {{0}};
    const struct flight_home home = {runner->index, &runner->executor};
    key.bytes[0] = (uint8_t)n;
    *seat =
        (struct seat){.waiter.wake = on_wake, .runner = runner, .key = n, .streams = n % 2 == 0};
    switch (flight_join(flights, &key, &home, seat->streams, &seat->waiter)) {
    case FLIGHT_LEADS:
        start_call(runner, seat);
        break;
    case FLIGHT_JOINED:
        break;
    case FLIGHT_NONE:
        atomic_fetch_add(&wrong, 1);
        break;
    }
    runner->taken++;
    runner->left--;
}

/* One turn: a seat taken, or one left early; and what a request does after it joined, look. */
static void turn(struct task *task)
{
    struct runner *runner = container_of(task, struct runner, again);
    struct seat *seat = &runner->seats[draw(runner) % SEATS];
    bool busy = false;
    if (seat->waiter.flight == NULL && runner->left > 0)
        take_seat(runner, seat);
    else if (seat->waiter.flight != NULL && draw(runner) % 4 == 0)
        (void)flight_leave(&seat->waiter, false);
    if (seat->waiter.flight != NULL)
        on_wake(&seat->waiter);
    for (size_t i = 0; i < SEATS; i++)
        busy |= runner->seats[i].waiter.flight != NULL;
    if (busy || runner->left > 0)
        executor_post(&runner->executor, &runner->again);
}

static void *run(void *argument)
{
    struct runner *runner = argument;
    pthread_mutex_lock(&runner->lock);
    for (;;) {
        while (runner->first == NULL && !runner->stop)
            pthread_cond_wait(&runner->some, &runner->lock);
        struct task *task = runner->first;
        if (task == NULL)
            break;
        runner->first = task->next;
        if (runner->first == NULL)
            runner->end = &runner->first;
        pthread_mutex_unlock(&runner->lock);
        task->run(task);
        pthread_mutex_lock(&runner->lock);
    }
    pthread_mutex_unlock(&runner->lock);
    return NULL;
}

static void all_who_wait_hear_the_end_of_their_own_flight(void **state)
{
    (void)state;
    const struct flight_settings settings = {.most = 1000, .workers = WORKERS, .seed = {{7, 8}}};
    struct flights_stats stats;
    flights = flights_new(&settings);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct runner *runner = &runners[i];
        *runner = (struct runner){.index = i,
                                  .random = i,
                                  .left = ROUNDS,
                                  .executor.post = post,
                                  .again.run = turn,
                                  .lock = PTHREAD_MUTEX_INITIALIZER,
                                  .some = PTHREAD_COND_INITIALIZER};
        runner->end = &runner->first;
        executor_post(&runner->executor, &runner->again);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&runners[i].thread, NULL, run, &runners[i]), 0);
    /* A flight that is alive may post: threads end when none is left, and no seat to take. */
    for (bool quiet = false; !quiet; sched_yield()) {
        flights_stats(flights, &stats);
        quiet = stats.led + stats.joined == (uint64_t)WORKERS * ROUNDS && stats.waiters == 0 &&
                stats.flights == 0;
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_mutex_lock(&runners[i].lock);
        runners[i].stop = true;
        pthread_cond_signal(&runners[i].some);
        pthread_mutex_unlock(&runners[i].lock);
        assert_int_equal(pthread_join(runners[i].thread, NULL), 0);
    }
    flights_stats(flights, &stats);
    printf("%u calls for %u requests: %u answers, %u failures, %llu cancelled\n",
           atomic_load(&calls), WORKERS * ROUNDS, atomic_load(&landed), atomic_load(&failed),
           (unsigned long long)stats.cancelled);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_int_equal(stats.led, atomic_load(&calls));
    assert_true(atomic_load(&landed) > 0 && atomic_load(&failed) > 0 && stats.cancelled > 0);
    assert_true(stats.joined > 0);
    flights = flights_free(flights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_who_wait_hear_the_end_of_their_own_flight)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
