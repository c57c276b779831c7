#include "shared/base/timers.h"

#include "shared/base/must.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct probe {
    struct timer timer;
    struct timers *timers;
    unsigned fired;
    tick_ms fired_at;
    struct probe *sets, *cancels;
    tick_ms sets_to;
};

static char order[64];

static void note(struct timer *timer, tick_ms now_ms)
{
    struct probe *probe = container_of(timer, struct probe, timer);
    size_t n = strlen(order);
    assert_false(timer_is_set(timer)); /* removed before its call */
    probe->fired++;
    probe->fired_at = now_ms;
    if (n + 1 < sizeof order)
        order[n] = (char)('a' + timer->due_ms % 26);
    if (probe->sets != NULL)
        timers_set(probe->timers, &probe->sets->timer, probe->sets_to);
    if (probe->cancels != NULL)
        timers_cancel(probe->timers, &probe->cancels->timer);
}

static struct probe probe_of(struct timers *timers)
{
    return (struct probe){.timer = {.fire = note}, .timers = timers};
}

static int set_up(void **state)
{
    (void)state;
    memset(order, 0, sizeof order);
    return 0;
}

static void test_fires_in_order_when_due(void **state)
{
    (void)state;
    struct timers timers;
    struct probe probes[5];
    static const tick_ms due[] = {3, 1, 4, 0, 2};
    timers_init(&timers);
    assert_true(timers_next_due(&timers) == TICK_NEVER);
    for (size_t i = 0; i < 5; i++) {
        probes[i] = probe_of(&timers);
        timers_set(&timers, &probes[i].timer, due[i]);
        assert_true(timer_is_set(&probes[i].timer));
    }
    assert_int_equal(timers_next_due(&timers), 0);
    timers_run(&timers, 2);
    assert_string_equal(order, "abc");
    assert_int_equal(timers_next_due(&timers), 3);
    timers_run(&timers, 2);
    assert_string_equal(order, "abc");
    timers_run(&timers, 1000);
    assert_string_equal(order, "abcde");
    assert_int_equal(probes[2].fired_at, 1000);
    timers_fini(&timers);
}

static void test_moves_and_cancels(void **state)
{
    (void)state;
    struct timers timers;
    struct probe a, b;
    timers_init(&timers);
    a = probe_of(&timers);
    b = probe_of(&timers);
    timers_cancel(&timers, &a.timer); /* not set: harmless */
    timers_set(&timers, &a.timer, 5);
    timers_set(&timers, &b.timer, 6);
    timers_set(&timers, &a.timer, 7);
    timers_run(&timers, 6);
    assert_int_equal(a.fired, 0);
    assert_int_equal(b.fired, 1);
    timers_cancel(&timers, &a.timer);
    assert_false(timer_is_set(&a.timer));
    timers_run(&timers, 100);
    assert_int_equal(a.fired, 0);
    timers_fini(&timers);
}

static void test_set_during_a_run_waits_for_the_next(void **state)
{
    (void)state;
    struct timers timers;
    struct probe again, other, last;
    timers_init(&timers);
    again = probe_of(&timers);
    other = probe_of(&timers);
    last = probe_of(&timers);
    again.sets = &again;
    again.sets_to = 0;
    timers_set(&timers, &again.timer, 1);
    timers_set(&timers, &last.timer, 9);
    timers_run(&timers, 10);
    assert_int_equal(again.fired, 1);
    assert_int_equal(last.fired, 1); /* not starved by the one that came back */
    assert_int_equal(timers_next_due(&timers), 11);
    again.sets = &other;
    again.sets_to = 50;
    timers_run(&timers, 11);
    assert_int_equal(again.fired, 2);
    assert_int_equal(other.fired, 0);
    assert_int_equal(timers_next_due(&timers), 50);
    timers_set(&timers, &last.timer, 3); /* outside a run: any time */
    assert_int_equal(timers_next_due(&timers), 3);
    timers_fini(&timers);
}

