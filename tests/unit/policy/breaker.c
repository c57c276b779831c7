/* The breaker's whole state machine by tables, a random walk that looks for a state without an exit
 * after every step, and many threads. */
#include "shared/policy/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { RECOVERY_MS = 30000, FAILURES = 5 };

/* What happens, to which call (each has a place), and what is so afterwards. */
enum act { END, ENTER, REFUSED, GOOD, BAD, NEUTRAL, CALLS_BAD, CALLS_GOOD, CALLS_NEUTRAL };
struct step {
    tick_ms at_ms;
    enum act act;
    unsigned who; /* the call; of CALLS_..., how many whole calls */
    enum breaker_state after;
    uint64_t retry_after_ms; /* of REFUSED */
};

static struct breaker breaker;
static struct breaker_pass passes[16];

static void begin(unsigned failures)
{
    struct breaker_settings settings = breaker_usual(failures, RECOVERY_MS);
    breaker_init(&breaker, &settings);
}

static enum breaker_state state_of(struct breaker *one)
{
    struct breaker_stats stats;
    breaker_stats(one, &stats);
    return stats.state;
}

static bool call(struct breaker *one, tick_ms now_ms, enum breaker_outcome outcome)
{
    struct breaker_pass pass;
    uint64_t retry_after_ms;
    if (!breaker_enter(one, now_ms, &pass, &retry_after_ms))
        return false;
    breaker_leave(one, &pass, outcome, now_ms);
    return true;
}

static void take(const struct step *step)
{
    static const enum breaker_outcome outcomes[] = {
        [GOOD] = BREAKER_GOOD,     [BAD] = BREAKER_BAD,         [NEUTRAL] = BREAKER_NEUTRAL,
        [CALLS_BAD] = BREAKER_BAD, [CALLS_GOOD] = BREAKER_GOOD, [CALLS_NEUTRAL] = BREAKER_NEUTRAL};
    uint64_t retry_after_ms = 1;
    switch (step->act) {
    case ENTER:
        assert_int_equal(breaker_wait_ms(&breaker, step->at_ms), 0);
        assert_true(breaker_enter(&breaker, step->at_ms, &passes[step->who], &retry_after_ms));
        assert_int_equal(retry_after_ms, 0);
        break;
    case REFUSED:
        assert_int_equal(breaker_wait_ms(&breaker, step->at_ms), step->retry_after_ms);
        assert_false(breaker_enter(&breaker, step->at_ms, &passes[step->who], &retry_after_ms));
        assert_int_equal(retry_after_ms, step->retry_after_ms);
        break;
    case GOOD:
    case BAD:
    case NEUTRAL:
        breaker_leave(&breaker, &passes[step->who], outcomes[step->act], step->at_ms);
        break;
    default:
        for (unsigned i = 0; i < step->who; i++)
            assert_true(call(&breaker, step->at_ms, outcomes[step->act]));
    }
}

static void walk(const char *name, const struct step *steps)
{
    begin(FAILURES);
    for (size_t i = 0; steps[i].act != END; i++) {
        take(&steps[i]);
        if (state_of(&breaker) != steps[i].after)
            fail_msg("%s, step %zu: %s", name, i, breaker_state_name(state_of(&breaker)));
    }
    breaker_fini(&breaker);
}

#define C BREAKER_CLOSED
#define O BREAKER_OPEN
#define P BREAKER_PROBING

