#include "server/acceptor.h"

#include "server/socket.h"
#include "shared/base/must.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    ACCEPTS_A_TURN = 64,
    LAST_ACCEPTS = 1024, /* of what waits when the door shuts */
    REST_MS = 100        /* after running out of descriptors */
};

static void on_connection(uv_poll_t *poll, int status, int events);

static void watch(struct acceptor *acceptor)
{
    must(uv_poll_start(&acceptor->poll, UV_READABLE, on_connection) == 0);
}

static void on_rested(uv_timer_t *timer)
{
    struct acceptor *acceptor = timer->data;
    if (acceptor->accepting)
        watch(acceptor);
}

/* Without descriptors accept fails at once, and the poll would spin. */
static void rest(struct acceptor *acceptor, const char *reason)
{
    (void)uv_poll_stop(&acceptor->poll);
    must(uv_timer_start(&acceptor->rest, on_rested, REST_MS, 0) == 0);
    acceptor->resting(acceptor->context, reason);
}

/* Lets in who waits, `most` at most. Returns 0 when there is nobody left or enough were let in,
 * else what is in the way. */
static int accept_waiting(struct acceptor *acceptor, unsigned most)
{
    for (unsigned i = 0; i < most; i++) {
        struct peer peer;
        int fd = socket_accept(acceptor->fd, &peer);
        if (fd >= 0) {
            acceptor->accepted(acceptor->context, fd, &peer);
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
    struct acceptor *acceptor = poll->data;
    (void)events;
    int problem = status < 0 ? -status : accept_waiting(acceptor, ACCEPTS_A_TURN);
    if (problem != 0)
        rest(acceptor, strerror(problem));
}

void acceptor_open(struct acceptor *acceptor, uv_loop_t *loop, int fd)
{
    acceptor->fd = fd;
    acceptor->handles = 2;
    must(uv_poll_init(loop, &acceptor->poll, fd) == 0);
    must(uv_timer_init(loop, &acceptor->rest) == 0);
    acceptor->poll.data = acceptor->rest.data = acceptor;
}

void acceptor_start(struct acceptor *acceptor)
{
    if (acceptor->handles == 0)
        return;
    acceptor->started = acceptor->accepting = true;
    watch(acceptor);
}

static void count_closed(struct acceptor *acceptor)
{
    if (--acceptor->handles == 0)
        acceptor->closed(acceptor->context);
}

static void on_rest_closed(uv_handle_t *handle)
{
    count_closed(handle->data);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct acceptor *acceptor = handle->data;
    /* Who came since it was shut; whoever comes between here and the close is refused. */
    if (acceptor->started)
        (void)accept_waiting(acceptor, LAST_ACCEPTS);
    (void)close(acceptor->fd);
    acceptor->fd = -1;
    count_closed(acceptor);
}

void acceptor_shut(struct acceptor *acceptor)
{
    if (acceptor->handles == 0 || uv_is_closing((uv_handle_t *)&acceptor->poll))
        return;
    if (acceptor->accepting)
        (void)accept_waiting(acceptor, LAST_ACCEPTS);
    acceptor->accepting = false;
    uv_close((uv_handle_t *)&acceptor->poll, on_poll_closed);
    uv_close((uv_handle_t *)&acceptor->rest, on_rest_closed);
}
