#include "shared/pipeline/readiness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_body(const struct readiness *readiness, const char *expected)
{
    struct buf out;
    buf_init(&out, NULL, 4096);
    assert_int_equal(readiness_write(readiness, &out), readiness_ok(readiness));
    buf_put_char(&out, '\0');
    assert_string_equal(out.at, expected);
    buf_fini(&out);
}

static void an_instance_is_ready_between_start_and_drain(void **state)
{
    (void)state;
    struct readiness readiness;
    readiness_init(&readiness);
    assert_false(readiness_ok(&readiness));
    assert_body(&readiness, "{\"status\":\"unavailable\",\"reasons\":"
                            "[{\"class\":\"warn\",\"reason\":\"starting\"}]}");
    atomic_store(&readiness.started, true);
    assert_true(readiness_ok(&readiness));
    assert_body(&readiness, "{\"status\":\"ok\"}");
    atomic_store(&readiness.draining, true);
    assert_false(readiness_ok(&readiness));
    assert_body(&readiness, "{\"status\":\"unavailable\",\"reasons\":"
                            "[{\"class\":\"warn\",\"reason\":\"draining\"}]}");
}

static void an_info_reason_never_fails_it(void **state)
{
    (void)state;
    struct readiness readiness;
    readiness_init(&readiness);
    atomic_store(&readiness.started, true);
    atomic_store(&readiness.offline_model, true);
    assert_true(readiness_ok(&readiness));
    assert_body(&readiness, "{\"status\":\"ok\",\"reasons\":"
                            "[{\"class\":\"info\",\"reason\":\"offline_model\"}]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_instance_is_ready_between_start_and_drain),
        cmocka_unit_test(an_info_reason_never_fails_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
