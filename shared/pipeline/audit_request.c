/* Which ends of a request are security events (O3): one for who it was, one for what was refused.
 */
#include "shared/pipeline/step.h"

#include "shared/base/audit.h"

/* False: this end is none. */
static bool kind_of(enum verdict_code code, enum audit_kind *kind)
{
    switch (code) {
    case VERDICT_UNAUTHENTICATED:
        *kind = AUDIT_AUTH_FAILURE;
        return true;
    case VERDICT_FORBIDDEN_SCOPE:
    case VERDICT_FORBIDDEN_ADDRESS:
    case VERDICT_FORBIDDEN_HOST:
        *kind = AUDIT_ACCESS_DENIED;
        return true;
    case VERDICT_RATE_LIMITED:
        *kind = AUDIT_LIMIT_EXCEEDED;
        return true;
    case VERDICT_CONTENT_REFUSED:
        *kind = AUDIT_CONTENT_REFUSED;
        return true;
    case VERDICT_BLOCKED:
        *kind = AUDIT_BLOCKED;
        return true;
    default:
        return false;
    }
}

void audit_request(const struct request *request, const struct verdict *verdict)
{
    const struct identity *identity = &request->identity;
    bool is_known = identity_is_known(identity);
    struct audit_event event = {
        .request_id = request->id,
        .protocol = request->port->protocol,
        .credential = is_known ? identity_kind_name(identity->kind) : NULL,
        .tenant = identity->tenant,
        .subject = identity->subject,
        .peer = &request->client,
        .action = request->given.path,
    };
    if (is_known) {
        event.kind = AUDIT_AUTH_SUCCESS;
        audit_put(&event);
    }
    if (request->refusal != NULL) {
        event.kind = AUDIT_AUTH_FAILURE;
        event.reason = span_of(request->refusal);
        audit_put(&event);
    } else if (kind_of(verdict->code, &event.kind)) {
        event.reason = span_of(verdict_row(verdict->code)->name);
        audit_put(&event);
    }
}
