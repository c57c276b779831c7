#include "server/refusals.h"

#include "shared/base/log.h"
#include "shared/base/must.h"

enum { AGAIN_MS = 1000 };

static const struct {
    const char *name, *reason;
} rows[REFUSALS] = {
    [REFUSAL_CONNECTIONS] = {"max_connections", "MAX_CONNECTIONS"},
    [REFUSAL_ADDRESS] = {"max_connections_per_address", "MAX_CONNECTIONS_PER_ADDRESS"},
    [REFUSAL_UNDECIDED] = {"undecided", "undecided connections"},
    [REFUSAL_DESCRIPTORS] = {"descriptors", "descriptors"},
    [REFUSAL_PROXY_SENDER] = {"proxy_sender", "PROXY_PROTOCOL: the sender is not listed"},
    [REFUSAL_PROXY_HEADER] = {"proxy_header", "PROXY_PROTOCOL: no header of it, or a bad one"},
    [REFUSAL_PROXY_SILENT] = {"proxy_silent", "PROXY_PROTOCOL: no whole header in time"},
};

void complaint_make(struct complaint *complaint, const char *reason, const struct peer *peer,
                    size_t open)
{
    tick_ms now_ms = tick_now_ms();
    complaint->count++;
    if (now_ms < complaint->again_ms)
        return;
    complaint->again_ms = now_ms + AGAIN_MS;
    struct log_line line;
    log_begin(&line, LOG_WARNING, "front_door", complaint->event);
    log_text(&line, "reason", reason);
    if (peer != NULL) {
        char text[PEER_TEXT_BYTES];
        peer_text(peer, text);
        log_text(&line, "peer", text);
    }
    log_u64(&line, "connections", open);
    log_u64(&line, "times", complaint->count);
    log_end(&line);
}

const char *refusal_name(enum refusal refusal)
{
    must(refusal < REFUSALS);
    return rows[refusal].name;
}

void refusals_add(struct refusals *refusals, enum refusal refusal, const struct peer *peer,
                  size_t open)
{
    must(refusal < REFUSALS);
    refusals->counts[refusal]++;
    complaint_make(&refusals->complaint, rows[refusal].reason, peer, open);
}
