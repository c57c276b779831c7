/* The gRPC listener: calls of the C core <-> struct request.
 *
 * One a process. Its completion-queue threads only shuttle events; every call is handed to one
 * worker and lives there. It never accepts: the front door hands connections over. */
#ifndef WEIR_GRPC_RPC_H
#define WEIR_GRPC_RPC_H

#include "shared/base/certificate.h"
#include "shared/base/must.h"
#include "shared/base/peer.h"
#include "shared/pipeline/core.h"

struct rpc_listener;

struct rpc_settings {
    size_t max_message_bytes;
    unsigned queues; /* completion queues and threads */
    uint64_t connection_idle_ms;
    uint64_t connection_age_ms;   /* then GOAWAY; 0: never */
    uint64_t connection_grace_ms; /* for the calls that are running then */
    bool secure;                  /* connections come through TLS */
    /* What a client may take to read the end of an answer, then its call is cancelled; 0: 30 s. */
    uint64_t linger_ms;
};

/* `workers` and `core` must outlive it. Starts its threads. */
MUST_USE struct rpc_listener *rpc_listener_new(const struct rpc_settings *settings,
                                               const struct core *core,
                                               struct core_worker *const *workers,
                                               size_t n_workers);
/* Takes a connected, non-blocking socket over; the C core owns `fd` from here on and does not tell
 * when it closes it: whoever wants to know watches a duplicate, or the other end. `certificate` is
 * NULL or a reference that becomes the listener's: there is TLS before this socket, and the client
 * has shown it. After drain the connection is closed at once. Not after free. Any thread. */
void rpc_listener_adopt(struct rpc_listener *listener, int fd, const struct peer *peer,
                        struct certificate *certificate);
/* GOAWAY to all; calls in flight finish. `done` is called once, on a queue's or a worker's thread,
 * when all calls are gone. The workers must go on running until then. */
void rpc_listener_drain(struct rpc_listener *listener, void (*done)(void *context), void *context);
/* Cancels what is left after drain; `done` follows. */
void rpc_listener_abort(struct rpc_listener *listener);
/* After drain's `done`, on another thread than that. Joins the threads. */
void rpc_listener_free(struct rpc_listener *listener);

#endif
