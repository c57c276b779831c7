#include "tests/unit/server/front_door_kit.h"

const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const char request[] = "GET / HTTP/1.1\r\n";

uv_loop_t loop;
struct front_door *door;
struct worker workers[2];
static struct worker *const worker_list[] = {&workers[0], &workers[1]};
struct rpc_listener rpc;
bool freed;
enum tls_use relayed_use;
size_t relayed;

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

void close_rest(struct worker *worker)
{
    for (size_t i = 0; i < worker->kept.count; i++) {
        (void)close(worker->kept.fds[i]);
        front_door_closed(door, &worker->kept.peers[i]);
    }
    worker->kept.count = 0;
}

void close_rpc(void)
{
    for (size_t i = 0; i < rpc.kept.count; i++) {
        (void)shutdown(rpc.kept.fds[i], SHUT_RDWR);
        (void)close(rpc.kept.fds[i]);
    }
    rpc.kept.count = 0;
}

size_t n_rest(void)
{
    return workers[0].kept.count + workers[1].kept.count;
}

void open_door(const struct front_door_settings *settings)
{
    char error[256] = "";
    door = front_door_open(&loop, settings, error);
    if (door == NULL)
        fail_msg("%s", error);
    front_door_serve(door, worker_list, 2, &rpc);
}

const struct front_door_settings plain = {.host = "127.0.0.1",
                                          .max_connections = 1000,
                                          .max_connections_per_address = 1000,
                                          .peek_ms = 60};

int door_set_up(void **state)
{
    (void)state;
    memset(workers, 0, sizeof workers);
    memset(&rpc, 0, sizeof rpc);
    freed = false;
    relayed = 0;
    return uv_loop_init(&loop);
}

void on_freed(void *context)
{
    (void)context;
    freed = true;
}

bool is_freed(void *context)
{
    (void)context;
    return freed;
}

bool is_empty(void *context)
{
    (void)context;
    return front_door_connections(door) == 0;
}

int door_tear_down(void **state)
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

void wait_for(size_t rest, size_t rpc_count)
{
    struct expected expected = {rest, rpc_count};
    bool arrived = loop_until(&loop, have_arrived, &expected, 3000, NULL);
    if (!arrived || n_rest() != rest || rpc.kept.count != rpc_count)
        fail_msg("%zu REST and %zu gRPC, expected %zu and %zu", n_rest(), rpc.kept.count, rest,
                 rpc_count);
}

int rest_client(void)
{
    int fd = client_connect(front_door_port(door));
    assert_true(fd >= 0);
    client_say(fd, request);
    return fd;
}

int rpc_client(void)
{
    int fd = client_connect(front_door_grpc_port(door));
    assert_true(fd >= 0);
    client_say(fd, preface);
    return fd;
}
