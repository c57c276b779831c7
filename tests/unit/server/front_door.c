/* The front door over real loopback sockets, with a worker and a gRPC listener that only keep what
 * they are given. */
#include "server/front_door.h"

#include "tests/unit/server/loop_kit.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { MOST = 64 };

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
static const char request[] = "GET / HTTP/1.1\r\n";

struct kept {
    int fds[MOST];
    struct peer peers[MOST];
    size_t count;
};

/* Stand-ins for what the door hands over to. */
struct worker {
    struct kept kept;
};
struct rpc_listener {
    struct kept kept;
};

static uv_loop_t loop;
static struct front_door *door;
static struct worker workers[2];
static struct worker *const worker_list[] = {&workers[0], &workers[1]};
static struct rpc_listener rpc;
static bool freed;
static enum tls_use relayed_use;
static size_t relayed;

static void keep(struct kept *kept, int fd, const struct peer *peer)
{
    assert_true(kept->count < MOST);
    kept->fds[kept->count] = fd;
    kept->peers[kept->count++] = *peer;
}

void worker_adopt(struct worker *worker, int fd, const struct peer *peer)
{
    keep(&worker->kept, fd, peer);
}

void worker_relay(struct worker *worker, int fd, const struct peer *peer, enum tls_use use)
{
    assert_int_equal(use, relayed_use);
    relayed++;
    keep(&worker->kept, fd, peer);
}

void rpc_listener_adopt(struct rpc_listener *listener, int fd, const struct peer *peer,
                        struct certificate *certificate)
{
    assert_null(certificate);
    keep(&listener->kept, fd, peer);
}

/* As the REST listener does: closes its connections and tells. */
static void close_rest(struct worker *worker)
{
    for (size_t i = 0; i < worker->kept.count; i++) {
        (void)close(worker->kept.fds[i]);
        front_door_closed(door, &worker->kept.peers[i]);
    }
    worker->kept.count = 0;
}

/* As the C core does: shuts down, closes, and tells nobody. */
static void close_rpc(void)
{
    for (size_t i = 0; i < rpc.kept.count; i++) {
        (void)shutdown(rpc.kept.fds[i], SHUT_RDWR);
        (void)close(rpc.kept.fds[i]);
    }
    rpc.kept.count = 0;
}

static size_t n_rest(void)
{
    return workers[0].kept.count + workers[1].kept.count;
}

static void open_door(const struct front_door_settings *settings)
{
    char error[256] = "";
    door = front_door_open(&loop, settings, error);
    if (door == NULL)
        fail_msg("%s", error);
    front_door_serve(door, worker_list, 2, &rpc);
}

static const struct front_door_settings plain = {.host = "127.0.0.1",
                                                 .max_connections = 1000,
                                                 .max_connections_per_address = 1000,
                                                 .peek_ms = 60};

static int setup(void **state)
{
    (void)state;
    memset(workers, 0, sizeof workers);
    memset(&rpc, 0, sizeof rpc);
    freed = false;
    relayed = 0;
    return uv_loop_init(&loop);
}

static void on_freed(void *context)
{
    (void)context;
    freed = true;
}

static bool is_freed(void *context)
{
    (void)context;
    return freed;
}

static bool is_empty(void *context)
{
    (void)context;
    return front_door_connections(door) == 0;
}

/* Everybody leaves, nothing stays counted, and the loop has nothing left on it. */
static int teardown(void **state)
{
    (void)state;
    front_door_shut(door);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    close_rest(&workers[0]);
    close_rest(&workers[1]);
    close_rpc();
    bool empty = loop_until(&loop, is_empty, NULL, 2000, NULL);
    front_door_free(door, on_freed, NULL);
    bool gone = loop_until(&loop, is_freed, NULL, 2000, NULL);
    loop_close(&loop);
    return empty && gone ? 0 : 1;
}

struct expected {
    size_t rest, rpc;
};

static bool have_arrived(void *context)
{
    const struct expected *expected = context;
    return n_rest() >= expected->rest && rpc.kept.count >= expected->rpc;
}

static void wait_for(size_t rest, size_t rpc_count)
{
    struct expected expected = {rest, rpc_count};
    bool arrived = loop_until(&loop, have_arrived, &expected, 3000, NULL);
    if (!arrived || n_rest() != rest || rpc.kept.count != rpc_count)
        fail_msg("%zu REST and %zu gRPC, expected %zu and %zu", n_rest(), rpc.kept.count, rest,
                 rpc_count);
}

static int rest_client(void)
{
    int fd = client_connect(front_door_port(door));
    assert_true(fd >= 0);
    client_say(fd, request);
    return fd;
}

static int rpc_client(void)
{
    int fd = client_connect(front_door_grpc_port(door));
    assert_true(fd >= 0);
    client_say(fd, preface);
    return fd;
}

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
        cmocka_unit_test_setup_teardown(test_two_ports, setup, teardown),
        cmocka_unit_test_setup_teardown(test_options, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_grpc, setup, teardown),
        cmocka_unit_test_setup_teardown(test_single_port, setup, teardown),
        cmocka_unit_test_setup_teardown(test_guarded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_single_port_with_tls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_a_preface, setup, teardown),
        cmocka_unit_test_setup_teardown(test_both_address_families, setup, teardown),
        cmocka_unit_test_setup_teardown(test_does_not_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cap_in_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cap_per_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ends_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_descriptors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shut, setup, teardown),
        cmocka_unit_test_setup(test_free_with_watches, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
