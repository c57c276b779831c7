/* Counters and histograms that cost a plain addition.
 *
 * Each has one writer: whoever counts on several threads keeps one set a thread, and the reader
 * adds them up. So nothing is locked and no cache line is fought over. Any thread may read, at any
 * time; what it sees of several cells need not be of the same moment. Zeroed memory is a fresh set.
 */
#ifndef WEIR_BASE_METRICS_H
#define WEIR_BASE_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct metric_counter {
    _Atomic uint64_t value;
};

/* The writer's thread only. */
static inline void metric_add(struct metric_counter *counter, uint64_t n)
{
    uint64_t value = atomic_load_explicit(&counter->value, memory_order_relaxed);
    atomic_store_explicit(&counter->value, value + n, memory_order_relaxed);
}

static inline uint64_t metric_read(const struct metric_counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

enum { METRIC_BUCKETS = 17 }; /* the last one has no upper bound */

/* Of durations, from a millisecond to two minutes. */
struct metric_histogram {
    struct metric_counter buckets[METRIC_BUCKETS];
    struct metric_counter sum_ns;
};

/* Histograms added up, for the reader. */
struct metric_distribution {
    uint64_t buckets[METRIC_BUCKETS]; /* each alone, not cumulative */
    uint64_t sum_ns;
};

/* The upper bound of a bucket, which belongs to it; UINT64_MAX for the last. */
uint64_t metric_bound_ns(size_t bucket);
/* The writer's thread only. */
void metric_observe(struct metric_histogram *histogram, uint64_t duration_ns);
void metric_collect(struct metric_distribution *sum, const struct metric_histogram *histogram);

#endif
