/* The audit log (O3): security events, as who did what, from where, and when.
 *
 * An event becomes a line of the log (logger "audit") and, where a file is named, a JSON line of
 * that, written by the log thread. Nothing here waits for a disk. The rate of each kind is bounded;
 * what is left out is counted, and the count is an event itself. Any thread. */
#ifndef WEIR_BASE_AUDIT_H
#define WEIR_BASE_AUDIT_H

#include "shared/base/must.h"
#include "shared/base/peer.h"
#include "shared/base/span.h"

#include <stdbool.h>
#include <stdint.h>

enum audit_kind {
    AUDIT_AUTH_SUCCESS,
    AUDIT_AUTH_FAILURE,
    AUDIT_ACCESS_DENIED, /* known or not, the caller may not do this */
    AUDIT_LIMIT_EXCEEDED,
    AUDIT_CONTENT_REFUSED,
    AUDIT_BLOCKED,
    AUDIT_CONFIGURATION,
    AUDIT_KEYS, /* the keys that verify callers, and the callers' API keys */
    AUDIT_KINDS
};

/* Empty spans and NULL texts are left out. Nothing in it may be a secret. */
struct audit_event {
    enum audit_kind kind;
    const char *request_id;
    const char *protocol;
    const char *credential; /* "token", "api_key", ... */
    struct span tenant, subject;
    const struct peer *peer;
    struct span action; /* the path, the rpc, or what was changed */
    struct span reason;
};

enum { AUDIT_BURST = 500, AUDIT_PER_SECOND = 50 };

/* So many events of a kind, so fast. Pure; a zeroed gate is closed until audit_gate_init. */
struct audit_gate {
    uint64_t at_ms;
    uint64_t milli_tokens;
};
void audit_gate_init(struct audit_gate *gate, uint64_t now_ms);
MUST_USE bool audit_gate_take(struct audit_gate *gate, uint64_t now_ms);

/* Once, from main, before log_start; the file stays open for as long as the log thread may run,
 * that is to the end of the process. `path` "": no file. False: `error` says what is wrong with it.
 */
MUST_USE bool audit_start(const char *path, uint64_t retention_ms, char error[128]);

void audit_put(const struct audit_event *event);

struct audit_stats {
    uint64_t events[AUDIT_KINDS];
    uint64_t left_out[AUDIT_KINDS]; /* for their rate */
    uint64_t not_written;           /* lines that the file did not take */
};
struct audit_stats audit_stats(void);
/* "auth_success" and so on. */
const char *audit_kind_name(enum audit_kind kind);

#endif
