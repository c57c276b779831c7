#include "tests/unit/policy/flight_kit.h"

struct fake_worker workers[WORKERS];
struct flights *flights;
struct pilot pilot;

void run_all(void)
{
    for (size_t i = 0; i < WORKERS; i++)
        task_queue_run(&workers[i].tasks);
}

void on_wake(struct flight_waiter *waiter)
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

void read_now(struct passenger *passenger)
{
    passenger->slow = false;
    on_wake(&passenger->waiter);
}

/* --- the one who flies --- */

static void on_cancel(struct flight_pilot *flying, bool blamed)
{
    struct pilot *own = container_of(flying, struct pilot, pilot);
    own->cancels++;
    own->blames += blamed;
}

static void on_resume(struct flight_pilot *flying)
{
    container_of(flying, struct pilot, pilot)->resumes++;
}

struct cache_key key_of(unsigned n)
{
    struct cache_key key = {{0}};
    memcpy(key.bytes, &n, sizeof n);
    return key;
}

enum flight_place join(unsigned n, unsigned worker, bool streams, struct passenger *passenger)
{
    struct cache_key key = key_of(n);
    *passenger = (struct passenger){.waiter.wake = on_wake,
                                    .leaves_when_woken = passenger->leaves_when_woken,
                                    .slow = passenger->slow,
                                    .takes_along = passenger->takes_along};
    return flight_join(flights, &key, &workers[worker].home, streams, &passenger->waiter);
}

void lead(unsigned n, unsigned worker, bool streams, struct passenger *passenger)
{
    assert_int_equal(join(n, worker, streams, passenger), FLIGHT_LEADS);
    pilot = (struct pilot){.pilot = {on_cancel, on_resume}, .flight = passenger->waiter.flight};
    flight_fly(pilot.flight, &pilot.pilot);
}

void land(const char *json, const struct executor *here)
{
    struct flight_end end = {.entry = cache_entry_new(span_of(json), SPAN_EMPTY)};
    flight_land(pilot.flight, &end, here);
}

void say(const char *text)
{
    assert_int_equal(flight_append(pilot.flight, span_of(text), &workers[0].tasks.executor),
                     FLIGHT_GOES_ON);
}

int flight_set_up(void **state)
{
    (void)state;
    const struct flight_settings settings = {.most = MOST, .workers = WORKERS, .seed = {{5, 6}}};
    flights = flights_new(&settings);
    for (unsigned i = 0; i < WORKERS; i++) {
        task_queue_init(&workers[i].tasks);
        workers[i].home = (struct flight_home){i, &workers[i].tasks.executor};
    }
    return 0;
}

int flight_tear_down(void **state)
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
