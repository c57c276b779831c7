#include "server/front_door.h"

#include "server/entrance.h"
#include "server/lobby.h"
#include "server/peek.h"
#include "server/socket.h"
#include "server/watch.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum speaks { SPEAKS_REST, SPEAKS_GRPC, SPEAKS_EITHER };

struct port {
    struct front_door *door;
    enum speaks speaks;
    struct entrance entrance;
};

/* A connection that went, on its way from a worker to the door. */
struct gone {
    struct gone *next;
    struct peer peer;
};

struct front_door {
    /* Fixed after serve. */
    uv_loop_t *loop;
    struct worker *const *workers;
    size_t n_workers;
    struct rpc_listener *rpc;
    struct cidr_list balancers; /* owned */

    /* Main thread. */
    struct port ports[2];
    bool guard, tls, rest_http2;
    uint16_t port, grpc_port;
    struct tally tally;
    size_t next_worker;
    bool serving;
    struct lobby lobby;        /* whose protocol is not yet known */
    struct watch_list watches; /* of the gRPC connections */
    struct refusals refusals;
    void (*closed)(void *context); /* not NULL: free was asked for */
    void *context;

    /* Any thread. */
    uv_async_t wake;
    struct {
        pthread_mutex_t mutex;
        struct gone *gone;
    } synced;
};

static void settle(struct front_door *door);

/* Ends a connection that was counted but not handed over. */
static void drop(struct front_door *door, int fd, const struct peer *peer)
{
    (void)close(fd);
    tally_leave(&door->tally, peer);
}

static void refuse(struct front_door *door, int fd, const struct peer *peer, enum refusal refusal)
{
    drop(door, fd, peer);
    refusals_add(&door->refusals, refusal, peer, door->tally.open);
}

/* --- handing over --- */

static struct worker *next_worker(struct front_door *door)
{
    struct worker *worker = door->workers[door->next_worker];
    door->next_worker = (door->next_worker + 1) % door->n_workers;
    return worker;
}

static void to_worker(struct front_door *door, int fd, const struct peer *peer)
{
    if (door->tls)
        worker_relay(next_worker(door), fd, peer, door->rest_http2 ? TLS_REST_2 : TLS_REST);
    else
        worker_adopt(next_worker(door), fd, peer);
}

static void to_rpc(struct front_door *door, int fd, const struct peer *peer)
{
    if (door->guard || door->tls) {
        worker_relay(next_worker(door), fd, peer, TLS_RPC);
        return;
    }
    if (watch_add(&door->watches, fd, peer)) {
        rpc_listener_adopt(door->rpc, fd, peer, NULL);
        return;
    }
    refuse(door, fd, peer, REFUSAL_DESCRIPTORS);
}

static void on_rpc_connection_ended(void *context, const struct peer *peer)
{
    struct front_door *door = context;
    tally_leave(&door->tally, peer);
    settle(door);
}

static void hand_over(struct front_door *door, int fd, const struct peer *peer,
                      enum peek_result result)
{
    if (result == PEEK_HTTP2 && door->rest_http2)
        worker_relay(next_worker(door), fd, peer, TLS_REST_2);
    else if (result == PEEK_HTTP2)
        to_rpc(door, fd, peer);
    else
        to_worker(door, fd, peer);
}

/* --- deciding on a port of several protocols --- */

static void on_leave_lobby(void *context, int fd, const struct peer *peer, bool decided)
{
    struct front_door *door = context;
    if (!decided || !door->serving)
        drop(door, fd, peer);
    else
        hand_over(door, fd, peer, peek_look(fd));
    settle(door);
}

static void decide(struct front_door *door, int fd, const struct peer *peer)
{
    enum peek_result result = peek_look(fd);
    if (result != PEEK_MORE) {
        hand_over(door, fd, peer, result);
    } else if (!lobby_enter(&door->lobby, fd, peer)) {
        refuse(door, fd, peer, REFUSAL_UNDECIDED);
    }
}

/* --- letting in --- */

static void on_arrived(void *context, int fd, const struct peer *client)
{
    const struct port *port = context;
    struct front_door *door = port->door;
    if (door->closed != NULL) { /* nobody is there any more */
        drop(door, fd, client);
        return;
    }
    switch (port->speaks) {
    case SPEAKS_REST:
        if (door->rest_http2 && !door->tls)
            decide(door, fd, client);
        else
            to_worker(door, fd, client);
        break;
    case SPEAKS_GRPC:
        to_rpc(door, fd, client);
        break;
    case SPEAKS_EITHER:
        if (door->tls) /* nobody can peek: ALPN will tell */
            worker_relay(next_worker(door), fd, client, TLS_EITHER);
        else
            decide(door, fd, client);
        break;
    }
}

static void on_entrance_closed(void *context)
{
    const struct port *port = context;
    settle(port->door);
}

/* --- opening --- */

static void add_port(struct front_door *door, size_t index, int fd, enum speaks speaks,
                     uint64_t header_ms)
{
    struct port *port = &door->ports[index];
    port->door = door;
    port->speaks = speaks;
    port->entrance = (struct entrance){.tally = &door->tally,
                                       .refusals = &door->refusals,
                                       .balancers = &door->balancers,
                                       .header_ms = header_ms,
                                       .arrived = on_arrived,
                                       .closed = on_entrance_closed,
                                       .context = port};
    entrance_open(&port->entrance, door->loop, fd);
}

