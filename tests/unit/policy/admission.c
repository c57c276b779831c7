#include "shared/policy/admission.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { THREADS = 8, ROUNDS = 50000, MOST = 3 };

static struct admission admission;
static _Atomic uint64_t inside, most_inside, admitted;

static void test_full_is_full(void **state)
{
    (void)state;
    admission_init(&admission, 2);
    assert_true(admission_enter(&admission));
    assert_true(admission_enter(&admission));
    assert_false(admission_enter(&admission));
    admission_leave(&admission);
    assert_true(admission_enter(&admission));
    assert_false(admission_enter(&admission));
    struct admission_stats stats = admission_read_stats(&admission);
    assert_int_equal(stats.running, 2);
    assert_int_equal(stats.most, 2);
    assert_int_equal(stats.shed, 2);
}

static void *come_and_go(void *unused)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (!admission_enter(&admission))
            continue;
        uint64_t now = atomic_fetch_add(&inside, 1) + 1;
        uint64_t most = atomic_load(&most_inside);
        while (now > most && !atomic_compare_exchange_weak(&most_inside, &most, now))
            continue;
        (void)atomic_fetch_add(&admitted, 1);
        (void)atomic_fetch_sub(&inside, 1);
        admission_leave(&admission);
    }
    return unused;
}

static void test_the_count_is_exact(void **state)
{
    pthread_t threads[THREADS];
    (void)state;
    admission_init(&admission, MOST);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    struct admission_stats stats = admission_read_stats(&admission);
    assert_int_equal(stats.running, 0);
    assert_int_equal(stats.shed + admitted, THREADS * ROUNDS);
    assert_true(most_inside <= MOST && admitted > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_is_full),
        cmocka_unit_test(test_the_count_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
