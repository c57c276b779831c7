#include "shared/base/metrics.h"

#define MS(n) ((uint64_t)((n)*1e6))

/* Fine where the service's own work lies, coarse where the model's does. */
static const uint64_t bounds_ns[METRIC_BUCKETS] = {
    MS(1),    MS(2.5),  MS(5),    MS(10),    MS(25),    MS(50),    MS(100),    MS(250),    MS(500),
    MS(1000), MS(2500), MS(5000), MS(10000), MS(20000), MS(60000), MS(120000), UINT64_MAX,
};

uint64_t metric_bound_ns(size_t bucket)
{
    return bounds_ns[bucket];
}

void metric_observe(struct metric_histogram *histogram, uint64_t duration_ns)
{
    size_t bucket = 0;
    while (duration_ns > bounds_ns[bucket])
        bucket++;
    metric_add(&histogram->buckets[bucket], 1);
    metric_add(&histogram->sum_ns, duration_ns);
}

void metric_collect(struct metric_distribution *sum, const struct metric_histogram *histogram)
{
    for (size_t i = 0; i < METRIC_BUCKETS; i++)
        sum->buckets[i] += metric_read(&histogram->buckets[i]);
    sum->sum_ns += metric_read(&histogram->sum_ns);
}