static const struct {
    const char *name;
    struct step steps[24];
} tables[] = {
    {"closed: failures in a row",
     {{0, CALLS_BAD, 4, C, 0},
      {1, CALLS_GOOD, 1, C, 0},
      {2, CALLS_BAD, 4, C, 0},
      {3, CALLS_NEUTRAL, 3, C, 0}, /* says nothing either way */
      {4, CALLS_BAD, 1, O, 0}}},
    {"closed: neutral never opens", {{0, CALLS_NEUTRAL, 1000, C, 0}, {1, ENTER, 0, C, 0}}},
    {"closed: the rate, at 20 calls",
     {{0, CALLS_GOOD, 3, C, 0},
      {0, CALLS_BAD, 4, C, 0},
      {0, CALLS_GOOD, 3, C, 0},
      {0, CALLS_BAD, 4, C, 0},
      {0, CALLS_GOOD, 4, C, 0},
      {0, CALLS_BAD, 1, C, 0},   /* 9 of 19 */
      {0, CALLS_BAD, 1, O, 0}}}, /* 10 of 20 */
    {"closed: half of fewer than 20 is no rate",
     {{0, CALLS_GOOD, 1, C, 0},
      {0, CALLS_BAD, 4, C, 0},
      {0, CALLS_GOOD, 1, C, 0},
      {0, CALLS_BAD, 4, C, 0},
      {0, CALLS_GOOD, 1, C, 0},
      {0, CALLS_BAD, 4, C, 0},
      {0, CALLS_GOOD, 1, C, 0},
      {0, CALLS_BAD, 3, C, 0},  /* 15 of 19 */
      {0, CALLS_GOOD, 1, C, 0}, /* a good call opens nothing */
      {0, CALLS_BAD, 1, O, 0}}},
    {"closed: what is older than a minute does not count",
     {{0, CALLS_BAD, 4, C, 0},
      {0, CALLS_GOOD, 1, C, 0},
      {0, CALLS_BAD, 4, C, 0},
      {0, CALLS_GOOD, 10, C, 0},
      {60000, CALLS_BAD, 1, C, 0},
      {60000, CALLS_GOOD, 1, C, 0},
      {60000, CALLS_BAD, 4, C, 0}}},
    {"closed: only the last 100 count",
     {{0, CALLS_GOOD, 90, C, 0},
      {0, CALLS_BAD, 4, C, 0},
      {0, CALLS_GOOD, 1, C, 0},
      {0, CALLS_BAD, 4, C, 0},
      {0, CALLS_GOOD, 100, C, 0},
      {0, CALLS_BAD, 4, C, 0}}},
    {"open: refuses until the recovery time is over",
     {{1000, CALLS_BAD, 5, O, 0},
      {1000, REFUSED, 0, O, RECOVERY_MS},
      {1000 + RECOVERY_MS - 1, REFUSED, 0, O, 1},
      {1000 + RECOVERY_MS, ENTER, 0, P, 0}}},
    {"probing: one at a time, and a good one closes",
     {{0, CALLS_BAD, 5, O, 0},
      {RECOVERY_MS, ENTER, 0, P, 0},
      {RECOVERY_MS, REFUSED, 1, P, 1000},
      {RECOVERY_MS + 500, REFUSED, 1, P, 1000},
      {2 * RECOVERY_MS - 300, REFUSED, 1, P, 300},
      {2 * RECOVERY_MS - 200, GOOD, 0, C, 0},
      {2 * RECOVERY_MS - 200, CALLS_BAD, 4, C, 0}, /* it counts from the beginning */
      {2 * RECOVERY_MS - 200, CALLS_BAD, 1, O, 0}}},
    {"probing: a bad one opens for the whole time again",
     {{0, CALLS_BAD, 5, O, 0},
      {RECOVERY_MS, ENTER, 0, P, 0},
      {RECOVERY_MS + 7, BAD, 0, O, 0},
      {RECOVERY_MS + 7, REFUSED, 0, O, RECOVERY_MS},
      {2 * RECOVERY_MS + 7, ENTER, 0, P, 0}}},
    {"probing: a neutral one gives its place back",
     {{0, CALLS_BAD, 5, O, 0},
      {RECOVERY_MS, ENTER, 0, P, 0},
      {RECOVERY_MS + 1, NEUTRAL, 0, P, 0},
      {RECOVERY_MS + 1, ENTER, 1, P, 0},
      {RECOVERY_MS + 1, REFUSED, 2, P, 1000},
      {RECOVERY_MS + 2, NEUTRAL, 1, P, 0},
      {RECOVERY_MS + 9, ENTER, 2, P, 0},
      {RECOVERY_MS + 9, GOOD, 2, C, 0}}},
    {"probing: a slow one does not keep others from it",
     {{0, CALLS_BAD, 5, O, 0},
      {RECOVERY_MS, ENTER, 0, P, 0},
      {2 * RECOVERY_MS, ENTER, 1, P, 0},
      {2 * RECOVERY_MS, REFUSED, 2, P, 1000},
      {2 * RECOVERY_MS + 1, NEUTRAL, 0, P, 0}, /* no longer its place to give */
      {2 * RECOVERY_MS + 1, REFUSED, 2, P, 1000},
      {3 * RECOVERY_MS, ENTER, 2, P, 0},
      {3 * RECOVERY_MS, GOOD, 1, C, 0}, /* but it may still decide */
      {3 * RECOVERY_MS, BAD, 2, C, 0}}},
    {"what began before a transition does not decide the new state",
     {{0, ENTER, 0, C, 0},
      {0, ENTER, 1, C, 0},
      {0, ENTER, 2, C, 0},
      {0, ENTER, 3, C, 0},
      {0, CALLS_BAD, 5, O, 0},
      {1, GOOD, 0, O, 0}, /* into OPEN */
      {RECOVERY_MS, ENTER, 4, P, 0},
      {RECOVERY_MS, GOOD, 1, P, 0}, /* into PROBING */
      {RECOVERY_MS, BAD, 2, P, 0},
      {RECOVERY_MS, GOOD, 4, C, 0},
      {RECOVERY_MS, CALLS_BAD, 4, C, 0},
      {RECOVERY_MS, BAD, 3, C, 0}, /* into CLOSED: not the fifth in a row */
      {RECOVERY_MS, CALLS_BAD, 1, O, 0}}},
};

