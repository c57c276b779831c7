/* The log thread, the rings that it empties, and what is counted on the way. */
#include "shared/base/log.h"

#include "shared/base/log_ring.h"
#include "shared/base/tick.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { MOST_RINGS = 512, BATCH_PAUSE_MS = 5, IDLE_WAIT_MS = 1000 };

/* Fixed by log_start. */
enum log_format log_line_format = LOG_JSON;
bool log_line_colour;
static enum log_level least_level = LOG_INFO;
static int output_fd = STDERR_FILENO;
static int wake_fd = -1;
static pthread_t thread;

/* Shared. */
static atomic_bool running;
static atomic_bool stopping;
static atomic_bool asleep; /* the log thread waits for a wake-up */
static atomic_uint_fast64_t dropped;
static _Atomic(struct log_ring *) rings; /* only ever grows: a thread's ring outlives it */
static atomic_uint n_rings;
static _Thread_local struct log_ring *own_ring;

uint64_t log_dropped(void)
{
    return atomic_load(&dropped);
}

bool log_is_on(enum log_level level)
{
    return level >= least_level;
}

static void write_all(struct span text)
{
    while (text.len > 0) {
        ssize_t written = write(output_fd, text.at, text.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno == EAGAIN) {
            struct pollfd ready = {.fd = output_fd, .events = POLLOUT};
            (void)poll(&ready, 1, 100);
            if (atomic_load(&stopping))
                return;
            continue;
        }
        if (written <= 0)
            return; /* nobody reads any more */
        text = span_from(text, (size_t)written);
    }
}

/* This thread's ring, made at its first line; NULL when there are too many threads. */
static struct log_ring *ring_of_thread(void)
{
    if (own_ring != NULL)
        return own_ring;
    if (atomic_fetch_add(&n_rings, 1) >= MOST_RINGS)
        return NULL;
    struct log_ring *ring = calloc(1, sizeof *ring);
    must(ring != NULL);
    ring->next = atomic_load(&rings);
    while (!atomic_compare_exchange_weak(&rings, &ring->next, ring))
        ;
    own_ring = ring;
    return ring;
}

static void wake(void)
{
    uint64_t one = 1;
    if (atomic_exchange(&asleep, false))
        (void)!write(wake_fd, &one, sizeof one);
}

void log_end(struct log_line *line)
{
    if (!line->on)
        return;
    if (log_line_format == LOG_JSON)
        line->text[line->len++] = '}';
    line->text[line->len++] = '\n';
    struct span text = span_make(line->text, line->len);
    if (!atomic_load(&running)) {
        (void)!write(STDERR_FILENO, text.at, text.len);
        return;
    }
    struct log_ring *ring = ring_of_thread();
    if (ring == NULL || !log_ring_put(ring, text)) {
        (void)atomic_fetch_add(&dropped, 1);
        return;
    }
    if (atomic_load(&asleep))
        wake();
}

void log_event(enum log_level level, const char *logger, const char *event, const char *name,
               const char *value)
{
    struct log_line line;
    log_begin(&line, level, logger, event);
    if (name != NULL)
        log_text(&line, name, value);
    log_end(&line);
}

/* Writes what is in all rings; returns whether there was anything. */
static bool drain(void)
{
    bool any = false;
    for (struct log_ring *ring = atomic_load(&rings); ring != NULL; ring = ring->next) {
        struct span pieces[2];
        size_t len = log_ring_peek(ring, pieces);
        if (len == 0)
            continue;
        write_all(pieces[0]);
        write_all(pieces[1]);
        log_ring_drop(ring, len);
        any = true;
    }
    return any;
}

static void report_dropped(uint64_t *reported)
{
    uint64_t now = atomic_load(&dropped);
    if (now == *reported)
        return;
    struct log_line line;
    log_begin(&line, LOG_WARNING, "log", "log_dropped");
    log_u64(&line, "lines", now - *reported);
    log_end(&line);
    *reported = now;
}

static void wait_for_lines(void)
{
    struct pollfd waited = {.fd = wake_fd, .events = POLLIN};
    uint64_t count;
    atomic_store(&asleep, true);
    /* A line that came in before the flag was seen would wait for the next one. */
    for (struct log_ring *ring = atomic_load(&rings); ring != NULL; ring = ring->next) {
        struct span pieces[2];
        if (log_ring_peek(ring, pieces) > 0) {
            atomic_store(&asleep, false);
            return;
        }
    }
    if (!atomic_load(&stopping) && poll(&waited, 1, IDLE_WAIT_MS) > 0)
        (void)!read(wake_fd, &count, sizeof count);
    atomic_store(&asleep, false);
}

static void *run(void *unused)
{
    struct timespec pause = {.tv_nsec = BATCH_PAUSE_MS * 1000000L};
    uint64_t reported = 0;
    (void)unused;
    for (;;) {
        bool last = atomic_load(&stopping);
        bool any = drain();
        report_dropped(&reported);
        if (last && !any)
            return NULL;
        if (last)
            continue;
        /* While lines keep coming they are taken in batches, and nobody has to wake anybody. */
        if (any)
            (void)nanosleep(&pause, NULL);
        else
            wait_for_lines();
    }
}

void log_start(const struct log_settings *settings)
{
    must(!atomic_load(&running));
    log_line_format = settings->format;
    least_level = settings->level;
    output_fd = settings->fd;
    log_line_colour = settings->format == LOG_CONSOLE && isatty(settings->fd) == 1;
    wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must(wake_fd >= 0);
    atomic_store(&stopping, false);
    must(pthread_create(&thread, NULL, run, NULL) == 0);
    (void)pthread_setname_np(thread, "weir-log");
    atomic_store(&running, true);
}

void log_stop(unsigned wait_ms)
{
    struct timespec until;
    if (!atomic_exchange(&running, false))
        return;
    atomic_store(&stopping, true);
    uint64_t one = 1;
    (void)!write(wake_fd, &one, sizeof one);
    must(clock_gettime(CLOCK_REALTIME, &until) == 0);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    /* A reader that takes nothing must not keep the process: the thread is then left behind. */
    if (pthread_timedjoin_np(thread, NULL, &until) != 0)
        return;
    (void)close(wake_fd);
    wake_fd = -1;
}
