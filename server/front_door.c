#include "server/front_door.h"

#include "server/peek.h"
#include "server/tally.h"
#include "shared/base/log.h"
#include "shared/base/tick.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,
    ACCEPTS_A_TURN = 64,
    MOST_PEEKS = 1024,
    PAUSE_MS = 100, /* after running out of descriptors */
    USER_TIMEOUT_MS = 30000
};

enum speaks { SPEAKS_HTTP1, SPEAKS_GRPC, SPEAKS_EITHER };

struct listener {
    struct front_door *door;
    uv_poll_t poll;
    int fd; /* -1: not used */
    enum speaks speaks;
};

/* A connection whose first bytes have not come yet. */
struct peek {
    struct front_door *door;
    uv_poll_t poll;
    uv_timer_t timer;
    unsigned handles; /* still to be closed */
    int fd;
    struct peer peer;
    enum peek_result result; /* PEEK_MORE: give up */
    struct peek *next, *previous;
};

/* A gRPC connection: the C core has the descriptor, the door a duplicate. */
struct watch {
    struct front_door *door;
    uv_poll_t poll;
    int fd;
    struct peer peer;
    struct watch *next, *previous;
};

/* A connection that went, on its way from a worker to the door. */
struct gone {
    struct gone *next;
    struct peer peer;
};

struct front_door {
    /* Fixed after serve. */
    uv_loop_t *loop;
    struct front_door_settings settings;
    struct worker *const *workers;
    size_t n_workers;
    struct rpc_listener *rpc;

    /* Main thread. */
    struct listener listeners[2];
    uint16_t port, grpc_port;
    struct tally tally;
    size_t next_worker;
    uv_timer_t pause;
    bool serving;
    struct peek *peeks;
    size_t n_peeks;
    struct watch *watches;
    uint64_t refused;
    tick_ms complained_ms;
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

static void complain(struct front_door *door, const char *event, const char *reason)
{
    tick_ms now_ms = tick_now_ms();
    door->refused++;
    if (door->complained_ms != 0 && now_ms < door->complained_ms + 1000)
        return;
    door->complained_ms = now_ms;
    struct log_line line;
    log_begin(&line, LOG_WARNING, "front_door", event);
    log_text(&line, "reason", reason);
    log_u64(&line, "connections", door->tally.open);
    log_u64(&line, "refused", door->refused);
    log_end(&line);
}

/* --- handing over --- */

static void to_worker(struct front_door *door, int fd, const struct peer *peer)
{
    worker_adopt(door->workers[door->next_worker], fd, peer);
    door->next_worker = (door->next_worker + 1) % door->n_workers;
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    struct front_door *door = watch->door;
    (void)close(watch->fd);
    tally_leave(&door->tally, &watch->peer);
    if (watch->next != NULL)
        watch->next->previous = watch->previous;
    if (watch->previous != NULL)
        watch->previous->next = watch->next;
    else
        door->watches = watch->next;
    free(watch);
    settle(door);
}

static void on_watch(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    if (!uv_is_closing((uv_handle_t *)poll))
        uv_close((uv_handle_t *)poll, on_watch_closed);
}

static void to_rpc(struct front_door *door, int fd, const struct peer *peer)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
        (void)close(fd);
        tally_leave(&door->tally, peer);
        complain(door, "connection_refused", "descriptors");
        return;
    }
    struct watch *watch = calloc(1, sizeof *watch);
    must(watch != NULL);
    watch->door = door;
    watch->fd = copy;
    watch->peer = *peer;
    watch->next = door->watches;
    if (watch->next != NULL)
        watch->next->previous = watch;
    door->watches = watch;
    must(uv_poll_init(door->loop, &watch->poll, copy) == 0);
    watch->poll.data = watch;
    must(uv_poll_start(&watch->poll, UV_DISCONNECT, on_watch) == 0);
    rpc_listener_adopt(door->rpc, fd, peer);
}

/* --- deciding on a shared port --- */