static void test_tables(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        walk(tables[i].name, tables[i].steps);
}

static void test_changes_are_told(void **state)
{
    struct breaker_pass pass;
    uint64_t retry_after_ms;
    (void)state;
    begin(2);
    static const enum breaker_change changes[] = {BREAKER_STAYS, BREAKER_OPENS};
    for (size_t i = 0; i < 2; i++) {
        assert_true(breaker_enter(&breaker, 0, &pass, &retry_after_ms));
        assert_int_equal(breaker_leave(&breaker, &pass, BREAKER_BAD, 0), changes[i]);
    }
    assert_int_equal(breaker_leave(&breaker, &pass, BREAKER_GOOD, 0), BREAKER_STAYS);
    assert_true(breaker_enter(&breaker, RECOVERY_MS, &pass, &retry_after_ms));
    assert_int_equal(breaker_leave(&breaker, &pass, BREAKER_GOOD, RECOVERY_MS), BREAKER_CLOSES);
    breaker_fini(&breaker);
}

static void test_off(void **state)
{
    const struct breaker_settings settings = {.off = true};
    (void)state;
    breaker_init(&breaker, &settings);
    for (unsigned i = 0; i < 1000; i++)
        assert_true(call(&breaker, i, BREAKER_BAD));
    assert_int_equal(breaker_wait_ms(&breaker, 1000), 0);
    breaker_fini(&breaker);
}

static void test_stats(void **state)
{
    struct breaker_stats stats;
    (void)state;
    begin(3);
    assert_true(call(&breaker, 0, BREAKER_GOOD));
    assert_true(call(&breaker, 0, BREAKER_NEUTRAL));
    assert_true(call(&breaker, 0, BREAKER_BAD));
    breaker_stats(&breaker, &stats);
    assert_int_equal(stats.in_a_row, 1);
    assert_int_equal(stats.window_calls, 2);
    assert_int_equal(stats.window_bad, 1);
    assert_true(call(&breaker, 0, BREAKER_BAD));
    assert_true(call(&breaker, 0, BREAKER_BAD));
    assert_false(call(&breaker, 0, BREAKER_BAD));
    breaker_stats(&breaker, &stats);
    assert_string_equal(breaker_state_name(stats.state), "open");
    assert_int_equal(stats.opened, 1);
    assert_int_equal(stats.good, 1);
    assert_int_equal(stats.bad, 3);
    assert_int_equal(stats.neutral, 1);
    assert_int_equal(stats.refused, 1);
    breaker_fini(&breaker);
}

