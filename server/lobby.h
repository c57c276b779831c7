/* Where connections wait until their first bytes tell what is to be done with them.
 *
 * Bounded in number and in time: whoever says too little for too long is given up. Waiting costs no
 * CPU, also behind part of what is waited for. Loop thread only. */
#ifndef WEIR_SERVER_LOBBY_H
#define WEIR_SERVER_LOBBY_H

#include "shared/base/must.h"
#include "shared/base/peer.h"

#include <stdint.h>
#include <uv.h>

enum { LOBBY_MOST = 1024 };

struct lobby_guest;

struct lobby {
    uv_loop_t *loop;
    uint64_t wait_ms; /* for the first bytes */
    /* Looks at them, and reads none: returns how many bytes, more than there are, have to have come
     * for the next look to be worth it; 0: they tell enough. */
    size_t (*look)(int fd);
    /* A connection leaves, `fd` is the callee's from here on. Not `decided`: it was given up. The
     * lobby no longer knows it. Never called from inside lobby_enter or lobby_clear. */
    void (*leave)(void *context, int fd, const struct peer *peer, bool decided);
    void *context;
    struct lobby_guest *guests; /* the lobby's own from here on */
    size_t count;
};

/* Waits for more bytes; owns `fd` until leave. False: the lobby is full, nothing was taken. */
MUST_USE bool lobby_enter(struct lobby *lobby, int fd, const struct peer *peer);
/* Gives all up; each leaves on its own. */
void lobby_clear(struct lobby *lobby);

#endif
