/* One completion queue of the C core: its thread, the requests for calls armed on it, and the calls
 * that came in over it.
 *
 * The thread only shuttles events: whatever has to be decided is posted to the call's worker. */
#ifndef WEIR_GRPC_RPC_QUEUE_H
#define WEIR_GRPC_RPC_QUEUE_H

#include "grpc/rpc_event.h"

#include <grpc/grpc.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct rpc_call;
struct rpc_listener;
struct rpc_method;
struct rpc_ticket;

struct rpc_queue {
    /* Fixed after start. */
    struct rpc_listener *listener;
    grpc_completion_queue *core_queue;
    pthread_t thread;
    struct rpc_ticket *tickets;
    size_t n_tickets;

    /* Queue thread only. */
    size_t next_worker; /* round robin */
    uint64_t swept_ns;

    struct {
        pthread_mutex_t mutex;
        struct rpc_call *spare; /* for reuse */
        size_t n_spare;
        /* Calls that have ended and whose client has not yet taken the end; oldest first. */
        struct rpc_call *oldest;
        struct rpc_call *newest;
    } synced;
};

/* Registers a queue with the listener's server, which must not have been started. */
void rpc_queue_init(struct rpc_queue *queue, struct rpc_listener *listener);
/* Arms the queue for every method of the listener and starts its thread. After the server's start.
 */
void rpc_queue_start(struct rpc_queue *queue);
/* Ends the thread. When no call is left and the server has shut down. */
void rpc_queue_stop(struct rpc_queue *queue);
/* Gives all memory back. After grpc_server_destroy. */
void rpc_queue_fini(struct rpc_queue *queue);

/* A call object, its handler part not cleared; never NULL. Queue thread. */
struct rpc_call *rpc_queue_take(struct rpc_queue *queue);
/* From here on the client has a bounded time to take the end of the call, then it is cancelled.
 * Any thread. */
void rpc_queue_linger(struct rpc_queue *queue, struct rpc_call *call, uint64_t now_ns);
/* Takes the object back; it holds nothing of the C core's any more. Any thread. */
void rpc_queue_give(struct rpc_queue *queue, struct rpc_call *call);

#endif
