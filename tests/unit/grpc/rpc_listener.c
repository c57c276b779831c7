/* The listener's life: drain, abort, and clients that do not take the end of their calls. */
#include "shared/base/tick.h"
#include "tests/unit/grpc/kit.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static void test_unused(void **state)
{
    (void)state;
    kit_free(kit_new(0));
}

static void test_idle_connections_end_with_the_drain(void **state)
{
    struct kit *kit = kit_new(0);
    struct kit_client client;
    struct kit_call call;
    int silent = kit_connect(kit, 1);
    (void)state;
    kit_client_init(&client, kit_connect(kit, 2), 0);
    kit_call_start(&call, &client, kit_unary, span_of("echo"), NULL);
    assert_true(kit_call_next(&call));
    assert_int_equal(kit_call_status(&call), GRPC_STATUS_OK);
    kit_call_fini(&call);
    uint64_t before_ms = tick_now_ms();
    kit_drain(kit);
    kit_await_drained(kit);
    assert_true(tick_now_ms() - before_ms < 10000); /* the core alone takes 20 s */
    kit_client_fini(&client);
    (void)close(silent);
    kit_free(kit);
}

/* The second call keeps the connection open until the client has read all of the first: the C core
 * closes a draining connection with its last call, and a client that writes then loses what it has
 * not read yet. */
static void test_drain_waits_for_calls(void **state)
{
    struct kit *kit = kit_new(0);
    struct kit_client client;
    struct kit_call call;
    struct kit_call second;
    size_t n = 0;
    (void)state;
    kit_client_init(&client, kit_connect(kit, 1), 0);
    kit_call_start(&second, &client, kit_unary, span_of("wait"), NULL);
    kit_call_start(&call, &client, kit_stream, span_of("stream 2000 1000"), NULL);
    kit_await(&kit_seen.begun, 2);
    assert_true(kit_call_next(&call));
    kit_drain(kit);
    for (n = 1; kit_call_next(&call); n++)
        ;
    assert_int_equal(n, 2000);
    assert_int_equal(kit_call_status(&call), GRPC_STATUS_OK);
    kit_call_fini(&call);
    assert_int_equal(atomic_load(&kit_seen.abandoned), 0);
    assert_false(kit_is_drained(kit));
    kit_call_fini(&second);
    kit_await_drained(kit);
    kit_client_fini(&client);
    kit_free(kit);
}

static void test_a_connection_after_the_drain(void **state)
{
    struct kit *kit = kit_new(0);
    struct kit_client client;
    struct kit_call call;
    (void)state;
    kit_client_init(&client, kit_connect(kit, 1), 0);
    kit_call_start(&call, &client, kit_unary, span_of("wait"), NULL);
    kit_await(&kit_seen.begun, 1);
    kit_drain(kit);
    struct pollfd late = {.fd = kit_connect(kit, 2), .events = POLLRDHUP};
    assert_int_equal(poll(&late, 1, KIT_WAIT_MS), 1);
    (void)close(late.fd);
    kit_call_fini(&call);
    kit_client_fini(&client);
    kit_free(kit);
}

static void test_abort_ends_what_is_left(void **state)
{
    struct kit *kit = kit_new(0);
    struct kit_client client;
    struct kit_call calls[20];
    (void)state;
    kit_client_init(&client, kit_connect(kit, 1), 0);
    for (size_t i = 0; i < 20; i++)
        kit_call_start(&calls[i], &client, i % 2 == 0 ? kit_unary : kit_stream,
                       span_of(i % 4 == 1 ? "open" : "wait"), NULL);
    kit_await(&kit_seen.begun, 20);
    kit_drain(kit);
    assert_false(kit_is_drained(kit));
    kit_abort(kit);
    kit_await_drained(kit);
    assert_int_equal(atomic_load(&kit_seen.abandoned), 20);
    assert_int_equal(atomic_load(&kit_seen.finished), 20);
    for (size_t i = 0; i < 20; i++) {
        while (kit_call_next(&calls[i]))
            ;
        assert_int_equal(kit_call_status(&calls[i]), GRPC_STATUS_UNAVAILABLE);
        kit_call_fini(&calls[i]);
    }
    kit_client_fini(&client);
    kit_free(kit);
}

/* The end of a call waits for its client to read, but not for ever. */
static void test_a_client_that_does_not_take_the_end(void **state)
{
    struct kit *kit = kit_new(100);
    struct kit_client client;
    struct kit_call call;
    int fd = kit_connect(kit, 1);
    (void)state;
    kit_client_init(&client, fd, 1024);
    kit_call_start(&call, &client, kit_stream, span_of("stream 6 10000"), NULL);
    kit_await(&kit_seen.finished, 1);
    kit_drain(kit);
    kit_await_drained(kit);
    kit_call_fini(&call);
    kit_client_fini(&client);
    kit_free(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unused),
        cmocka_unit_test(test_idle_connections_end_with_the_drain),
        cmocka_unit_test(test_drain_waits_for_calls),
        cmocka_unit_test(test_a_connection_after_the_drain),
        cmocka_unit_test(test_abort_ends_what_is_left),
        cmocka_unit_test(test_a_client_that_does_not_take_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