static enum peek_result look(int fd)
{
    char bytes[PEEK_BYTES];
    ssize_t got = recv(fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    if (got > 0)
        return peek_decide(span_make(bytes, (size_t)got));
    /* At the end of what was never said, HTTP/1.1 has nobody to answer either. */
    return PEEK_MORE;
}

static void hand_over(struct front_door *door, int fd, const struct peer *peer,
                      enum peek_result result)
{
    int one = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one);
    if (result == PEEK_HTTP2)
        to_rpc(door, fd, peer);
    else
        to_worker(door, fd, peer);
}

static void on_peek_closed(uv_handle_t *handle)
{
    struct peek *peek = handle->data;
    struct front_door *door = peek->door;
    if (--peek->handles > 0)
        return;
    if (peek->result == PEEK_MORE || !door->serving) {
        (void)close(peek->fd);
        tally_leave(&door->tally, &peek->peer);
    } else {
        hand_over(door, peek->fd, &peek->peer, peek->result);
    }
    if (peek->next != NULL)
        peek->next->previous = peek->previous;
    if (peek->previous != NULL)
        peek->previous->next = peek->next;
    else
        door->peeks = peek->next;
    door->n_peeks--;
    free(peek);
    settle(door);
}

static void end_peek(struct peek *peek, enum peek_result result)
{
    if (uv_is_closing((uv_handle_t *)&peek->poll))
        return;
    peek->result = result;
    uv_close((uv_handle_t *)&peek->poll, on_peek_closed);
    uv_close((uv_handle_t *)&peek->timer, on_peek_closed);
}

/* With part of a preface there, a poll that asks for any byte would spin: from now on it asks for
 * the whole. An HTTP/1.1 request that is shorter and came in pieces is then found by the timer. */
static void ask_for_preface(int fd)
{
    int low_water = PEEK_BYTES;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low_water, sizeof low_water);
}

static void on_first_bytes(uv_poll_t *poll, int status, int events)
{
    struct peek *peek = poll->data;
    enum peek_result result = look(peek->fd);
    if (result != PEEK_MORE || status < 0 || (events & UV_DISCONNECT) != 0)
        end_peek(peek, result);
    else
        ask_for_preface(peek->fd);
}

static void on_peek_time(uv_timer_t *timer)
{
    struct peek *peek = timer->data;
    end_peek(peek, look(peek->fd));
}

static void decide(struct front_door *door, int fd, const struct peer *peer)
{
    enum peek_result result = look(fd);
    if (result != PEEK_MORE) {
        hand_over(door, fd, peer, result);
        return;
    }
    if (door->n_peeks >= MOST_PEEKS) {
        (void)close(fd);
        tally_leave(&door->tally, peer);
        complain(door, "connection_refused", "undecided connections");
        return;
    }
    struct peek *peek = calloc(1, sizeof *peek);
    must(peek != NULL);
    *peek = (struct peek){.door = door, .fd = fd, .peer = *peer, .handles = 2, .next = door->peeks};
    if (peek->next != NULL)
        peek->next->previous = peek;
    door->peeks = peek;
    door->n_peeks++;
    must(uv_poll_init(door->loop, &peek->poll, fd) == 0);
    must(uv_timer_init(door->loop, &peek->timer) == 0);
    peek->poll.data = peek->timer.data = peek;
    must(uv_poll_start(&peek->poll, UV_READABLE | UV_DISCONNECT, on_first_bytes) == 0);
    must(uv_timer_start(&peek->timer, on_peek_time, door->settings.peek_ms, 0) == 0);
}

/* --- accepting --- */

static void set_options(int fd)
{
    int one = 1, timeout_ms = USER_TIMEOUT_MS;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
}

