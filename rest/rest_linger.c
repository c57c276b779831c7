/* h2o 2.2.5 closes a socket as soon as its last answer is written. Who is refused in the middle of
 * a body would be reset, and might never read why. So each connection holds its socket a second
 * time, and what is left of one that ends by an answer lingers here: no buffers, but still counted.
 */
#include "rest/rest_internal.h"

#include "shared/base/lingering.h"
#include "shared/base/tick.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CUT_MS = 250 }; /* when the time for the drain is up, for the last answers to arrive */

struct rest_linger {
    struct rest_worker *worker;
    struct link link; /* of the worker's */
    struct peer peer;
    uv_poll_t poll;
    struct timer timer;
    int fd;
    uint32_t dropped;
};

void rest_linger_hold(struct rest_connection *connection, int fd)
{
    connection->held =
        fcntl(fd, F_DUPFD_CLOEXEC, 0); /* without descriptors there is no lingering */
}

void rest_linger_waive(struct rest_connection *connection)
{
    if (connection->held >= 0)
        (void)close(connection->held);
    connection->held = -1;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct rest_linger *linger = handle->data;
    (void)close(linger->fd);
    rest_connection_over(linger->worker, &linger->peer);
    free(linger);
}

static void end(struct rest_linger *linger)
{
    link_remove(&linger->link);
    timers_cancel(linger->worker->core_worker->timers, &linger->timer);
    uv_close((uv_handle_t *)&linger->poll, on_poll_closed);
}

static void on_time(struct timer *timer, tick_ms now_ms)
{
    (void)now_ms;
    end(container_of(timer, struct rest_linger, timer));
}

static void on_heard(uv_poll_t *poll, int status, int events)
{
    struct rest_linger *linger = poll->data;
    (void)events;
    if (status < 0 || !lingering_drop(linger->fd, &linger->dropped))
        end(linger);
}

/* What was said last ended the connection, and the client is there, and may have something to say
 * still. */
static bool is_to_linger(const struct rest_connection *connection)
{
    char byte;
    if (connection->held < 0 || connection->socket->bytes_written == connection->bytes_before_last)
        return false;
    ssize_t got = recv(connection->held, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got > 0 || (got < 0 && errno == EAGAIN && !connection->client_ends);
}

static uint64_t time_for(const struct rest_worker *worker)
{
    return worker->cut ? CUT_MS : worker->draining ? LINGERING_DRAIN_MS : LINGERING_MS;
}

bool rest_linger_begin(struct rest_connection *connection)
{
    struct rest_worker *worker = connection->worker;
    if (!is_to_linger(connection)) {
        rest_linger_waive(connection);
        return false;
    }
    struct rest_linger *linger = calloc(1, sizeof *linger);
    must(linger != NULL);
    if (uv_poll_init(worker->loop, &linger->poll, connection->held) != 0) {
        rest_linger_waive(connection);
        free(linger);
        return false;
    }
    linger->worker = worker;
    linger->peer = connection->peer;
    linger->fd = connection->held;
    linger->poll.data = linger;
    linger->timer.fire = on_time;
    link_init(&linger->link);
    link_append(&worker->lingering, &linger->link);
    connection->held = -1;
    (void)shutdown(linger->fd, SHUT_WR);
    must(uv_poll_start(&linger->poll, UV_READABLE, on_heard) == 0);
    timers_set(worker->core_worker->timers, &linger->timer, tick_now_ms() + time_for(worker));
    return true;
}

void rest_linger_hasten(struct rest_worker *worker)
{
    tick_ms last_ms = tick_now_ms() + time_for(worker);
    for (struct link *at = worker->lingering.after; at != &worker->lingering; at = at->after) {
        struct rest_linger *linger = container_of(at, struct rest_linger, link);
        if (linger->timer.due_ms > last_ms)
            timers_set(worker->core_worker->timers, &linger->timer, last_ms);
    }
}

void rest_linger_abort(struct rest_worker *worker)
{
    while (!link_is_alone(&worker->lingering))
        end(container_of(worker->lingering.after, struct rest_linger, link));
}
