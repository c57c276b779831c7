/* The client that leaves while its request is being answered. */
#include "rest/rest_internal.h"
#include "shared/base/tick.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A watch costs seven system calls, and most answers that take no model are there sooner. One who
 * has left before it begins is seen when it does. */
enum { WATCH_AFTER_MS = 20 };

static void on_watch_closed(uv_handle_t *handle)
{
    struct rest_leave_watch *watch = handle->data;
    (void)close(watch->fd);
    free(watch);
}

void rest_leave_end(struct rest_call *call)
{
    struct rest_leave_watch *watch = call->watch;
    timers_cancel(call->connection->worker->core_worker->timers, &call->leave);
    call->watch = NULL;
    if (watch == NULL)
        return;
    watch->call = NULL;
    uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

static void on_leave(uv_poll_t *poll, int status, int events)
{
    struct rest_leave_watch *watch = poll->data;
    (void)status;
    (void)events;
    if (watch->call == NULL)
        return;
    struct rest_call *call = watch->call;
    rest_leave_end(call);
    if (!call->request.finished)
        request_abandon(&call->request);
}

static void on_waited(struct timer *timer, tick_ms now_ms)
{
    struct rest_call *call = container_of(timer, struct rest_call, leave);
    struct rest_leave_watch *watch = calloc(1, sizeof *watch);
    (void)now_ms;
    must(watch != NULL);
    watch->fd = fcntl(h2o_socket_get_fd(call->connection->socket), F_DUPFD_CLOEXEC, 0);
    if (watch->fd < 0) { /* out of descriptors: a deadline ends the request all the same */
        free(watch);
        return;
    }
    must(uv_poll_init(call->connection->worker->loop, &watch->poll, watch->fd) == 0);
    watch->poll.data = watch;
    watch->call = call;
    call->watch = watch;
    must(uv_poll_start(&watch->poll, UV_DISCONNECT, on_leave) == 0);
}

void rest_leave_begin(struct rest_call *call)
{
    call->leave.fire = on_waited;
    timers_set(call->connection->worker->core_worker->timers, &call->leave,
               tick_now_ms() + WATCH_AFTER_MS);
}
