#include "shared/base/audit.h"

#include "shared/base/audit_file.h"
#include "shared/base/log_line.h"
#include "shared/base/tick.h"

#include <pthread.h>

enum { PENDING_BYTES = 256 * 1024, TEND_MS = 1000 };

static const struct {
    const char *name;
    enum log_level level;
} kinds[AUDIT_KINDS] = {
    [AUDIT_AUTH_SUCCESS] = {"auth_success", LOG_INFO},
    [AUDIT_AUTH_FAILURE] = {"auth_failure", LOG_WARNING},
    [AUDIT_ACCESS_DENIED] = {"access_denied", LOG_WARNING},
    [AUDIT_LIMIT_EXCEEDED] = {"limit_exceeded", LOG_WARNING},
    [AUDIT_CONTENT_REFUSED] = {"content_refused", LOG_WARNING},
    [AUDIT_BLOCKED] = {"blocked", LOG_WARNING},
    [AUDIT_CONFIGURATION] = {"configuration", LOG_INFO},
    [AUDIT_KEYS] = {"keys", LOG_INFO},
};

/* Records on their way to the file. */
struct pending {
    size_t len, lines;
    char text[PENDING_BYTES];
};

/* Fixed by audit_start. */
static struct audit_file *file;

/* The log thread's. */
static struct pending writing;
static uint64_t reported[AUDIT_KINDS]; /* of `left_out` */
static tick_ms tended_ms;
static bool failing; /* the file could not be written when it was tried last */

static struct {
    pthread_mutex_t mutex;
    struct audit_gate gates[AUDIT_KINDS];
    struct audit_stats stats;
    struct pending pending;
} synced = {.mutex = PTHREAD_MUTEX_INITIALIZER};

const char *audit_kind_name(enum audit_kind kind)
{
    return kinds[kind].name;
}

/* --- the rate --- */

void audit_gate_init(struct audit_gate *gate, uint64_t now_ms)
{
    *gate = (struct audit_gate){.at_ms = now_ms, .milli_tokens = AUDIT_BURST * 1000ULL};
}

bool audit_gate_take(struct audit_gate *gate, uint64_t now_ms)
{
    uint64_t most = AUDIT_BURST * 1000ULL;
    uint64_t passed_ms = now_ms > gate->at_ms ? now_ms - gate->at_ms : 0;
    uint64_t gained = passed_ms > most ? most : passed_ms * AUDIT_PER_SECOND;
    gate->milli_tokens = gate->milli_tokens + gained < most ? gate->milli_tokens + gained : most;
    gate->at_ms += passed_ms;
    if (gate->milli_tokens < 1000)
        return false;
    gate->milli_tokens -= 1000;
    return true;
}

static bool may_pass(enum audit_kind kind)
{
    (void)pthread_mutex_lock(&synced.mutex);
    bool passes = audit_gate_take(&synced.gates[kind], tick_now_ms());
    if (passes)
        synced.stats.events[kind]++;
    else
        synced.stats.left_out[kind]++;
    (void)pthread_mutex_unlock(&synced.mutex);
    return passes;
}

/* --- events --- */

static void describe(struct log_line *line, const struct audit_event *event)
{
    char peer[PEER_TEXT_BYTES];
    if (event->peer != NULL) {
        peer_text(event->peer, peer);
        log_text(line, "peer", peer);
    }
    log_text(line, "request_id", event->request_id);
    log_text(line, "protocol", event->protocol);
    log_text(line, "credential", event->credential);
    if (event->tenant.len > 0)
        log_span(line, "tenant", event->tenant);
    if (event->subject.len > 0)
        log_span(line, "subject", event->subject);
    if (event->action.len > 0)
        log_span(line, "action", event->action);
    if (event->reason.len > 0)
        log_span(line, "reason", event->reason);
}

