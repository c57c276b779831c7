/* The drain of a worker's REST connections (D1). HTTP/1.1 has no way to say good-bye but on a
 * response, and a connection that is closed while a request is on its way loses that request
 * without a word. So connections that were in use a moment ago get the time for one more request,
 * which is answered with Connection: close; those that have been idle for longer are closed at
 * once. */
#include "rest/rest_internal.h"
#include "shared/base/tick.h"

#include <sys/socket.h>

enum {
    LINGER_MS = 1000,    /* since a connection's last response */
    HALF_READ_MS = 3000, /* for the rest of a request, since the drain began */
    LOOK_MS = 50
};

/* h2o keeps the head of a request in the socket's input until the request is over. */
static bool is_half_read(const struct rest_connection *connection)
{
    return connection->socket->input != NULL && connection->socket->input->size > 0;
}

static tick_ms end_of(const struct rest_connection *connection)
{
    const struct rest_worker *worker = connection->worker;
    if (worker->cut)
        return 0;
    return is_half_read(connection) ? worker->drained_ms + HALF_READ_MS
                                    : connection->active_ms + LINGER_MS;
}

/* The guard has asked the client to open no more streams, which takes a while to arrive. Bodies may
 * be on their way; who is still at it when the time for that is over may lose them. */
static tick_ms end_of_http2(struct rest_connection *connection, tick_ms now_ms)
{
    const struct rest_worker *worker = connection->worker;
    /* h2o sets this at each read, to how much came, and has no use for it afterwards. */
    if (connection->socket->bytes_read > 0)
        connection->active_ms = now_ms;
    connection->socket->bytes_read = 0;
    tick_ms last_ms = worker->drained_ms + HALF_READ_MS;
    tick_ms end_ms = connection->active_ms + LINGER_MS;
    return worker->cut ? 0 : end_ms < last_ms ? end_ms : last_ms;
}

/* At the end of input h2o closes what has no response under way. A response that is still to begin
 * ends its connection by itself, and says so; one that has begun has told the client that the
 * connection stays, so that lingers like any other. */
static void look_at(struct rest_connection *connection, tick_ms now_ms)
{
    tick_ms end_ms = connection->http2 ? end_of_http2(connection, now_ms) : end_of(connection);
    if (connection->calls == NULL && now_ms >= end_ms)
        (void)shutdown(h2o_socket_get_fd(connection->socket), SHUT_RD);
}

static void look(struct rest_worker *worker, tick_ms now_ms)
{
    for (struct rest_connection *at = worker->connections; at != NULL; at = at->next)
        look_at(at, now_ms);
    timers_set(worker->core_worker->timers, &worker->look_again, now_ms + LOOK_MS);
}

static void look_again(struct timer *timer, tick_ms now_ms)
{
    look(container_of(timer, struct rest_worker, look_again), now_ms);
}

void rest_drain_adopted(struct rest_connection *connection)
{
    connection->active_ms = tick_now_ms();
    if (connection->worker->draining)
        look_at(connection, connection->active_ms);
}

void rest_worker_drain(struct rest_worker *worker)
{
    worker->draining = true;
    worker->drained_ms = tick_now_ms();
    worker->look_again.fire = look_again;
    rest_linger_hasten(worker);
    look(worker, worker->drained_ms);
}

void rest_worker_cut(struct rest_worker *worker)
{
    must(worker->draining);
    worker->cut = true;
    rest_linger_hasten(worker);
    look(worker, tick_now_ms());
}

void rest_worker_abort(struct rest_worker *worker)
{
    rest_linger_abort(worker);
    /* Abandoning answers, and answering may close: the next one is looked up first. */
    for (struct rest_connection *at = worker->connections, *next; at != NULL; at = next) {
        next = at->next;
        int fd = h2o_socket_get_fd(at->socket);
        rest_linger_waive(at);
        for (struct rest_call *call = at->calls, *other; call != NULL; call = other) {
            other = call->next;
            if (!call->request.finished)
                request_abandon(&call->request);
        }
        (void)shutdown(fd, SHUT_RDWR);
    }
}