/* --- no state without an exit --- */

static uint64_t seed = 0x9e3779b97f4a7c15U;

static unsigned below(unsigned most)
{
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)((seed >> 33) % most);
}

/* From here, whoever is still out there: after the recovery time somebody is let in; if the other
 * side is well again, so are all others, and if it is not, it is open (again). */
static void check_exits(const struct breaker *here, tick_ms now_ms)
{
    for (int good = 0; good < 2; good++) {
        struct breaker there = *here;
        must(pthread_mutex_init(&there.shared.mutex, NULL) == 0);
        tick_ms later_ms = now_ms + RECOVERY_MS;
        unsigned calls = here->shared.state == BREAKER_CLOSED ? FAILURES : 1;
        assert_int_equal(breaker_wait_ms(&there, later_ms), 0);
        for (unsigned i = 0; i < calls && call(&there, later_ms, good ? BREAKER_GOOD : BREAKER_BAD);
             i++)
            ;
        assert_int_equal(state_of(&there), good ? BREAKER_CLOSED : BREAKER_OPEN);
        assert_int_equal(call(&there, later_ms, BREAKER_GOOD), good);
        breaker_fini(&there);
    }
}

static void test_no_state_without_an_exit(void **state)
{
    struct breaker_pass out[16];
    unsigned n_out = 0, seen[3] = {0};
    tick_ms now_ms = 0;
    (void)state;
    begin(FAILURES);
    for (unsigned i = 0; i < 60000; i++) {
        uint64_t retry_after_ms;
        unsigned what = below(8);
        now_ms += below(50) == 0 ? below(2 * RECOVERY_MS) : below(100);
        if (what < 4 && n_out < 16) {
            bool refuses = breaker_wait_ms(&breaker, now_ms) > 0;
            bool entered = breaker_enter(&breaker, now_ms, &out[n_out], &retry_after_ms);
            assert_int_equal(entered, !refuses);
            assert_true(entered || (retry_after_ms >= 1 && retry_after_ms <= RECOVERY_MS));
            n_out += entered;
        } else if (n_out > 0) {
            /* In phases, so that all states are visited. */
            enum breaker_outcome outcome = below(10) == 0             ? BREAKER_NEUTRAL
                                           : below(10) < i / 500 % 10 ? BREAKER_BAD
                                                                      : BREAKER_GOOD;
            unsigned which = below(n_out);
            breaker_leave(&breaker, &out[which], outcome, now_ms);
            out[which] = out[--n_out];
        }
        seen[state_of(&breaker)]++;
        check_exits(&breaker, now_ms);
    }
    for (size_t i = 0; i < 3; i++)
        assert_true(seen[i] > 500);
    breaker_fini(&breaker);
}

/* --- many threads --- */

static _Atomic unsigned inside, most_inside, let_in;

static void *knock(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < 2000; i++) {
        struct breaker_pass pass;
        uint64_t retry_after_ms;
        if (!breaker_enter(&breaker, RECOVERY_MS + i / 100, &pass, &retry_after_ms))
            continue;
        unsigned here = ++inside;
        let_in++;
        unsigned most = most_inside;
        while (here > most && !__atomic_compare_exchange_n(&most_inside, &most, here, false,
                                                           __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            ;
        inside--;
        breaker_leave(&breaker, &pass, BREAKER_NEUTRAL, RECOVERY_MS + i / 100);
    }
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[4];
    (void)state;
    begin(FAILURES);
    for (unsigned i = 0; i < FAILURES; i++)
        assert_true(call(&breaker, 0, BREAKER_BAD));
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, knock, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(let_in > 0);
    assert_int_equal(most_inside, 1); /* only ever one probe */
    assert_int_equal(state_of(&breaker), BREAKER_PROBING);
    breaker_fini(&breaker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_changes_are_told),
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_no_state_without_an_exit),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
