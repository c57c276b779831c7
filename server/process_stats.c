#include "server/process_stats.h"

#include "shared/base/must.h"
#include "shared/base/tick.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Counted from the command's closing parenthesis on (proc(5)): the state is 0. */
enum { STAT_THREADS = 17, STAT_START = 19, STAT_VSIZE = 20, STAT_RSS = 21, STAT_FIELDS = 22 };

struct process_source {
    int stat_fd; /* -1: cannot be read */
    DIR *fds;    /* NULL likewise */
};

struct process_source *process_source_new(void)
{
    struct process_source *source = calloc(1, sizeof *source);
    must(source != NULL);
    source->stat_fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    source->fds = opendir("/proc/self/fd");
    return source;
}

struct process_source *process_source_free(struct process_source *source)
{
    if (source == NULL)
        return NULL;
    if (source->stat_fd >= 0)
        (void)close(source->stat_fd);
    if (source->fds != NULL)
        (void)closedir(source->fds);
    free(source);
    return NULL;
}

/* Fields behind the command, whose name may hold anything. */
static void read_stat(const struct process_source *source, uint64_t fields[STAT_FIELDS])
{
    char text[1024];
    ssize_t len = source->stat_fd >= 0 ? pread(source->stat_fd, text, sizeof text - 1, 0) : -1;
    text[len > 0 ? len : 0] = '\0';
    char *at = strrchr(text, ')');
    if (at == NULL || at[1] == '\0' || at[2] == '\0')
        return;
    at += 3; /* over ") S" */
    for (size_t i = 1; i < STAT_FIELDS; i++)
        fields[i] = strtoull(at, &at, 10);
}

static uint64_t ns_of(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_usec * 1000U;
}

static uint64_t count_fds(DIR *fds)
{
    uint64_t n = 0;
    if (fds == NULL)
        return 0;
    rewinddir(fds);
    for (const struct dirent *at = readdir(fds); at != NULL; at = readdir(fds))
        n += at->d_name[0] != '.';
    return n;
}

/* The kernel tells the start in ticks since boot. */
static uint64_t start_of(uint64_t ticks)
{
    struct timespec since_boot;
    if (ticks == 0 || clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0)
        return 0;
    uint64_t boot_ns = (uint64_t)since_boot.tv_sec * 1000000000U + (uint64_t)since_boot.tv_nsec;
    return tick_wall_ns() - boot_ns + ticks * (1000000000U / (uint64_t)sysconf(_SC_CLK_TCK));
}

struct process_stats process_stats_read(struct process_source *source)
{
    struct process_stats stats = {0};
    uint64_t fields[STAT_FIELDS] = {0};
    struct rusage usage;
    struct rlimit limit;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        stats.cpu_ns = ns_of(usage.ru_utime) + ns_of(usage.ru_stime);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        stats.max_fds = limit.rlim_cur;
    read_stat(source, fields);
    stats.threads = fields[STAT_THREADS];
    stats.virtual_bytes = fields[STAT_VSIZE];
    stats.resident_bytes = fields[STAT_RSS] * (uint64_t)sysconf(_SC_PAGESIZE);
    stats.start_ns = start_of(fields[STAT_START]);
    stats.open_fds = count_fds(source->fds);
    return stats;
}
