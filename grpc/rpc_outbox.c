/* The ring of waiting messages. */
#include "grpc/rpc_outbox.h"

#include "shared/base/must.h"

#include <stdlib.h>

/* A ring of more slices than this is not kept. */
enum { KEPT = 64 };

void rpc_outbox_put(struct rpc_outbox *outbox, grpc_slice slice)
{
    if (outbox->count == outbox->capacity) {
        size_t capacity = outbox->capacity > 0 ? 2 * outbox->capacity : 4;
        grpc_slice *grown = calloc(capacity, sizeof *grown);
        must(grown != NULL);
        for (size_t i = 0; i < outbox->count; i++)
            grown[i] = outbox->at[(outbox->first + i) % outbox->capacity];
        free(outbox->at);
        outbox->at = grown;
        outbox->capacity = capacity;
        outbox->first = 0;
    }
    outbox->at[(outbox->first + outbox->count) % outbox->capacity] = slice;
    outbox->count++;
    outbox->bytes += sizeof slice + GRPC_SLICE_LENGTH(slice);
}

grpc_slice rpc_outbox_take(struct rpc_outbox *outbox)
{
    must(outbox->count > 0);
    grpc_slice slice = outbox->at[outbox->first];
    outbox->first = (outbox->first + 1) % outbox->capacity;
    outbox->count--;
    outbox->bytes -= sizeof slice + GRPC_SLICE_LENGTH(slice);
    return slice;
}

void rpc_outbox_clear(struct rpc_outbox *outbox)
{
    while (outbox->count > 0)
        grpc_slice_unref(rpc_outbox_take(outbox));
    outbox->first = 0;
    if (outbox->capacity > KEPT)
        rpc_outbox_fini(outbox);
}

void rpc_outbox_fini(struct rpc_outbox *outbox)
{
    must(outbox->count == 0);
    free(outbox->at);
    *outbox = (struct rpc_outbox){0};
}
