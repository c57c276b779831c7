/* The front door: where it listens, and whom it hands each connection to. */
#include "tests/unit/server/front_door_kit.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

static void test_two_ports(void **state)
{
    (void)state;
    open_door(&plain);
    assert_true(front_door_port(door) != 0 && front_door_grpc_port(door) != 0);
    assert_int_not_equal(front_door_port(door), front_door_grpc_port(door));
    int clients[4] = {rest_client(), rest_client(), rpc_client(), rest_client()};
    wait_for(3, 1);
    assert_int_equal(workers[0].kept.count, 2); /* in turns */
    assert_int_equal(workers[1].kept.count, 1);
    assert_int_equal(front_door_connections(door), 4);
    assert_true(peer_is_loopback(&workers[0].kept.peers[0]));
    struct sockaddr_in own = {0};
    socklen_t len = sizeof own;
    assert_int_equal(getsockname(clients[2], (struct sockaddr *)&own, &len), 0);
    assert_int_equal(rpc.kept.peers[0].port, ntohs(own.sin_port));
    for (size_t i = 0; i < 4; i++)
        (void)close(clients[i]);
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static void test_options(void **state)
{
    (void)state;
    open_door(&plain);
    int client = rest_client();
    wait_for(1, 0);
    int fd = workers[0].kept.fds[0];
    assert_true(option(fd, IPPROTO_TCP, TCP_NODELAY) != 0);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 30000);
    assert_true(option(fd, SOL_SOCKET, SO_KEEPALIVE) != 0);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    assert_int_equal(option(fd, SOL_SOCKET, SO_RCVLOWAT), 1);
    (void)close(client);
}

static void test_no_grpc(void **state)
{
    (void)state;
    struct front_door_settings settings = plain;
    settings.no_grpc = settings.single_port = true;
    open_door(&settings);
    assert_int_equal(front_door_grpc_port(door), 0);
    int clients[2] = {rest_client(), client_connect(front_door_port(door))};
    client_say(clients[1], preface); /* h2o's to refuse */
    wait_for(2, 0);
    (void)close(clients[0]);
    (void)close(clients[1]);
}

static void test_single_port(void **state)
{
    (void)state;
    struct front_door_settings settings = plain;
    settings.single_port = true;
    open_door(&settings);
    assert_int_equal(front_door_port(door), front_door_grpc_port(door));
    int clients[4] = {rest_client(), rpc_client(), client_connect(front_door_port(door)),
                      client_connect(front_door_port(door))};
    wait_for(1, 1);
    /* in pieces, decided later */
    client_say(clients[2], "PRI * HT");
    client_say(clients[3], "P");
    (void)loop_for(&loop, 10);
    assert_int_equal(front_door_connections(door), 4);
    client_say(clients[2], "TP/2.0\r\n\r\nSM\r\n\r\n");
    client_say(clients[3], "OST / HTTP/1.1\r\nHost: a\r\n");
    wait_for(2, 2);
    for (size_t i = 0; i < 4; i++)
        (void)close(clients[i]);
}

/* With guards, gRPC goes to the workers, which count its end like that of REST. */
static void test_guarded(void **state)
{
    (void)state;
    struct front_door_settings settings = plain;
    settings.guard = true;
    relayed_use = TLS_RPC;
    open_door(&settings);
    int clients[3] = {rpc_client(), rest_client(), rpc_client()};
    wait_for(3, 0);
    assert_int_equal(relayed, 2);
    for (size_t i = 0; i < 3; i++)
        (void)close(clients[i]);
}

/* Behind TLS nobody can peek: all of a shared port goes to the guards at once. */
static void test_single_port_with_tls(void **state)
{
    (void)state;
    struct front_door_settings settings = plain;
    settings.guard = settings.single_port = settings.tls = true;
    relayed_use = TLS_EITHER;
    open_door(&settings);
    int clients[2] = {rpc_client(), rest_client()};
    wait_for(2, 0);
    assert_int_equal(relayed, 2);
    for (size_t i = 0; i < 2; i++)
        (void)close(clients[i]);
}

/* A client that says half a preface is closed, and no longer counted. */
static void test_half_a_preface(void **state)
{
    (void)state;
    struct front_door_settings settings = plain;
    settings.single_port = true;
    open_door(&settings);
    int client = client_connect(front_door_port(door));
    client_say(client, "PRI * HTTP/2.0\r\n");
    (void)loop_for(&loop, 20);
    assert_int_equal(front_door_connections(door), 1);
    unsigned turns = 0;
    assert_true(loop_until(&loop, is_empty, NULL, 2000, &turns));
    assert_true(turns < 10);
    assert_true(client_is_closed(client, 1000));
    (void)close(client);
    /* one that is still undecided when the door shuts */
    client = client_connect(front_door_port(door));
    client_say(client, "PRI");
    (void)loop_for(&loop, 20);
    assert_int_equal(front_door_connections(door), 1);
    front_door_shut(door);
    assert_true(loop_until(&loop, is_empty, NULL, 1000, NULL));
    (void)close(client);
}

static void test_both_address_families(void **state)
{
    (void)state;
    struct front_door_settings settings = plain;
    settings.host = "::";
    open_door(&settings);
    int v6 = client_connect_v6(front_door_port(door)), v4 = rest_client();
    size_t expected = 1;
    if (v6 >= 0) { /* machines without IPv6 have the IPv4 half at least */
        client_say(v6, request);
        expected = 2;
    }
    wait_for(expected, 0);
    (void)close(v4);
    if (v6 >= 0)
        (void)close(v6);
}

static void test_does_not_open(void **state)
{
    (void)state;
    char error[256] = "";
    struct front_door_settings settings = plain;
    open_door(&plain);
    settings.port = front_door_port(door);
    assert_null(front_door_open(&loop, &settings, error));
    assert_non_null(strstr(error, "PORT: cannot listen on 127.0.0.1 port "));
    settings.port = 0;
    settings.grpc_port = front_door_grpc_port(door);
    assert_null(front_door_open(&loop, &settings, error));
    assert_memory_equal(error, "GRPC_PORT: ", 11);
    settings = plain;
    settings.host = "192.0.2.1"; /* not of this machine */
    assert_null(front_door_open(&loop, &settings, error));
    assert_memory_equal(error, "HOST: ", 6);
    settings.host = "no such host!";
    assert_null(front_door_open(&loop, &settings, error));
    assert_memory_equal(error, "HOST: ", 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DOOR_TEST(test_two_ports),      DOOR_TEST(test_options),
        DOOR_TEST(test_no_grpc),        DOOR_TEST(test_single_port),
        DOOR_TEST(test_guarded),        DOOR_TEST(test_single_port_with_tls),
        DOOR_TEST(test_half_a_preface), DOOR_TEST(test_both_address_families),
        DOOR_TEST(test_does_not_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
