/* Unary calls, from the client's side. */
#include "tests/unit/grpc/fixture.h"

#include <google/rpc/error_details.pb-c.h>
#include <google/rpc/status.pb-c.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static grpc_status_code ask(struct kit_call *call, const char *body,
                            const struct kit_options *options)
{
    kit_call_start(call, &client, kit_unary, span_of(body), options);
    (void)kit_call_next(call);
    return kit_call_status(call);
}

static void test_answer(void **state)
{
    struct kit_call call;
    (void)state;
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(ask(&call, i % 2 == 0 ? "echo hello" : "later hello", NULL),
                         GRPC_STATUS_OK);
        assert_string_equal(call.text, i % 2 == 0 ? "echo hello" : "later hello");
        assert_int_equal(kit_slice(&call.message).len, 0);
        assert_int_equal(kit_metadata(&call.trailer, "grpc-status-details-bin").len, 0);
        assert_true(span_is(kit_metadata(&call.header, "x-request-id"), "made"));
        kit_call_fini(&call);
    }
    assert_int_equal(atomic_load(&kit_seen.last_port), 4711);
    assert_int_equal(atomic_load(&kit_seen.last_timeout_ms), 0);
    assert_int_equal(atomic_load(&kit_seen.abandoned), 0);
}

static void test_packs_the_message(void **state)
{
    struct kit_call call;
    (void)state;
    assert_int_equal(ask(&call, "packed", NULL), GRPC_STATUS_OK);
    assert_int_equal(call.text_len, 2);
    assert_memory_equal(call.text, "\x08\x07", 2);
    kit_call_fini(&call);
}

static void test_request_id(void **state)
{
    struct kit_options options = {.key = "x-request-id", .value = "from-the-client"};
    struct kit_call call;
    (void)state;
    assert_int_equal(ask(&call, "echo", &options), GRPC_STATUS_OK);
    assert_true(span_is(kit_metadata(&call.header, "x-request-id"), "from-the-client"));
    kit_call_fini(&call);
    assert_int_equal(ask(&call, "invalid", &options), GRPC_STATUS_INVALID_ARGUMENT);
    assert_true(span_is(kit_metadata(&call.header, "x-request-id"), "from-the-client"));
    kit_call_fini(&call);
}

static void test_error_with_details(void **state)
{
    struct kit_call call;
    (void)state;
    assert_int_equal(ask(&call, "invalid", NULL), GRPC_STATUS_INVALID_ARGUMENT);
    assert_true(span_is(kit_slice(&call.message), verdict_row(VERDICT_INVALID)->detail));
    struct span bytes = kit_metadata(&call.trailer, "grpc-status-details-bin");
    Google__Rpc__Status *status =
        google__rpc__status__unpack(NULL, bytes.len, (const uint8_t *)bytes.at);
    assert_non_null(status);
    assert_int_equal(status->code, GRPC_STATUS_INVALID_ARGUMENT);
    assert_int_equal(status->n_details, 2);
    google__rpc__status__free_unpacked(status, NULL);
    kit_call_fini(&call);
    assert_int_equal(ask(&call, "timeout", NULL), GRPC_STATUS_DEADLINE_EXCEEDED);
    assert_int_equal(kit_metadata(&call.trailer, "grpc-status-details-bin").len, 0);
    kit_call_fini(&call);
}

/* A body of several HTTP/2 frames arrives as one span. */
static void test_large_body(void **state)
{
    struct kit_call call;
    char *body = malloc(60000);
    (void)state;
    assert_non_null(body);
    memset(body, 'x', 60000);
    memcpy(body, "echo", 4);
    kit_call_start(&call, &client, kit_unary, span_make(body, 60000), NULL);
    assert_true(kit_call_next(&call));
    assert_int_equal(call.message_len, 60000);
    assert_memory_equal(call.text, body, call.text_len);
    assert_int_equal(kit_call_status(&call), GRPC_STATUS_OK);
    assert_int_equal(atomic_load(&kit_seen.last_body_bytes), 60000);
    kit_call_fini(&call);
    free(body);
}

static void test_message_over_the_cap(void **state)
{
    struct kit_call call;
    char *body = calloc(1, 70000);
    (void)state;
    assert_non_null(body);
    kit_call_start(&call, &client, kit_unary, span_make(body, 70000), NULL);
    assert_false(kit_call_next(&call));
    assert_int_equal(kit_call_status(&call), GRPC_STATUS_RESOURCE_EXHAUSTED);
    kit_call_fini(&call);
    assert_int_equal(ask(&call, "echo", NULL), GRPC_STATUS_OK);
    kit_call_fini(&call);
    assert_int_equal(atomic_load(&kit_seen.begun), 1);
    free(body);
}

