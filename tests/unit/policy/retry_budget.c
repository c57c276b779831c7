/* A tenth of the first attempts, whoever counts. */
#include "shared/policy/retry_budget.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct retry_budget budget;

static unsigned take_all(void)
{
    unsigned taken = 0;
    while (retry_budget_take(&budget))
        taken++;
    return taken;
}

static void test_budget(void **state)
{
    struct retry_budget_stats stats;
    (void)state;
    retry_budget_init(&budget);
    assert_int_equal(take_all(), RETRY_BUDGET_MOST);
    for (unsigned i = 0; i < 9; i++)
        retry_budget_pay(&budget);
    assert_int_equal(take_all(), 0); /* nine tenths */
    retry_budget_pay(&budget);
    assert_int_equal(take_all(), 1);
    for (unsigned i = 0; i < 1000; i++)
        retry_budget_pay(&budget);
    retry_budget_stats(&budget, &stats);
    assert_int_equal(stats.left, RETRY_BUDGET_MOST);
    assert_int_equal(take_all(), RETRY_BUDGET_MOST); /* no more are kept */
    retry_budget_stats(&budget, &stats);
    assert_int_equal(stats.spent, 2 * RETRY_BUDGET_MOST + 1);
    assert_int_equal(stats.refused, 4);
    assert_int_equal(stats.left, 0);
}

static _Atomic unsigned taken;

static void *spend(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < 5000; i++) {
        retry_budget_pay(&budget);
        taken += retry_budget_take(&budget);
    }
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[4];
    (void)state;
    retry_budget_init(&budget);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, spend, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_in_range(taken, 1990, 2000 + RETRY_BUDGET_MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_budget),
                                       cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