static void keep(struct span record)
{
    (void)pthread_mutex_lock(&synced.mutex);
    if (record.len <= PENDING_BYTES - synced.pending.len) {
        memcpy(synced.pending.text + synced.pending.len, record.at, record.len);
        synced.pending.len += record.len;
        synced.pending.lines++;
    } else {
        synced.stats.not_written++;
    }
    (void)pthread_mutex_unlock(&synced.mutex);
}

void audit_put(const struct audit_event *event)
{
    struct log_line line;
    if (!may_pass(event->kind))
        return;
    /* The record first: the log line may wake the log thread, which then finds both. */
    if (file != NULL) {
        log_begin_record(&line, kinds[event->kind].level, "audit", kinds[event->kind].name);
        describe(&line, event);
        keep(log_finish(&line));
    }
    log_begin(&line, kinds[event->kind].level, "audit", kinds[event->kind].name);
    describe(&line, event);
    log_end(&line);
}

struct audit_stats audit_stats(void)
{
    (void)pthread_mutex_lock(&synced.mutex);
    struct audit_stats stats = synced.stats;
    (void)pthread_mutex_unlock(&synced.mutex);
    return stats;
}

/* --- the log thread --- */

static void say_left_out(struct log_line *line, enum audit_kind kind, uint64_t count)
{
    log_text(line, "kind", kinds[kind].name);
    log_u64(line, "events", count);
}

/* Returns whether there was anything. */
static bool report_left_out(void)
{
    bool any = false;
    struct audit_stats stats = audit_stats();
    struct log_line line;
    for (size_t i = 0; i < AUDIT_KINDS; i++) {
        uint64_t count = stats.left_out[i] - reported[i];
        if (count == 0)
            continue;
        any = true;
        reported[i] = stats.left_out[i];
        if (file != NULL) {
            log_begin_record(&line, LOG_WARNING, "audit", "left_out");
            say_left_out(&line, (enum audit_kind)i, count);
            keep(log_finish(&line));
        }
        log_begin(&line, LOG_WARNING, "audit", "left_out");
        say_left_out(&line, (enum audit_kind)i, count);
        log_end(&line);
    }
    return any;
}

static bool write_pending(uint64_t now_s)
{
    (void)pthread_mutex_lock(&synced.mutex);
    writing.len = synced.pending.len;
    writing.lines = synced.pending.lines;
    memcpy(writing.text, synced.pending.text, writing.len);
    synced.pending.len = synced.pending.lines = 0;
    (void)pthread_mutex_unlock(&synced.mutex);
    if (writing.len == 0)
        return false;
    bool written = audit_file_write(file, span_make(writing.text, writing.len), now_s);
    if (!written) {
        (void)pthread_mutex_lock(&synced.mutex);
        synced.stats.not_written += writing.lines;
        (void)pthread_mutex_unlock(&synced.mutex);
    }
    if (written == failing) {
        failing = !written;
        log_event(failing ? LOG_ERROR : LOG_INFO, "audit",
                  failing ? "file_not_written" : "file_written_again", "setting", "AUDIT_LOG_FILE");
    }
    return true;
}

static bool chore(bool last)
{
    uint64_t now_s = tick_wall_ns() / 1000000000U;
    tick_ms now_ms = tick_now_ms();
    bool any = false;
    if (last || now_ms - tended_ms >= TEND_MS) {
        tended_ms = now_ms;
        any = report_left_out();
        if (file != NULL)
            audit_file_tend(file, now_s);
    }
    return (file != NULL && write_pending(now_s)) || any;
}

bool audit_start(const char *path, uint64_t retention_ms, char error[128])
{
    tick_ms now_ms = tick_now_ms();
    must(file == NULL);
    if (path[0] != '\0') {
        file = audit_file_open(path, retention_ms / 1000, tick_wall_ns() / 1000000000U, error);
        if (file == NULL)
            return false;
    }
    for (size_t i = 0; i < AUDIT_KINDS; i++)
        audit_gate_init(&synced.gates[i], now_ms);
    log_set_chore(chore);
    return true;
}
