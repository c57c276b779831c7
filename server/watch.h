/* Sees connections end that somebody else owns and does not tell about.
 *
 * The owner has the descriptor; a watch keeps a duplicate and polls that for the end, which a
 * shutdown by either side is. One list for all of them. Loop thread only. */
#ifndef WEIR_SERVER_WATCH_H
#define WEIR_SERVER_WATCH_H

#include "shared/base/must.h"
#include "shared/base/peer.h"

#include <uv.h>

struct watch;

struct watch_list {
    uv_loop_t *loop;
    /* The connection has ended, and the duplicate is closed. Never called from inside watch_add or
     * watch_clear. */
    void (*ended)(void *context, const struct peer *peer);
    void *context;
    struct watch *watches; /* the list's own from here on */
    size_t count;
};

/* `fd` stays the caller's. False: there is no descriptor for it. */
MUST_USE bool watch_add(struct watch_list *list, int fd, const struct peer *peer);
/* Ends all watches as if the connections had ended. */
void watch_clear(struct watch_list *list);

#endif
