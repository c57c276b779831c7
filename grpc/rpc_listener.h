/* The listener's inside, for the other files of this folder. */
#ifndef WEIR_GRPC_RPC_LISTENER_H
#define WEIR_GRPC_RPC_LISTENER_H

#include "grpc/rpc.h"
#include "grpc/rpc_peers.h"
#include "grpc/rpc_queue.h"

#include <grpc/grpc.h>
#include <stdatomic.h>

struct rpc_descriptors;
struct rpc_handler;

/* Something that can be called: a row of the contract, a health method, or whatever else is asked
 * for. Fixed after start. */
struct rpc_method {
    const char *path;                   /* NULL: all that is not registered */
    const struct contract_method *flow; /* NULL when it is not of the contract */
    const struct rpc_handler *handler;
    bool streams;
    void *registered; /* the C core's; NULL like path */
};

struct rpc_listener {
    /* Fixed after start. */
    const struct core *core;
    struct core_worker *const *workers;
    size_t n_workers;
    uint64_t linger_ms;
    bool secure;
    grpc_server *server;
    grpc_server_credentials *credentials;
    struct rpc_method *methods;
    size_t n_methods;
    struct rpc_descriptors *descriptors; /* NULL: no reflection */
    struct rpc_queue *queues;
    size_t n_queues;

    /* Shared. */
    struct rpc_peers peers;
    atomic_size_t live;      /* calls, and one for the server until it has shut down */
    atomic_size_t watches;   /* of grpc.health.v1 */
    atomic_size_t inquiries; /* of grpc.reflection */
    atomic_bool draining;
    atomic_uint next_fd; /* the least number for the next descriptor */

    /* Thread of the first queue: since when the drain has seen no call. */
    uint64_t idle_since_ns;
    bool cut;

    /* Written by drain, before the shutdown event goes out. */
    struct rpc_event shut_down;
    void (*done)(void *context);
    void *context;
};

/* Looks after the drain, now and then. Thread of the first queue. */
void rpc_listener_look(struct rpc_listener *listener, uint64_t now_ns);
/* One of `live` less; the last one calls `done`. The listener may be gone when it returns. */
void rpc_listener_release(struct rpc_listener *listener);

#endif