static void on_gone(uv_async_t *wake)
{
    struct front_door *door = wake->data;
    (void)pthread_mutex_lock(&door->synced.mutex);
    struct gone *gone = door->synced.gone;
    door->synced.gone = NULL;
    (void)pthread_mutex_unlock(&door->synced.mutex);
    while (gone != NULL) {
        struct gone *next = gone->next;
        tally_leave(&door->tally, &gone->peer);
        free(gone);
        gone = next;
    }
}

struct front_door *front_door_open(uv_loop_t *loop, const struct front_door_settings *settings,
                                   char error[256])
{
    uint64_t seed = 0;
    bool shared = settings->single_port && !settings->no_grpc;
    int fd = socket_listen(settings->host, settings->port, "HOST", "PORT", error), grpc_fd = -1;
    if (fd < 0)
        return NULL;
    if (!shared && !settings->no_grpc) {
        grpc_fd = socket_listen(settings->host, settings->grpc_port, "HOST", "GRPC_PORT", error);
        if (grpc_fd < 0) {
            (void)close(fd);
            return NULL;
        }
    }
    struct front_door *door = calloc(1, sizeof *door);
    must(door != NULL && getrandom(&seed, sizeof seed, 0) == sizeof seed);
    door->loop = loop;
    door->balancers = settings->balancers;
    door->refusals.complaint.event = "connection_refused";
    door->lobby = (struct lobby){.loop = loop,
                                 .wait_ms = settings->peek_ms,
                                 .look = peek_wants,
                                 .leave = on_leave_lobby,
                                 .context = door};
    door->watches =
        (struct watch_list){.loop = loop, .ended = on_rpc_connection_ended, .context = door};
    door->guard = settings->guard;
    door->tls = settings->tls;
    door->rest_http2 = settings->rest_http2;
    must(!shared || !settings->rest_http2);
    add_port(door, 0, fd, shared ? SPEAKS_EITHER : SPEAKS_REST, settings->header_ms);
    door->port = socket_port(fd);
    if (grpc_fd >= 0) {
        add_port(door, 1, grpc_fd, SPEAKS_GRPC, settings->header_ms);
        door->grpc_port = socket_port(grpc_fd);
    } else if (shared) {
        door->grpc_port = door->port;
    }
    tally_init(&door->tally, settings->max_connections, settings->max_connections_per_address,
               seed);
    must(uv_async_init(loop, &door->wake, on_gone) == 0);
    door->wake.data = door;
    must(pthread_mutex_init(&door->synced.mutex, NULL) == 0);
    return door;
}

uint16_t front_door_port(const struct front_door *door)
{
    return door->port;
}

uint16_t front_door_grpc_port(const struct front_door *door)
{
    return door->grpc_port;
}

void front_door_serve(struct front_door *door, struct worker *const *workers, size_t n_workers,
                      struct rpc_listener *rpc)
{
    door->workers = workers;
    door->n_workers = n_workers;
    door->rpc = rpc;
    door->serving = true;
    for (size_t i = 0; i < 2; i++)
        entrance_start(&door->ports[i].entrance);
}

void front_door_closed(struct front_door *door, const struct peer *peer)
{
    struct gone *gone = calloc(1, sizeof *gone);
    must(gone != NULL);
    gone->peer = *peer;
    (void)pthread_mutex_lock(&door->synced.mutex);
    gone->next = door->synced.gone;
    door->synced.gone = gone;
    (void)pthread_mutex_unlock(&door->synced.mutex);
    must(uv_async_send(&door->wake) == 0);
}

size_t front_door_connections(const struct front_door *door)
{
    return door->tally.open;
}

uint64_t front_door_refused(const struct front_door *door, enum refusal refusal)
{
    must(refusal < REFUSALS);
    return door->refusals.counts[refusal];
}

/* --- closing --- */

void front_door_shut(struct front_door *door)
{
    for (size_t i = 0; i < 2; i++)
        entrance_shut(&door->ports[i].entrance);
    door->serving = false;
    lobby_clear(&door->lobby);
}

static void on_closed(uv_handle_t *handle)
{
    struct front_door *door = handle->data;
    on_gone(&door->wake); /* what came in between */
    tally_fini(&door->tally);
    cidr_list_free(&door->balancers);
    (void)pthread_mutex_destroy(&door->synced.mutex);
    void (*closed)(void *) = door->closed;
    void *context = door->context;
    free(door);
    closed(context);
}

/* libuv calls close callbacks newest first: the door's own handle goes when nothing else is left
 * that refers to the door. */
static void settle(struct front_door *door)
{
    if (door->closed == NULL || door->watches.count > 0 || door->lobby.count > 0)
        return;
    for (size_t i = 0; i < 2; i++)
        if (!entrance_is_closed(&door->ports[i].entrance))
            return;
    if (!uv_is_closing((uv_handle_t *)&door->wake))
        uv_close((uv_handle_t *)&door->wake, on_closed);
}

void front_door_free(struct front_door *door, void (*closed)(void *context), void *context)
{
    must(!door->serving);
    front_door_shut(door);
    door->closed = closed;
    door->context = context;
    watch_clear(&door->watches);
    settle(door);
}