static void test_unknown_methods(void **state)
{
    static const char *const paths[] = {"/kit.v1.Kit/None", "/none.v1.None/Unary", "/", "//"};
    struct kit_call call;
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        kit_call_start(&call, &client, paths[i], span_of("echo"), NULL);
        assert_false(kit_call_next(&call));
        assert_int_equal(kit_call_status(&call), GRPC_STATUS_UNIMPLEMENTED);
        assert_true(span_is(kit_metadata(&call.header, "x-request-id"), "made"));
        kit_call_fini(&call);
        assert_int_equal(atomic_load(&kit_seen.refused), i + 1);
        assert_int_equal(atomic_load(&kit_seen.last_refused), VERDICT_NO_METHOD);
    }
}

/* N4 */
static void test_compressed_message(void **state)
{
    struct kit_options options = {.key = "grpc-internal-encoding-request", .value = "gzip"};
    static char body[4096];
    struct kit_call call;
    (void)state;
    memset(body, 'x', sizeof body);
    kit_call_start(&call, &client, kit_unary, span_make(body, sizeof body), &options);
    assert_false(kit_call_next(&call));
    assert_int_equal(kit_call_status(&call), GRPC_STATUS_UNIMPLEMENTED);
    assert_int_equal(atomic_load(&kit_seen.last_refused), VERDICT_BAD_COMPRESSION);
    kit_call_fini(&call);
}

static void test_call_without_a_message(void **state)
{
    struct kit_options options = {.no_message = true};
    struct kit_call call;
    (void)state;
    kit_call_start(&call, &client, kit_unary, SPAN_EMPTY, &options);
    assert_false(kit_call_next(&call));
    assert_int_equal(kit_call_status(&call), GRPC_STATUS_INVALID_ARGUMENT);
    assert_int_equal(atomic_load(&kit_seen.last_refused), VERDICT_MALFORMED);
    kit_call_fini(&call);
}

static void test_client_cancels(void **state)
{
    struct kit_call call;
    (void)state;
    for (unsigned i = 1; i <= 10; i++) {
        kit_call_start(&call, &client, kit_unary, span_of("wait"), NULL);
        kit_await(&kit_seen.begun, i);
        (void)grpc_call_cancel(call.core_call, NULL);
        assert_int_equal(kit_call_status(&call), GRPC_STATUS_CANCELLED);
        kit_await(&kit_seen.finished, i);
        kit_call_fini(&call);
    }
    assert_int_equal(atomic_load(&kit_seen.abandoned), 10);
}

static void test_client_deadline(void **state)
{
    struct kit_options options = {.deadline_ms = 200};
    struct kit_call call;
    (void)state;
    kit_call_start(&call, &client, kit_unary, span_of("wait"), &options);
    assert_int_equal(kit_call_status(&call), GRPC_STATUS_DEADLINE_EXCEEDED);
    kit_await(&kit_seen.finished, 1);
    assert_int_equal(atomic_load(&kit_seen.abandoned), 1);
    assert_in_range(atomic_load(&kit_seen.last_timeout_ms), 1, 200);
    kit_call_fini(&call);
    options.deadline_ms = 3600 * 1000;
    assert_int_equal(ask(&call, "echo", &options), GRPC_STATUS_OK);
    assert_in_range(atomic_load(&kit_seen.last_timeout_ms), 3500 * 1000,
                    3700 * 1000); /* on the wire it is rounded */
    kit_call_fini(&call);
}

static void test_connection_breaks(void **state)
{
    struct kit_client other;
    struct kit_call calls[5];
    (void)state;
    kit_client_init(&other, kit_connect(kit, 4712), 0);
    for (size_t i = 0; i < 5; i++)
        kit_call_start(&calls[i], &other, kit_unary, span_of("wait"), NULL);
    kit_await(&kit_seen.begun, 5);
    assert_int_equal(atomic_load(&kit_seen.last_port), 4712);
    for (size_t i = 0; i < 5; i++)
        kit_call_fini(&calls[i]);
    kit_client_fini(&other);
    kit_await(&kit_seen.abandoned, 5);
    kit_await(&kit_seen.finished, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_packs_the_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_request_id, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_error_with_details, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_message_over_the_cap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_methods, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_compressed_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_call_without_a_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_cancels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_connection_breaks, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
