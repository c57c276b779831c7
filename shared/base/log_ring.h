/* A ring of bytes between one thread that writes lines and one that takes them: no locks, bounded.
 * The writer never waits; a line that does not fit is refused. */
#ifndef WEIR_BASE_LOG_RING_H
#define WEIR_BASE_LOG_RING_H

#include "shared/base/must.h"
#include "shared/base/span.h"

#include <stdatomic.h>

enum { LOG_RING_BYTES = 256 * 1024 }; /* a power of two */

struct log_ring {
    atomic_size_t head;    /* bytes ever written; the writer's */
    atomic_size_t tail;    /* bytes ever taken; the taker's */
    atomic_bool taken;     /* some thread is its writer */
    struct log_ring *next; /* the registry's */
    char bytes[LOG_RING_BYTES];
};

/* Writer's thread. False: no room, nothing was written. */
MUST_USE bool log_ring_put(struct log_ring *ring, struct span line);
/* Taker's thread: what is there as at most two pieces; returns its length. The bytes stay valid
 * until log_ring_drop. */
size_t log_ring_peek(struct log_ring *ring, struct span pieces[2]);
void log_ring_drop(struct log_ring *ring, size_t len);

#endif
