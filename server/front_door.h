/* The front door: weir accepts every connection itself (N1), and hands it to who speaks its
 * protocol.
 *
 * It owns the listening sockets and the count of what is open, in all and per address; it survives
 * running out of descriptors. Behind load balancers that speak the PROXY protocol, a connection's
 * address is the one that they tell, and it counts under that. On a port of several protocols the
 * first bytes decide. REST
 * connections go to the workers in turn, those over TLS or HTTP/2 by way of their guards; gRPC
 * connections to the guards, which relay them to the C core, or without guards to the C core itself
 * as a descriptor, of which the door keeps a duplicate to see the connection end. Main thread only,
 * except front_door_closed. */
#ifndef WEIR_SERVER_FRONT_DOOR_H
#define WEIR_SERVER_FRONT_DOOR_H

#include "grpc/rpc.h"
#include "server/refusals.h"
#include "server/worker.h"
#include "shared/base/must.h"
#include "shared/base/peer.h"
#include "shared/policy/cidr.h"

#include <uv.h>

struct front_door;

struct front_door_settings {
    const char *host;
    uint16_t port;      /* 0: any */
    uint16_t grpc_port; /* 0: any */
    bool single_port;   /* both protocols on `port` */
    bool no_grpc;
    bool guard;      /* gRPC connections go to the workers' guards, not to the C core */
    bool tls;        /* all go to the guards, which take TLS off */
    bool rest_http2; /* REST speaks it, too, behind the guards; not on a shared port */
    size_t max_connections;
    size_t max_connections_per_address;
    uint64_t peek_ms; /* time for the first bytes on a shared port */
    /* Who connects for others, and has to begin with a header of the PROXY protocol; nobody else
     * may connect then. Empty: it is not spoken. The door's from here on, if it opens. */
    struct cidr_list balancers;
    uint64_t header_ms; /* time for that header */
};

/* Binds and listens; accepts nothing yet. `loop` must outlive it, `settings` need not. NULL:
 * `error` is a line for the operator that names the setting. */
MUST_USE struct front_door *
front_door_open(uv_loop_t *loop, const struct front_door_settings *settings, char error[256]);
/* The port that was bound; grpc_port equals it on a shared port, and is 0 without gRPC. */
uint16_t front_door_port(const struct front_door *door);
uint16_t front_door_grpc_port(const struct front_door *door);
/* Starts to accept. The workers and `rpc` (NULL without gRPC) must outlive the door. */
void front_door_serve(struct front_door *door, struct worker *const *workers, size_t n_workers,
                      struct rpc_listener *rpc);
/* A connection that went to a worker is gone. Any thread. */
void front_door_closed(struct front_door *door, const struct peer *peer);
/* Stops accepting: who waits in the backlog is let in, then the listening sockets are closed, and
 * the connections still undecided. */
void front_door_shut(struct front_door *door);
/* Connections that were handed over and are not yet gone. */
size_t front_door_connections(const struct front_door *door);
/* Connections that were turned away for that reason. */
uint64_t front_door_refused(const struct front_door *door, enum refusal refusal);
/* Closes what it has on the loop, which must run until `closed` is called; then the door is gone.
 */
void front_door_free(struct front_door *door, void (*closed)(void *context), void *context);

#endif
