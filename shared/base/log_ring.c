#include "shared/base/log_ring.h"

bool log_ring_put(struct log_ring *ring, struct span line)
{
    size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    if (line.len > LOG_RING_BYTES - (head - tail))
        return false;
    size_t at = head % LOG_RING_BYTES;
    size_t first = line.len < LOG_RING_BYTES - at ? line.len : LOG_RING_BYTES - at;
    memcpy(ring->bytes + at, line.at, first);
    memcpy(ring->bytes, line.at + first, line.len - first);
    atomic_store(&ring->head, head + line.len);
    return true;
}

size_t log_ring_peek(struct log_ring *ring, struct span pieces[2])
{
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    size_t len = atomic_load(&ring->head) - tail;
    size_t at = tail % LOG_RING_BYTES;
    size_t first = len < LOG_RING_BYTES - at ? len : LOG_RING_BYTES - at;
    pieces[0] = span_make(ring->bytes + at, first);
    pieces[1] = span_make(ring->bytes, len - first);
    return len;
}

void log_ring_drop(struct log_ring *ring, size_t len)
{
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    atomic_store_explicit(&ring->tail, tail + len, memory_order_release);
}
