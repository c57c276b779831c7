/* Who is behind each descriptor that was handed to the C core, which itself only knows "fd:N".
 *
 * Any thread. An entry is written at hand-over and stays until the number is used again; the core
 * does not tell when it closes one. The listener sees to it that this is not soon: else a call of a
 * connection that is just going away could be taken for one of the next. */
#ifndef WEIR_GRPC_RPC_PEERS_H
#define WEIR_GRPC_RPC_PEERS_H

#include "shared/base/certificate.h"
#include "shared/base/peer.h"

#include <pthread.h>

enum { RPC_PEERS_PAGE = 1024, RPC_PEERS_PAGES = 1024 };

struct rpc_peer {
    struct peer peer;
    struct certificate *certificate; /* a reference, or NULL */
};

struct rpc_peers {
    pthread_mutex_t mutex;
    struct rpc_peer *pages[RPC_PEERS_PAGES]; /* under the mutex; allocated when first needed */
};

void rpc_peers_init(struct rpc_peers *peers);
void rpc_peers_fini(struct rpc_peers *peers);
/* Takes the reference `certificate` (or NULL) over. Descriptors from RPC_PEERS_PAGE *
 * RPC_PEERS_PAGES on are not remembered. */
void rpc_peers_set(struct rpc_peers *peers, int fd, const struct peer *peer,
                   struct certificate *certificate);
/* `name` as the core gives it ("fd:20"); anything unknown gives zeros. The certificate is a new
 * reference. */
struct rpc_peer rpc_peers_get(struct rpc_peers *peers, const char *name);

#endif
