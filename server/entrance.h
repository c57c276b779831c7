/* A port by which clients come in, until it is known who they are.
 *
 * It holds connections to the caps, in all and per address. Behind load balancers that speak the
 * PROXY protocol it reads their header first, whose address then is the client's; those that still
 * owe it wait in a lobby, bounded in number and in time, and count against the cap in all. Loop
 * thread only. */
#ifndef WEIR_SERVER_ENTRANCE_H
#define WEIR_SERVER_ENTRANCE_H

#include "server/acceptor.h"
#include "server/lobby.h"
#include "server/refusals.h"
#include "server/tally.h"
#include "shared/policy/cidr.h"

struct entrance {
    /* Of who opens it, which outlives it. */
    struct tally *tally;
    struct refusals *refusals;
    const struct cidr_list *balancers; /* empty: the protocol is not spoken */
    uint64_t header_ms;                /* time for the header */
    /* A client, counted in `tally` from now on; `fd` is the callee's, and the next byte that it has
     * is the client's first. Also called from inside entrance_shut. */
    void (*arrived)(void *context, int fd, const struct peer *client);
    void (*closed)(void *context); /* entrance_is_closed may be true now */
    void *context;

    /* Its own. */
    struct acceptor acceptor;
    struct lobby headers; /* who has not yet told for whom he connects */
    struct complaint rests;
    bool shut;
};

/* Owns `fd`, which listens, from here on. Lets nobody in yet. */
void entrance_open(struct entrance *entrance, uv_loop_t *loop, int fd);
/* Harmless if it is not open. */
void entrance_start(struct entrance *entrance);
/* Lets in who waits in the backlog, gives up who waits in the lobby, and closes. Harmless if it is
 * not open. */
void entrance_shut(struct entrance *entrance);
/* Nothing of it is left on the loop. */
bool entrance_is_closed(const struct entrance *entrance);

#endif
