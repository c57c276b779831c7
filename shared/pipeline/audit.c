#include "shared/pipeline/audit.h"

#include "shared/flow/contract.h"

void audit_log(const struct request *request, enum log_level level, const char *event,
               const char *reason)
{
    const struct identity *identity = &request->identity;
    char peer[PEER_TEXT_BYTES];
    struct log_line line;
    log_begin(&line, level, "audit", event);
    if (!line.on)
        return;
    peer_text(&request->client, peer);
    log_text(&line, "request_id", request->id);
    log_text(&line, "protocol", request->port->protocol);
    log_text(&line, "flow", request->given.method->flow);
    log_text(&line, "peer", peer);
    log_text(&line, "reason", reason);
    if (identity_is_known(identity)) {
        log_text(&line, "by", identity_kind_name(identity->kind));
        log_span(&line, "tenant", identity->tenant);
        log_span(&line, "subject", identity->subject);
    }
    log_end(&line);
}
