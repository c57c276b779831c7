/* Server streams: pieces, back-pressure, clients that leave or do not read. */
#include "tests/unit/grpc/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void read_all(struct kit_call *call, const char *body, size_t pieces, size_t bytes)
{
    size_t n = 0;
    kit_call_start(call, &client, kit_stream, span_of(body), NULL);
    for (; kit_call_next(call); n++)
        assert_int_equal(call->message_len, bytes);
    assert_int_equal(kit_call_status(call), GRPC_STATUS_OK);
    assert_int_equal(n, pieces);
    assert_true(span_is(kit_metadata(&call->header, "x-request-id"), "made"));
    kit_call_fini(call);
}

static void test_pieces(void **state)
{
    struct kit_call call;
    (void)state;
    read_all(&call, "stream 0 0", 0, 0);
    read_all(&call, "stream 1 10", 1, 10);
    read_all(&call, "stream 2 10", 2, 10);
    read_all(&call, "stream 100 10", 100, 10);
    read_all(&call, "stream 3000 1", 3000, 1);
}

static void test_error_before_the_first_piece(void **state)
{
    struct kit_call call;
    (void)state;
    kit_call_start(&call, &client, kit_stream, span_of("invalid"), NULL);
    assert_false(kit_call_next(&call));
    assert_int_equal(kit_call_status(&call), GRPC_STATUS_INVALID_ARGUMENT);
    assert_true(kit_metadata(&call.trailer, "grpc-status-details-bin").len > 0);
    kit_call_fini(&call);
}

static void test_a_fast_model_waits_for_a_slow_client(void **state)
{
    struct kit_call call;
    (void)state;
    kit_call_start(&call, &client, kit_stream, span_of("stream 2000 10000"), NULL);
    kit_await(&kit_seen.full, 1);
    assert_true(atomic_load(&kit_seen.pieces) < 1000);
    size_t n = 0;
    while (kit_call_next(&call))
        n++;
    assert_int_equal(kit_call_status(&call), GRPC_STATUS_OK);
    assert_int_equal(n, 2000);
    assert_int_equal(atomic_load(&kit_seen.writable), atomic_load(&kit_seen.full));
    assert_int_equal(atomic_load(&kit_seen.abandoned), 0);
    kit_call_fini(&call);
}

/* What waits for a client that reads nothing is bounded, and goes when the client does. */
static void test_a_client_that_does_not_read(void **state)
{
    struct kit_call call;
    (void)state;
    kit_call_start(&call, &client, kit_stream, span_of("stream 100000 10000"), NULL);
    kit_await(&kit_seen.full, 1);
    unsigned before = atomic_load(&kit_seen.pieces);
    assert_true(before < 1000);
    (void)grpc_call_cancel(call.core_call, NULL);
    assert_int_equal(kit_call_status(&call), GRPC_STATUS_CANCELLED);
    kit_await(&kit_seen.finished, 1);
    assert_int_equal(atomic_load(&kit_seen.abandoned), 1);
    assert_true(atomic_load(&kit_seen.pieces) < 2000);
    kit_call_fini(&call);
}

static void test_client_cancels_in_the_middle(void **state)
{
    struct kit_call call;
    (void)state;
    for (unsigned i = 1; i <= 10; i++) {
        kit_call_start(&call, &client, kit_stream, span_of("open"), NULL);
        assert_true(kit_call_next(&call));
        assert_string_equal(call.text, "open");
        (void)grpc_call_cancel(call.core_call, NULL);
        assert_int_equal(kit_call_status(&call), GRPC_STATUS_CANCELLED);
        kit_await(&kit_seen.finished, i);
        kit_call_fini(&call);
    }
    assert_int_equal(atomic_load(&kit_seen.abandoned), 10);
}

static void test_client_cancels_while_pieces_flow(void **state)
{
    struct kit_call call;
    (void)state;
    for (unsigned i = 1; i <= 20; i++) {
        kit_call_start(&call, &client, kit_stream, span_of("stream 100000 1000"), NULL);
        for (unsigned n = 0; n < i; n++)
            assert_true(kit_call_next(&call));
        (void)grpc_call_cancel(call.core_call, NULL);
        assert_int_equal(kit_call_status(&call), GRPC_STATUS_CANCELLED);
        kit_await(&kit_seen.finished, i);
        kit_call_fini(&call);
    }
    assert_int_equal(atomic_load(&kit_seen.abandoned), 20);
}

static void test_many_at_once(void **state)
{
    struct kit_call calls[50];
    (void)state;
    for (size_t i = 0; i < 50; i++)
        kit_call_start(&calls[i], &client, kit_stream, span_of("stream 20 5000"), NULL);
    for (size_t i = 0; i < 50; i++) {
        size_t n = 0;
        while (kit_call_next(&calls[i]))
            n++;
        assert_int_equal(n, 20);
        assert_int_equal(kit_call_status(&calls[i]), GRPC_STATUS_OK);
        kit_call_fini(&calls[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_error_before_the_first_piece, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_fast_model_waits_for_a_slow_client, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_client_that_does_not_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_cancels_in_the_middle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_cancels_while_pieces_flow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_at_once, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
