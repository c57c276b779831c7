/* The table from descriptor to peer: pages of entries, filled in at hand-over. */
#include "grpc/rpc_peers.h"

#include "shared/base/must.h"

#include <stdlib.h>
#include <string.h>

void rpc_peers_init(struct rpc_peers *peers)
{
    memset(peers->pages, 0, sizeof peers->pages);
    must(pthread_mutex_init(&peers->mutex, NULL) == 0);
}

void rpc_peers_fini(struct rpc_peers *peers)
{
    for (size_t i = 0; i < RPC_PEERS_PAGES; i++) {
        for (size_t j = 0; peers->pages[i] != NULL && j < RPC_PEERS_PAGE; j++)
            (void)certificate_unref(peers->pages[i][j].certificate);
        free(peers->pages[i]);
    }
    (void)pthread_mutex_destroy(&peers->mutex);
}

void rpc_peers_set(struct rpc_peers *peers, int fd, const struct peer *peer,
                   struct certificate *certificate)
{
    if (fd < 0 || fd >= RPC_PEERS_PAGE * RPC_PEERS_PAGES) {
        (void)certificate_unref(certificate);
        return;
    }
    struct rpc_peer **page = &peers->pages[fd / RPC_PEERS_PAGE];
    (void)pthread_mutex_lock(&peers->mutex);
    if (*page == NULL) {
        *page = calloc(RPC_PEERS_PAGE, sizeof **page);
        must(*page != NULL);
    }
    struct rpc_peer *entry = &(*page)[fd % RPC_PEERS_PAGE];
    (void)certificate_unref(entry->certificate);
    *entry = (struct rpc_peer){.peer = *peer, .certificate = certificate};
    (void)pthread_mutex_unlock(&peers->mutex);
}

struct rpc_peer rpc_peers_get(struct rpc_peers *peers, const char *name)
{
    struct rpc_peer found = {0};
    char *end = NULL;
    if (strncmp(name, "fd:", 3) != 0)
        return found;
    unsigned long fd = strtoul(name + 3, &end, 10);
    if (end == name + 3 || *end != '\0' || fd >= RPC_PEERS_PAGE * RPC_PEERS_PAGES)
        return found;
    (void)pthread_mutex_lock(&peers->mutex);
    const struct rpc_peer *page = peers->pages[fd / RPC_PEERS_PAGE];
    if (page != NULL)
        found = page[fd % RPC_PEERS_PAGE];
    (void)certificate_ref(found.certificate);
    (void)pthread_mutex_unlock(&peers->mutex);
    return found;
}
