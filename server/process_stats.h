/* What the kernel says about this process, for the process_* metrics. One thread at a time. */
#ifndef WEIR_SERVER_PROCESS_STATS_H
#define WEIR_SERVER_PROCESS_STATS_H

#include <stdint.h>

struct process_stats {
    uint64_t cpu_ns; /* user and system */
    uint64_t resident_bytes;
    uint64_t virtual_bytes;
    uint64_t open_fds;
    uint64_t max_fds;
    uint64_t threads;
    uint64_t start_ns; /* since 1970 */
};

struct process_source;

/* Opens what has to be read, so that nothing has to be opened later. Never NULL. */
struct process_source *process_source_new(void);
struct process_source *process_source_free(struct process_source *source);
/* What cannot be read is 0. */
struct process_stats process_stats_read(struct process_source *source);

#endif
