/* Who is behind each descriptor that was handed to the C core, which itself only knows "fd:N".
 *
 * Any thread. An entry is written at hand-over and stays until the number is used again; the core
 * does not tell when it closes one. A call of a connection that is just going away may therefore be
 * given the peer of the next connection of the same number: it has nobody left to answer. */
#ifndef WEIR_GRPC_RPC_PEERS_H
#define WEIR_GRPC_RPC_PEERS_H

#include "shared/base/peer.h"

#include <pthread.h>

enum { RPC_PEERS_PAGE = 1024, RPC_PEERS_PAGES = 1024 };

struct rpc_peers {
    pthread_mutex_t mutex;
    struct peer *pages[RPC_PEERS_PAGES]; /* under the mutex; allocated when first needed */
};

void rpc_peers_init(struct rpc_peers *peers);
void rpc_peers_fini(struct rpc_peers *peers);
/* Descriptors from RPC_PEERS_PAGE * RPC_PEERS_PAGES on are not remembered. */
void rpc_peers_set(struct rpc_peers *peers, int fd, const struct peer *peer);
/* `name` as the core gives it ("fd:20"); anything unknown gives the zero peer. */
struct peer rpc_peers_get(struct rpc_peers *peers, const char *name);

#endif