static void test_cancels_during_a_run(void **state)
{
    (void)state;
    struct timers timers;
    struct probe first, victim, last;
    timers_init(&timers);
    first = probe_of(&timers);
    victim = probe_of(&timers);
    last = probe_of(&timers);
    first.cancels = &victim;
    timers_set(&timers, &first.timer, 1);
    timers_set(&timers, &victim.timer, 2);
    timers_set(&timers, &last.timer, 3);
    timers_run(&timers, 10);
    assert_int_equal(victim.fired, 0);
    assert_int_equal(last.fired, 1);
    timers_fini(&timers);
}

static void count_earlier(struct timers *timers, void *context)
{
    (void)timers;
    ++*(unsigned *)context;
}

static void test_tells_when_the_earliest_moves(void **state)
{
    (void)state;
    struct timers timers;
    struct probe a, b;
    unsigned told = 0;
    timers_init(&timers);
    timers.earlier = count_earlier;
    timers.context = &told;
    a = probe_of(&timers);
    b = probe_of(&timers);
    timers_set(&timers, &a.timer, 10);
    assert_int_equal(told, 1);
    timers_set(&timers, &b.timer, 20);
    assert_int_equal(told, 1);
    timers_set(&timers, &b.timer, 5);
    assert_int_equal(told, 2);
    timers_set(&timers, &b.timer, 15);
    assert_int_equal(told, 2);
    timers_fini(&timers);
}

/* Against a plain array, over a fixed sequence of pseudo-random sets, cancels and runs. */
static void test_agrees_with_a_plain_array(void **state)
{
    (void)state;
    enum { PROBES = 300 };
    static struct probe probes[PROBES];
    static tick_ms due[PROBES]; /* TICK_NEVER: not set */
    static unsigned fired[PROBES];
    struct timers timers;
    uint32_t random = 12345;
    tick_ms now = 0;
    timers_init(&timers);
    for (size_t i = 0; i < PROBES; i++) {
        probes[i] = probe_of(&timers);
        due[i] = TICK_NEVER;
    }
    for (unsigned step = 0; step < 20000; step++) {
        random = random * 1664525U + 1013904223U;
        size_t i = (random >> 8) % PROBES;
        if (random >> 30 == 0) {
            timers_cancel(&timers, &probes[i].timer);
            due[i] = TICK_NEVER;
        } else {
            due[i] = now + (random >> 20) % 1000;
            timers_set(&timers, &probes[i].timer, due[i]);
        }
        if (step % 7 != 0)
            continue;
        now += 3;
        timers_run(&timers, now);
        tick_ms next = TICK_NEVER;
        for (size_t j = 0; j < PROBES; j++) {
            if (due[j] <= now) {
                fired[j]++;
                due[j] = TICK_NEVER;
            }
            next = due[j] < next ? due[j] : next;
            assert_int_equal(probes[j].fired, fired[j]);
            assert_int_equal(timer_is_set(&probes[j].timer), due[j] != TICK_NEVER);
        }
        assert_true(timers_next_due(&timers) == next);
    }
    timers_fini(&timers);
}

static void test_fini_forgets_without_firing(void **state)
{
    (void)state;
    struct timers timers;
    struct probe a;
    timers_init(&timers);
    a = probe_of(&timers);
    timers_set(&timers, &a.timer, 1);
    timers_fini(&timers);
    assert_false(timer_is_set(&a.timer));
    assert_int_equal(a.fired, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_fires_in_order_when_due, set_up),
        cmocka_unit_test_setup(test_moves_and_cancels, set_up),
        cmocka_unit_test_setup(test_set_during_a_run_waits_for_the_next, set_up),
        cmocka_unit_test_setup(test_cancels_during_a_run, set_up),
        cmocka_unit_test_setup(test_tells_when_the_earliest_moves, set_up),
        cmocka_unit_test_setup(test_agrees_with_a_plain_array, set_up),
        cmocka_unit_test_setup(test_fini_forgets_without_firing, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
