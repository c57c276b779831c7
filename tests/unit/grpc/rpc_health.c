/* grpc.health.v1 over the readiness of the instance. */
#include "grpc/rpc_health.h"
#include "shared/pipeline/readiness.h"
#include "tests/unit/grpc/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* HealthCheckRequest with this service. */
static struct span request_for(const char *service)
{
    static char bytes[128];
    size_t len = strlen(service);
    bytes[0] = '\x0a';
    bytes[1] = (char)len;
    memcpy(bytes + 2, service, len);
    return span_make(bytes, len == 0 ? 0 : len + 2);
}

/* The status of the call's last message; HealthCheckResponse holds nothing else. */
static int status_of(const struct kit_call *call)
{
    if (call->text_len == 0)
        return 0;
    assert_int_equal(call->text_len, 2);
    assert_int_equal(call->text[0], 0x08);
    return call->text[1];
}

static grpc_status_code check(const char *service, int *status)
{
    struct kit_call call;
    kit_call_start(&call, &client, rpc_health_check_path, request_for(service), NULL);
    if (kit_call_next(&call))
        *status = status_of(&call);
    grpc_status_code code = kit_call_status(&call);
    kit_call_fini(&call);
    return code;
}

static void test_check(void **state)
{
    int status = 0;
    (void)state;
    assert_int_equal(check("", &status), GRPC_STATUS_OK);
    assert_int_equal(status, 1);
    assert_int_equal(check("kit.v1.Kit", &status), GRPC_STATUS_OK);
    assert_int_equal(status, 1);
    assert_int_equal(check("kit.v1.Ki", &status), GRPC_STATUS_NOT_FOUND);
    assert_int_equal(check("kit.v1.Kit/Unary", &status), GRPC_STATUS_NOT_FOUND);
    atomic_store(&kit_readiness(kit)->draining, true);
    assert_int_equal(check("", &status), GRPC_STATUS_OK);
    assert_int_equal(status, 2);
    assert_int_equal(atomic_load(&kit_seen.begun), 0);
    assert_int_equal(atomic_load(&kit_seen.refused), 0);
}

static void test_bad_requests(void **state)
{
    static char large[2000];
    struct span bodies[] = {SPAN_LITERAL("\x0a"), SPAN_LITERAL("\x0a\x05"), {large, sizeof large}};
    struct kit_call call;
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        kit_call_start(&call, &client, rpc_health_check_path, bodies[i], NULL);
        assert_false(kit_call_next(&call));
        assert_int_equal(kit_call_status(&call), GRPC_STATUS_INVALID_ARGUMENT);
        kit_call_fini(&call);
    }
}

static void test_watch(void **state)
{
    struct kit_call call;
    (void)state;
    kit_call_start(&call, &client, rpc_health_watch_path, request_for("kit.v1.Kit"), NULL);
    assert_true(kit_call_next(&call));
    assert_int_equal(status_of(&call), 1);
    kit_advance(kit, 1000);
    kit_advance(kit, 1000);
    atomic_store(&kit_readiness(kit)->started, false);
    kit_advance(kit, 1000);
    assert_true(kit_call_next(&call));
    assert_int_equal(status_of(&call), 2);
    atomic_store(&kit_readiness(kit)->started, true);
    kit_advance(kit, 1000);
    assert_true(kit_call_next(&call));
    assert_int_equal(status_of(&call), 1);
    (void)grpc_call_cancel(call.core_call, NULL);
    assert_int_equal(kit_call_status(&call), GRPC_STATUS_CANCELLED);
    kit_call_fini(&call);
}

static void test_watch_of_an_unknown_service(void **state)
{
    struct kit_call call;
    (void)state;
    kit_call_start(&call, &client, rpc_health_watch_path, request_for("none"), NULL);
    assert_true(kit_call_next(&call));
    assert_int_equal(status_of(&call), 3);
    kit_call_fini(&call);
}

/* A watch does not hold the drain up: it is told, and ended. (The other call keeps the connection
 * open until the client has read that.) */
static void test_watch_ends_with_the_drain(void **state)
{
    struct kit_call call;
    struct kit_call other;
    (void)state;
    kit_call_start(&other, &client, kit_unary, span_of("wait"), NULL);
    kit_await(&kit_seen.begun, 1);
    kit_call_start(&call, &client, rpc_health_watch_path, request_for(""), NULL);
    assert_true(kit_call_next(&call));
    assert_int_equal(status_of(&call), 1);
    atomic_store(&kit_readiness(kit)->draining, true);
    kit_drain(kit);
    kit_advance(kit, 1000);
    assert_true(kit_call_next(&call));
    assert_int_equal(status_of(&call), 2);
    assert_false(kit_call_next(&call));
    assert_int_equal(kit_call_status(&call), GRPC_STATUS_UNAVAILABLE);
    kit_call_fini(&call);
    kit_call_fini(&other);
    kit_await_drained(kit);
}

static void test_watches_are_bounded(void **state)
{
    static struct kit_call calls[RPC_HEALTH_WATCHES];
    struct kit_client clients[RPC_HEALTH_WATCHES / 100];
    struct kit_call more;
    (void)state;
    for (size_t i = 0; i < RPC_HEALTH_WATCHES; i++) {
        if (i % 100 == 0)
            kit_client_init(&clients[i / 100], kit_connect(kit, 1), 0);
        kit_call_start(&calls[i], &clients[i / 100], rpc_health_watch_path, SPAN_EMPTY, NULL);
        assert_true(kit_call_next(&calls[i]));
    }
    kit_call_start(&more, &client, rpc_health_watch_path, SPAN_EMPTY, NULL);
    assert_false(kit_call_next(&more));
    assert_int_equal(kit_call_status(&more), GRPC_STATUS_RESOURCE_EXHAUSTED);
    kit_call_fini(&more);
    for (size_t i = 0; i < RPC_HEALTH_WATCHES; i++)
        kit_call_fini(&calls[i]);
    for (size_t i = 0; i < RPC_HEALTH_WATCHES / 100; i++)
        kit_client_fini(&clients[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_check, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_watch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_watch_of_an_unknown_service, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_watch_ends_with_the_drain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_watches_are_bounded, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
