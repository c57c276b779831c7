/* The front door: how many it lets in, how it counts who leaves, and how it shuts. */
#include "tests/unit/server/front_door_kit.h"

#include <pthread.h>
#include <sys/resource.h>

static size_t count_closed(const int *clients, size_t n)
{
    size_t closed = 0;
    for (size_t i = 0; i < n; i++)
        closed += client_is_closed(clients[i], 0);
    return closed;
}

static void check_cap(const struct front_door_settings *settings)
{
    enum { CLIENTS = 12, CAP = 7 };
    int clients[CLIENTS];
    open_door(settings);
    for (size_t i = 0; i < CLIENTS; i++)
        clients[i] = i % 2 == 0 ? rest_client() : rpc_client();
    (void)loop_for(&loop, 50);
    assert_int_equal(n_rest() + rpc.kept.count, CAP);
    assert_int_equal(front_door_connections(door), CAP);
    assert_int_equal(count_closed(clients, CLIENTS), CLIENTS - CAP);
    /* Places that were left are given to the next, of either protocol. */
    size_t left = n_rest();
    close_rest(&workers[0]);
    close_rest(&workers[1]);
    for (size_t i = 0; i < left; i++)
        (void)loop_for(&loop, 5);
    assert_int_equal(front_door_connections(door), CAP - left);
    size_t rpc_before = rpc.kept.count;
    int next = rpc_client();
    wait_for(0, rpc_before + 1);
    close_rpc();
    assert_true(loop_until(&loop, is_empty, NULL, 2000, NULL));
    for (size_t i = 0; i < CLIENTS; i++)
        (void)close(clients[i]);
    (void)close(next);
}

static void test_cap_in_all(void **state)
{
    (void)state;
    struct front_door_settings settings = plain;
    settings.max_connections = 7;
    check_cap(&settings);
}

static void test_cap_per_address(void **state)
{
    (void)state;
    struct front_door_settings settings = plain;
    settings.max_connections_per_address = 7;
    check_cap(&settings);
}

/* A REST client's end is told by the worker's thread, a gRPC client's end is seen. */
static void *tell_from_elsewhere(void *unused)
{
    (void)unused;
    close_rest(&workers[0]);
    close_rest(&workers[1]);
    return NULL;
}

static void test_ends_are_counted(void **state)
{
    (void)state;
    open_door(&plain);
    int clients[6];
    for (size_t i = 0; i < 6; i++)
        clients[i] = i % 2 == 0 ? rest_client() : rpc_client();
    wait_for(3, 3);
    for (size_t i = 0; i < 6; i++)
        (void)close(clients[i]);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, tell_from_elsewhere, NULL), 0);
    assert_true(loop_until(&loop, is_empty, NULL, 2000, NULL));
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* No descriptors are left: the door rests instead of spinning, on both ports, and whoever waited is
 * let in when there are some again. */
static void test_without_descriptors(void **state)
{
    (void)state;
    struct rlimit limit, few;
    enum { CLIENTS = 6 };
    int clients[CLIENTS];
    open_door(&plain);
    for (size_t i = 0; i < CLIENTS; i++)
        clients[i] = i % 2 == 0 ? rest_client() : rpc_client();
    int lowest_free = dup(clients[0]);
    (void)close(lowest_free);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    few = limit;
    few.rlim_cur = (rlim_t)lowest_free;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    unsigned turns = loop_for(&loop, 250);
    size_t arrived = n_rest() + rpc.kept.count;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(arrived, 0);
    assert_true(turns < 20);
    assert_int_equal(count_closed(clients, CLIENTS), 0);
    wait_for(CLIENTS / 2, CLIENTS / 2);
    /* One descriptor: enough for REST, not for gRPC, which needs two. */
    int more[2] = {rest_client(), rpc_client()};
    lowest_free = dup(clients[0]);
    (void)close(lowest_free);
    few.rlim_cur = (rlim_t)lowest_free + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    turns = loop_for(&loop, 250);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(turns < 20);
    (void)loop_for(&loop, 150);
    assert_int_equal(front_door_connections(door), n_rest() + rpc.kept.count);
    for (size_t i = 0; i < CLIENTS; i++)
        (void)close(clients[i]);
    (void)close(more[0]);
    (void)close(more[1]);
}

/* Who has connected and waits is let in before the sockets close; later ones are refused. */
static void test_shut(void **state)
{
    (void)state;
    open_door(&plain);
    int clients[4] = {rest_client(), rpc_client(), rest_client(), rpc_client()};
    uint16_t port = front_door_port(door), grpc_port = front_door_grpc_port(door);
    for (size_t i = 0; i < 4; i++)
        client_is_heard(clients[i]);
    front_door_shut(door);
    assert_int_equal(n_rest(), 2);
    assert_int_equal(rpc.kept.count, 2);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(client_connect(port), -1);
    assert_int_equal(client_connect(grpc_port), -1);
    assert_int_equal(front_door_connections(door), 4);
    front_door_shut(door); /* again does no harm */
    for (size_t i = 0; i < 4; i++)
        (void)close(clients[i]);
}

/* The door goes while the C core still has connections: its own watches end with it. */
static void test_free_with_watches(void **state)
{
    (void)state;
    open_door(&plain);
    int clients[2] = {rpc_client(), rpc_client()};
    wait_for(0, 2);
    front_door_shut(door);
    front_door_free(door, on_freed, NULL);
    assert_true(loop_until(&loop, is_freed, NULL, 2000, NULL));
    for (size_t i = 0; i < 2; i++) {
        assert_false(client_is_closed(clients[i], 0));
        (void)close(clients[i]);
        (void)close(rpc.kept.fds[i]);
    }
    loop_close(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DOOR_TEST(test_cap_in_all),
        DOOR_TEST(test_cap_per_address),
        DOOR_TEST(test_ends_are_counted),
        DOOR_TEST(test_without_descriptors),
        DOOR_TEST(test_shut),
        cmocka_unit_test_setup(test_free_with_watches, door_set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
