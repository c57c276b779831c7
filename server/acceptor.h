/* A listening socket, and the loop's handles by which connections are taken from it.
 *
 * It survives running out of descriptors: it rests a while, and who waits in the backlog is let in
 * when there are some again. Loop thread only. */
#ifndef WEIR_SERVER_ACCEPTOR_H
#define WEIR_SERVER_ACCEPTOR_H

#include "shared/base/peer.h"

#include <uv.h>

struct acceptor {
    /* Of who opens it. */
    void (*accepted)(void *context, int fd, const struct peer *peer); /* `fd` is the callee's */
    void (*resting)(void *context, const char *reason);
    void (*closed)(void *context); /* nothing of it is left on the loop */
    void *context;

    /* Its own. */
    uv_poll_t poll;
    uv_timer_t rest;
    int fd;
    unsigned handles; /* still to be closed; 0: it was never opened, or is closed */
    bool started, accepting;
};

/* Owns `fd`, which listens, from here on. Accepts nothing yet. */
void acceptor_open(struct acceptor *acceptor, uv_loop_t *loop, int fd);
/* Harmless if it is not open. */
void acceptor_start(struct acceptor *acceptor);
/* Lets in who waits in the backlog, for whom closing the socket would be a reset of what they have
 * sent, and closes; who comes meanwhile is still let in. Harmless if it is not open. */
void acceptor_shut(struct acceptor *acceptor);

#endif
