/* Messages that wait for the one before them to go out: a ring of slices. One thread at a time.
 *
 * It does not bound itself: the port is full long before, and then nothing more comes. */
#ifndef WEIR_GRPC_RPC_OUTBOX_H
#define WEIR_GRPC_RPC_OUTBOX_H

#include <grpc/slice.h>
#include <stddef.h>

struct rpc_outbox {
    grpc_slice *at; /* owned */
    size_t first;
    size_t count;
    size_t capacity;
    size_t bytes; /* of all that wait, their bookkeeping included */
};

/* Takes `slice` over. A zeroed outbox is an empty one. */
void rpc_outbox_put(struct rpc_outbox *outbox, grpc_slice slice);
/* The oldest, which there must be; it is the caller's then. */
grpc_slice rpc_outbox_take(struct rpc_outbox *outbox);
/* Empties it; memory of moderate size is kept for the next use. */
void rpc_outbox_clear(struct rpc_outbox *outbox);
/* Gives the memory back. */
void rpc_outbox_fini(struct rpc_outbox *outbox);

#endif
