/* h2o has one time-out for the head, the body and the idle time of a connection, none for a client
 * that does not read, and no bound on the extensions and trailers of chunks, nor on what all
 * connections hold together. Now and then each connection is looked at, and those that make
 * somebody wait for too long, or send too much, are shut down; h2o sees them end. */
#include "rest/rest_internal.h"

#include "rest/rest_framing.h"
#include "rest/rest_received.h"
#include "shared/base/tick.h"

#include <sys/socket.h>

enum { SWEEP_MS = 250 };

/* What a request may be sent as, besides twice its largest body: its head, and the frames of small
 * chunks. */
enum { FRAMING_BYTES = 1024 * 1024 };

static enum rest_waits waits_of(const struct rest_connection *connection)
{
    const struct rest_call *call = connection->calls;
    const h2o_buffer_t *input = connection->socket->input;
    if (call != NULL)
        return call->request.finished ? REST_WAITS_FOR_READER : REST_WAITS_FOR_NOTHING;
    if (input->size == 0)
        return connection->patience.served ? REST_WAITS_FOR_NOTHING : REST_WAITS_FOR_HEAD;
    size_t len = input->size < FRAMING_HEAD_BYTES ? input->size : FRAMING_HEAD_BYTES;
    return memmem(input->bytes, len, "\r\n\r\n", 4) != NULL ? REST_WAITS_FOR_BODY
                                                            : REST_WAITS_FOR_HEAD;
}

static uint64_t limit_of(const struct rest_settings *settings, enum rest_waits waits)
{
    switch (waits) {
    case REST_WAITS_FOR_HEAD:
        return settings->head_timeout_ms;
    case REST_WAITS_FOR_BODY:
        return settings->body_timeout_ms;
    case REST_WAITS_FOR_READER:
        return settings->read_timeout_ms;
    case REST_WAITS_FOR_NOTHING:
        break;
    }
    return UINT64_MAX;
}

static void cut_off(struct rest_connection *connection)
{
    connection->patience.shut = true;
    rest_linger_waive(connection);
    (void)shutdown(h2o_socket_get_fd(connection->socket), SHUT_RDWR);
}

/* What a client sends, and whether it reads the socket, is the guard's business over HTTP/2.
 * Whether it opens its windows for what has been said is ours. */
static void look_at_http2(struct rest_connection *connection, tick_ms now_ms)
{
    uint64_t most_ms = connection->worker->rest->settings.read_timeout_ms;
    bool overdue = false;
    for (struct rest_call *call = connection->calls; call != NULL; call = call->next) {
        if (call->request.finished && call->unread_ms == 0)
            call->unread_ms = now_ms;
        overdue |= call->unread_ms != 0 && now_ms - call->unread_ms >= most_ms;
    }
    if (overdue)
        cut_off(connection);
}

/* 0 for a connection that the guard relays, which counts by itself. */
static uint64_t received_on(const struct rest_connection *connection)
{
    return connection->relayed ? 0 : rest_received(h2o_socket_get_fd(connection->socket));
}

static bool sends_too_much(const struct rest_connection *connection)
{
    size_t most = 2 * connection->worker->rest->settings.max_body_bytes + FRAMING_BYTES;
    return connection->patience.waits == REST_WAITS_FOR_BODY &&
           received_on(connection) - connection->patience.from_bytes > most;
}

static void look_at(struct rest_connection *connection, tick_ms now_ms)
{
    if (connection->http2) {
        look_at_http2(connection, now_ms);
        return;
    }
    struct rest_patience *patience = &connection->patience;
    enum rest_waits waits = waits_of(connection);
    if (waits != patience->waits) {
        patience->waits = waits;
        patience->since_ms = now_ms;
        patience->from_bytes = received_on(connection);
    }
    if (now_ms - patience->since_ms >= limit_of(&connection->worker->rest->settings, waits) ||
        sends_too_much(connection))
        cut_off(connection);
}

/* Bytes of a request that is still to come whole; from then on it is a flow's, of which only so
 * many run. Over HTTP/2 the guard sees to both. */
static size_t held_for(const struct rest_connection *connection)
{
    bool half_read = !connection->http2 && connection->calls == NULL && !connection->patience.shut;
    return half_read ? connection->socket->input->size : 0;
}

/* Of those that have a request half sent, the ones that take longest over it are ended, until no
 * more is held than may be. */
static void lighten(struct rest_worker *worker, tick_ms now_ms, uint64_t held)
{
    const struct rest_settings *settings = &worker->rest->settings;
    if (settings->held_bytes == 0)
        return;
    for (uint64_t least_ms = settings->body_timeout_ms;; least_ms /= 2) {
        for (struct rest_connection *at = worker->connections;
             at != NULL && held > settings->held_bytes; at = at->next) {
            if (held_for(at) == 0 || now_ms - at->patience.since_ms < least_ms)
                continue;
            held -= held_for(at);
            cut_off(at);
        }
        if (held <= settings->held_bytes || least_ms == 0)
            return;
    }
}

static void sweep(struct timer *timer, tick_ms now_ms)
{
    struct rest_worker *worker = container_of(timer, struct rest_worker, sweep);
    uint64_t held = 0;
    for (struct rest_connection *at = worker->connections; at != NULL; at = at->next) {
        look_at(at, now_ms);
        held += held_for(at);
    }
    lighten(worker, now_ms, held);
    if (worker->n_connections > 0)
        timers_set(worker->core_worker->timers, timer, now_ms + SWEEP_MS);
}

void rest_patience_init(struct rest_worker *worker)
{
    worker->sweep.fire = sweep;
}

void rest_patience_begin(struct rest_worker *worker, struct rest_connection *connection)
{
    tick_ms now_ms = tick_now_ms();
    connection->patience = (struct rest_patience){.since_ms = now_ms, .waits = REST_WAITS_FOR_HEAD};
    if (!timer_is_set(&worker->sweep))
        timers_set(worker->core_worker->timers, &worker->sweep, now_ms + SWEEP_MS);
}

void rest_patience_fini(struct rest_worker *worker)
{
    timers_cancel(worker->core_worker->timers, &worker->sweep);
}
