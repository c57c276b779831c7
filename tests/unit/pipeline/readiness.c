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

static struct readiness_providers stand;

static void providers_now(void *context, struct readiness_providers *now)
{
    assert_ptr_equal(context, &stand);
    *now = stand;
}

static void providers_count_when_none_is_left(void **state)
{
    static const struct {
        struct readiness_providers stand;
        const char *body;
    } rows[] = {
        {{1, 1, 0}, "{\"status\":\"ok\"}"},
        {{1, 0, 0},
         "{\"status\":\"unavailable\",\"reasons\":[{\"class\":\"warn\",\"reason\":"
         "\"breaker_open\"}]}"},
        {{1, 0, 1},
         "{\"status\":\"unavailable\",\"reasons\":[{\"class\":\"warn\",\"reason\":"
         "\"credentials_missing\"}]}"},
        {{2, 1, 0},
         "{\"status\":\"ok\",\"reasons\":[{\"class\":\"info\",\"reason\":\"breaker_open\"}]}"},
        {{3, 1, 1},
         "{\"status\":\"ok\",\"reasons\":[{\"class\":\"info\",\"reason\":"
         "\"credentials_missing\"},{\"class\":\"info\",\"reason\":\"breaker_open\"}]}"},
    };
    (void)state;
    struct readiness readiness;
    readiness_init(&readiness);
    readiness.providers = providers_now;
    readiness.providers_context = &stand;
    atomic_store(&readiness.started, true);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        stand = rows[i].stand;
        assert_body(&readiness, rows[i].body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_instance_is_ready_between_start_and_drain),
        cmocka_unit_test(an_info_reason_never_fails_it),
        cmocka_unit_test(providers_count_when_none_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
