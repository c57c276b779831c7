#include "server/descriptors.h"

#include "server/wiring.h"
#include "shared/base/log.h"

#include <sys/resource.h>

/* Descriptors kept back for logs, loops, name look-ups and calls of the model. */
enum { SPARE_DESCRIPTORS = 256 };

static uint64_t raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 1024;
}

/* A relayed connection takes three descriptors; REST holds each of its own twice, and one that goes
 * to the C core alone is watched. */
size_t descriptors_connections(const struct config *config)
{
    uint64_t descriptors = raise_descriptor_limit();
    uint64_t spare = descriptors > 2 * SPARE_DESCRIPTORS ? SPARE_DESCRIPTORS : descriptors / 2;
    uint64_t each = wiring_guarded(config) ? 3 : 2;
    uint64_t cap = (descriptors - spare) / each;
    if (config->max_connections <= cap)
        return config->max_connections;
    struct log_line line;
    log_begin(&line, LOG_WARNING, "lifecycle", "connections_lowered");
    log_u64(&line, "wanted", config->max_connections);
    log_u64(&line, "connections", cap);
    log_u64(&line, "descriptors", descriptors);
    log_end(&line);
    return cap;
}
