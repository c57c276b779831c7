#include "server/drain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Platforms kill ten seconds after SIGTERM; a second of log may have to be written, too. */
static void test_the_default_fits_the_platforms(void **state)
{
    (void)state;
    struct drain_plan plan = drain_plan_of(10000);
    assert_int_equal(plan.cut_ms, 8000);
    assert_int_equal(plan.sever_ms, 8700);
    assert_true(plan.sever_ms + 1000 < 10000);
    assert_true(plan.fail_ms < 9800);
}

static void test_any_grace(void **state)
{
    (void)state;
    for (uint64_t grace_ms = 0; grace_ms <= 3600000; grace_ms += grace_ms < 20000 ? 1 : 1000) {
        struct drain_plan plan = drain_plan_of(grace_ms);
        assert_true(plan.cut_ms <= grace_ms);
        assert_true(plan.cut_ms >= grace_ms - grace_ms / 5);
        assert_true(plan.cut_ms + 2000 >= grace_ms);
        assert_true(plan.cut_ms < plan.sever_ms && plan.sever_ms < plan.fail_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_default_fits_the_platforms),
        cmocka_unit_test(test_any_grace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
