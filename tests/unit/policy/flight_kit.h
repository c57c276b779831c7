/* Flights, step by step: three workers whose tasks run when the test says so. */
#ifndef WEIR_TESTS_UNIT_POLICY_FLIGHT_KIT_H
#define WEIR_TESTS_UNIT_POLICY_FLIGHT_KIT_H

#include "shared/policy/flight.h"
#include "tests/support/task_queue.h"

#include <stdint.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { WORKERS = 3, MOST = 4 };

struct fake_worker {
    struct task_queue tasks;
    struct flight_home home;
};
extern struct fake_worker workers[WORKERS];
extern struct flights *flights;

int flight_set_up(void **state);
/* Nobody may be left. */
int flight_tear_down(void **state);
#define FLIGHT_TEST(name) cmocka_unit_test_setup_teardown(name, flight_set_up, flight_tear_down)

void run_all(void);

/* One who waits, and what he was told. */
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

void on_wake(struct flight_waiter *waiter);
void read_now(struct passenger *passenger);

/* The one who flies; of the last flight that was led. */
struct pilot {
    struct flight_pilot pilot;
    struct flight *flight;
    unsigned cancels, blames, resumes;
};
extern struct pilot pilot;

struct cache_key key_of(unsigned n);
/* Keeps how the passenger behaves, and forgets what he was told. */
enum flight_place join(unsigned n, unsigned worker, bool streams, struct passenger *passenger);
void lead(unsigned n, unsigned worker, bool streams, struct passenger *passenger);
/* `here`: the executor of the caller, or NULL. */
void land(const char *json, const struct executor *here);
void say(const char *text);

#endif
