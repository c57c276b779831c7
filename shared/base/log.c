/* The log thread, the rings that it empties, and what is counted on the way. */
#include "shared/base/log_line.h"
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
static enum log_level least_level = LOG_INFO;
static int output_fd = STDERR_FILENO;
static int wake_fd = -1;
static pthread_t thread;
static bool (*chore)(bool last);

/* The log thread's. */
static uint64_t reported; /* of `dropped` */
static bool torn;         /* the output ends within a line */

/* Shared. */
static atomic_bool running;
static atomic_bool stopping;
static atomic_bool asleep; /* the log thread waits for a wake-up */
static atomic_uint_fast64_t dropped;
static _Atomic(struct log_ring *) rings; /* only ever grows: a ring outlives its thread */
static atomic_uint n_rings;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t ring_key; /* gives the ring back when its thread ends */
static _Thread_local struct log_ring *own_ring;
static _Thread_local bool is_log_thread; /* its own lines go straight to the output */

uint64_t log_dropped(void)
{
    return atomic_load(&dropped);
}

bool log_is_on(enum log_level level)
{
    return level >= least_level;
}

/* Takes from *text what was written. False: nobody reads, or there is no room on the disk. */
static bool write_all(struct span *text)
{
    while (text->len > 0) {
        ssize_t written = write(output_fd, text->at, text->len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno == EAGAIN) {
            struct pollfd ready = {.fd = output_fd, .events = POLLOUT};
            if (poll(&ready, 1, 100) == 0 && atomic_load(&stopping))
                return false;
            continue;
        }
        if (written <= 0)
            return false;
        torn = text->at[written - 1] != '\n';
        *text = span_from(*text, (size_t)written);
    }
    return true;
}

static uint64_t count_lines(struct span text)
{
    uint64_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += text.at[i] == '\n';
    return n;
}

/* Writes whole lines, in two pieces. Returns how many are lost, whole or in part. */
static uint64_t write_lines(struct span first, struct span second)
{
    struct span newline = span_of("\n");
    if ((!torn || write_all(&newline)) && write_all(&first) && write_all(&second))
        return 0;
    return count_lines(first) + count_lines(second);
}

/* The thread ends: its ring is another's, once that takes it. */
static void give_back(void *ring)
{
    own_ring = NULL;
    atomic_store(&((struct log_ring *)ring)->taken, false);
}

static void make_key(void)
{
    must(pthread_key_create(&ring_key, give_back) == 0);
}

/* One that a thread gave back. */
static struct log_ring *take_used_ring(bool only_empty)
{
    for (struct log_ring *ring = atomic_load(&rings); ring != NULL; ring = ring->next) {
        bool taken = false;
        if (only_empty && atomic_load(&ring->head) != atomic_load(&ring->tail))
            continue;
        if (atomic_compare_exchange_strong(&ring->taken, &taken, true))
            return ring;
    }
    return NULL;
}

/* One that nothing is in, a new one, or one that another thread's lines are still in; NULL when too
 * many threads have one. */
static struct log_ring *take_ring(void)
{
    struct log_ring *ring = take_used_ring(true);
    if (ring != NULL)
        return ring;
    if (atomic_load(&n_rings) >= MOST_RINGS || atomic_fetch_add(&n_rings, 1) >= MOST_RINGS)
        return take_used_ring(false);
    ring = calloc(1, sizeof *ring);
    must(ring != NULL);
    atomic_init(&ring->taken, true);
    ring->next = atomic_load(&rings);
    while (!atomic_compare_exchange_weak(&rings, &ring->next, ring))
        ;
    return ring;
}

static struct log_ring *ring_of_thread(void)
{
    if (own_ring != NULL)
        return own_ring;
    must(pthread_once(&key_once, make_key) == 0);
    struct log_ring *ring = take_ring();
    if (ring == NULL)
        return NULL;
    must(pthread_setspecific(ring_key, ring) == 0);
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
    struct span text = log_finish(line);
    if (is_log_thread) {
        (void)atomic_fetch_add(&dropped, write_lines(text, SPAN_EMPTY));
        return;
    }
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
        (void)atomic_fetch_add(&dropped, write_lines(pieces[0], pieces[1]));
        log_ring_drop(ring, len);
        any = true;
    }
    return any;
}

/* Returns whether there was anything, and it could be said. */
static bool report_dropped(void)
{
    uint64_t now = atomic_load(&dropped);
    if (now == reported)
        return false;
    struct log_line line;
    log_begin(&line, LOG_WARNING, "log", "log_dropped");
    log_u64(&line, "lines", now - reported);
    if (line.on && write_lines(log_finish(&line), SPAN_EMPTY) > 0)
        return false; /* no loss of its own: there will be another */
    reported = now;
    return true;
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
    (void)unused;
    is_log_thread = true;
    for (;;) {
        bool last = atomic_load(&stopping);
        bool any = drain();
        any |= report_dropped();
        if (chore != NULL)
            any |= chore(last);
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

void log_set_chore(bool (*what)(bool last))
{
    must(!atomic_load(&running));
    chore = what;
}

void log_start(const struct log_settings *settings)
{
    must(!atomic_load(&running));
    log_line_format = settings->format;
    log_line_severity = settings->severity;
    least_level = settings->level;
    output_fd = settings->fd;
    log_line_colour = settings->format == LOG_CONSOLE && isatty(settings->fd) == 1;
    if (wake_fd < 0) /* never closed: a late line may still be about to wake */
        wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must(wake_fd >= 0);
    atomic_store(&stopping, false);
    must(pthread_create(&thread, NULL, run, NULL) == 0);
    (void)pthread_setname_np(thread, "weir-log");
    atomic_store(&running, true);
}

void log_stop(unsigned wait_ms)
{
    const struct timespec pause = {.tv_nsec = 1000000L};
    uint64_t one = 1, due_ns = tick_now_ns() + wait_ms * UINT64_C(1000000);
    if (!atomic_exchange(&running, false))
        return;
    atomic_store(&stopping, true);
    (void)!write(wake_fd, &one, sizeof one);
    /* A reader that takes nothing must not keep the process: the thread is then left behind. Not
     * pthread_timedjoin_np: its clock can be set back. */
    while (pthread_tryjoin_np(thread, NULL) == EBUSY && tick_now_ns() < due_ns)
        (void)nanosleep(&pause, NULL);
}
