#include "server/front_door.h"

#include "server/lobby.h"
#include "server/socket.h"
#include "server/tally.h"
#include "server/watch.h"
#include "shared/base/log.h"
#include "shared/base/tick.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    ACCEPTS_A_TURN = 64,
    LAST_ACCEPTS = 1024, /* of what waits when the door shuts */
    PAUSE_MS = 100,      /* after running out of descriptors */
    COMPLAIN_MS = 1000
};

enum speaks { SPEAKS_REST, SPEAKS_GRPC, SPEAKS_EITHER };

struct listener {
    struct front_door *door;
    uv_poll_t poll;
    int fd; /* -1: not used */
    enum speaks speaks;
};

/* Something that may happen very often, and is logged once a second at most. */
struct complaint {
    const char *event;
    uint64_t count;
    tick_ms again_ms; /* not logged before */
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

    /* Main thread. */
    struct listener listeners[2];
    bool guard, tls, rest_http2;
    uint16_t port, grpc_port;
    struct tally tally;
    size_t next_worker;
    uv_timer_t pause;
    bool serving;
    struct lobby lobby;
    struct watch_list watches; /* of the gRPC connections */
    struct complaint refused, paused;
    unsigned handles;              /* of the door's own, still to be closed */
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

static void complain(struct front_door *door, struct complaint *what, const char *reason)
{
    tick_ms now_ms = tick_now_ms();
    what->count++;
    if (now_ms < what->again_ms)
        return;
    what->again_ms = now_ms + COMPLAIN_MS;
    struct log_line line;
    log_begin(&line, LOG_WARNING, "front_door", what->event);
    log_text(&line, "reason", reason);
    log_u64(&line, "connections", door->tally.open);
    log_u64(&line, "times", what->count);
    log_end(&line);
}

/* Ends a connection that was counted but not handed over. */
static void drop(struct front_door *door, int fd, const struct peer *peer)
{
    (void)close(fd);
    tally_leave(&door->tally, peer);
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
    drop(door, fd, peer);
    complain(door, &door->refused, "descriptors");
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

static void on_leave_lobby(void *context, int fd, const struct peer *peer, enum peek_result result)
{
    struct front_door *door = context;
    if (result == PEEK_MORE || !door->serving)
        drop(door, fd, peer);
    else
        hand_over(door, fd, peer, result);
    settle(door);
}

static void decide(struct front_door *door, int fd, const struct peer *peer)
{
    enum peek_result result = lobby_look(fd);
    if (result != PEEK_MORE) {
        hand_over(door, fd, peer, result);
    } else if (!lobby_enter(&door->lobby, fd, peer)) {
        drop(door, fd, peer);
        complain(door, &door->refused, "undecided connections");
    }
}

/* --- accepting --- */

static void enter(struct listener *listener, int fd, const struct peer *peer)
{
    struct front_door *door = listener->door;
    enum tally_result result = tally_enter(&door->tally, peer);
    if (result != TALLY_FINE) {
        (void)close(fd);
        complain(door, &door->refused,
                 result == TALLY_FULL ? "MAX_CONNECTIONS" : "MAX_CONNECTIONS_PER_ADDRESS");
        return;
    }
    switch (listener->speaks) {
    case SPEAKS_REST:
        if (door->rest_http2 && !door->tls)
            decide(door, fd, peer);
        else
            to_worker(door, fd, peer);
        break;
    case SPEAKS_GRPC:
        to_rpc(door, fd, peer);
        break;
    case SPEAKS_EITHER:
        if (door->tls) /* nobody can peek: ALPN will tell */
            worker_relay(next_worker(door), fd, peer, TLS_EITHER);
        else
            decide(door, fd, peer);
        break;
    }
}

static void on_connection(uv_poll_t *poll, int status, int events);

static void start_listeners(struct front_door *door)
{
    for (size_t i = 0; i < 2; i++)
        if (door->listeners[i].fd >= 0)
            must(uv_poll_start(&door->listeners[i].poll, UV_READABLE, on_connection) == 0);
}

static void on_pause_over(uv_timer_t *timer)
{
    struct front_door *door = timer->data;
    if (door->serving)
        start_listeners(door);
}

/* Without descriptors accept fails at once and the poll would spin: both listeners rest a while,
 * and who waits in the backlog is served when there are descriptors again. */
static void pause_listeners(struct front_door *door, const char *reason)
{
    for (size_t i = 0; i < 2; i++)
        if (door->listeners[i].fd >= 0)
            (void)uv_poll_stop(&door->listeners[i].poll);
    must(uv_timer_start(&door->pause, on_pause_over, PAUSE_MS, 0) == 0);
    complain(door, &door->paused, reason);
}

/* Lets in who waits, `most` at most. Returns 0 when there is nobody left or enough were let in,
 * else what is in the way. */
static int accept_waiting(struct listener *listener, unsigned most)
{
    for (unsigned i = 0; i < most; i++) {
        struct peer peer;
        int fd = socket_accept(listener->fd, &peer);
        if (fd >= 0) {
            enter(listener, fd, &peer);
            continue;
        }
        switch (errno) {
        case EAGAIN:
            return 0;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
        case EBADF:
        case EINVAL:
            return errno;
        default: /* that one connection went wrong (accept(2)) */
            break;
        }
    }
    return 0;
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    (void)events;
    int problem = status < 0 ? -status : accept_waiting(listener, ACCEPTS_A_TURN);
    if (problem != 0)
        pause_listeners(listener->door, strerror(problem));
}

/* --- opening --- */

static void add_listener(struct front_door *door, size_t index, int fd, enum speaks speaks)
{
    struct listener *listener = &door->listeners[index];
    *listener = (struct listener){.door = door, .fd = fd, .speaks = speaks};
    must(uv_poll_init(door->loop, &listener->poll, fd) == 0);
    listener->poll.data = listener;
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
    door->refused.event = "connection_refused";
    door->paused.event = "accept_paused";
    door->lobby = (struct lobby){
        .loop = loop, .wait_ms = settings->peek_ms, .leave = on_leave_lobby, .context = door};
    door->watches =
        (struct watch_list){.loop = loop, .ended = on_rpc_connection_ended, .context = door};
    door->listeners[1].fd = -1;
    door->guard = settings->guard;
    door->tls = settings->tls;
    door->rest_http2 = settings->rest_http2;
    must(!shared || !settings->rest_http2);
    add_listener(door, 0, fd, shared ? SPEAKS_EITHER : SPEAKS_REST);
    door->port = socket_port(fd);
    if (grpc_fd >= 0) {
        add_listener(door, 1, grpc_fd, SPEAKS_GRPC);
        door->grpc_port = socket_port(grpc_fd);
    } else if (shared) {
        door->grpc_port = door->port;
    }
    tally_init(&door->tally, settings->max_connections, settings->max_connections_per_address,
               seed);
    must(uv_timer_init(loop, &door->pause) == 0);
    must(uv_async_init(loop, &door->wake, on_gone) == 0);
    door->pause.data = door->wake.data = door;
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
    start_listeners(door);
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

/* --- closing --- */

static void on_listener_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;
    /* Who came since the door was shut; whoever comes between here and the close is refused. */
    if (listener->door->workers != NULL && listener->door->closed == NULL)
        (void)accept_waiting(listener, LAST_ACCEPTS);
    (void)close(listener->fd);
    listener->fd = -1;
    settle(listener->door);
}

/* Who waits in the backlog may have sent a request: closing the socket would reset that. */
static void accept_the_last(struct front_door *door)
{
    for (size_t i = 0; i < 2; i++)
        if (door->serving && door->listeners[i].fd >= 0)
            (void)accept_waiting(&door->listeners[i], LAST_ACCEPTS);
}

void front_door_shut(struct front_door *door)
{
    accept_the_last(door);
    door->serving = false;
    (void)uv_timer_stop(&door->pause);
    for (size_t i = 0; i < 2; i++) {
        uv_handle_t *handle = (uv_handle_t *)&door->listeners[i].poll;
        if (door->listeners[i].fd >= 0 && !uv_is_closing(handle))
            uv_close(handle, on_listener_closed);
    }
    lobby_clear(&door->lobby);
}

static void on_closed(uv_handle_t *handle)
{
    struct front_door *door = handle->data;
    if (--door->handles > 0)
        return;
    on_gone(&door->wake); /* what came in between */
    tally_fini(&door->tally);
    (void)pthread_mutex_destroy(&door->synced.mutex);
    void (*closed)(void *) = door->closed;
    void *context = door->context;
    free(door);
    closed(context);
}

/* libuv calls close callbacks newest first: the door's own handles go when nothing else is left
 * that refers to the door. */
static void settle(struct front_door *door)
{
    if (door->closed == NULL || door->handles > 0 || door->watches.count > 0 ||
        door->lobby.count > 0 || door->listeners[0].fd >= 0 || door->listeners[1].fd >= 0)
        return;
    door->handles = 2;
    uv_close((uv_handle_t *)&door->pause, on_closed);
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