static void enter(struct listener *listener, int fd, const struct peer *peer)
{
    struct front_door *door = listener->door;
    enum tally_result result = tally_enter(&door->tally, peer);
    if (result != TALLY_FINE) {
        (void)close(fd);
        complain(door, "connection_refused",
                 result == TALLY_FULL ? "MAX_CONNECTIONS" : "MAX_CONNECTIONS_PER_ADDRESS");
        return;
    }
    set_options(fd);
    switch (listener->speaks) {
    case SPEAKS_HTTP1:
        to_worker(door, fd, peer);
        break;
    case SPEAKS_GRPC:
        to_rpc(door, fd, peer);
        break;
    case SPEAKS_EITHER:
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
static void pause_listeners(struct front_door *door)
{
    for (size_t i = 0; i < 2; i++)
        if (door->listeners[i].fd >= 0)
            (void)uv_poll_stop(&door->listeners[i].poll);
    must(uv_timer_start(&door->pause, on_pause_over, PAUSE_MS, 0) == 0);
    complain(door, "accept_paused", strerror(errno));
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    (void)events;
    if (status < 0) {
        errno = EMFILE;
        pause_listeners(listener->door);
        return;
    }
    for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_storage address = {0};
        socklen_t len = sizeof address;
        int fd =
            accept4(listener->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            struct peer peer = peer_from_sockaddr((const struct sockaddr *)&address);
            enter(listener, fd, &peer);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_listeners(listener->door);
        if (errno != EINTR && errno != ECONNABORTED && errno != EPROTO)
            return;
    }
}

/* --- opening --- */

static int listen_on(const char *host, uint16_t port, char error[256])
{
    char service[8];
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int one = 1, fd = -1;
    (void)snprintf(service, sizeof service, "%u", port);
    int failed = getaddrinfo(host, service, &hints, &found);
    if (failed != 0) {
        (void)snprintf(error, 256, "HOST: %s: %s", host, gai_strerror(failed));
        return -1;
    }
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &one, sizeof one) == 0 &&
        bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) {
        freeaddrinfo(found);
        return fd;
    }
    (void)snprintf(error, 256, "cannot listen on %s port %u: %s", host, port, strerror(errno));
    freeaddrinfo(found);
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    must(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    return peer_from_sockaddr((const struct sockaddr *)&address).port;
}

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
    int fd = listen_on(settings->host, settings->port, error), grpc_fd = -1;
    if (fd < 0)
        return NULL;
    if (!shared && !settings->no_grpc) {
        grpc_fd = listen_on(settings->host, settings->grpc_port, error);
        if (grpc_fd < 0) {
            (void)close(fd);
            return NULL;
        }
    }
    struct front_door *door = calloc(1, sizeof *door);
    must(door != NULL && getrandom(&seed, sizeof seed, 0) == sizeof seed);
    door->loop = loop;
    door->settings = *settings;
    door->listeners[1].fd = -1;
    add_listener(door, 0, fd, shared ? SPEAKS_EITHER : SPEAKS_HTTP1);
    door->port = bound_port(fd);
    if (grpc_fd >= 0) {
        add_listener(door, 1, grpc_fd, SPEAKS_GRPC);
        door->grpc_port = bound_port(grpc_fd);
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
    (void)close(listener->fd);
    listener->fd = -1;
    settle(listener->door);
}

void front_door_shut(struct front_door *door)
{
    door->serving = false;
    (void)uv_timer_stop(&door->pause);
    for (size_t i = 0; i < 2; i++) {
        uv_handle_t *handle = (uv_handle_t *)&door->listeners[i].poll;
        if (door->listeners[i].fd >= 0 && !uv_is_closing(handle))
            uv_close(handle, on_listener_closed);
    }
    for (struct peek *peek = door->peeks; peek != NULL; peek = peek->next)
        end_peek(peek, PEEK_MORE);
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
    if (door->closed == NULL || door->handles > 0 || door->watches != NULL || door->peeks != NULL ||
        door->listeners[0].fd >= 0 || door->listeners[1].fd >= 0)
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
    for (struct watch *watch = door->watches; watch != NULL; watch = watch->next)
        if (!uv_is_closing((uv_handle_t *)&watch->poll))
            uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
    settle(door);
}
