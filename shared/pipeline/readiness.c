#include "shared/pipeline/readiness.h"

void readiness_init(struct readiness *readiness)
{
    atomic_init(&readiness->started, false);
    atomic_init(&readiness->draining, false);
    atomic_init(&readiness->no_key_set, false);
    atomic_init(&readiness->offline_model, false);
}

bool readiness_ok(const struct readiness *readiness)
{
    return atomic_load(&readiness->started) && !atomic_load(&readiness->draining) &&
           !atomic_load(&readiness->no_key_set);
}

static void put_reason(struct buf *out, bool *first, const char *class, const char *reason)
{
    buf_put_text(out, *first ? ",\"reasons\":[" : ",");
    *first = false;
    buf_put_text(out, "{\"class\":\"");
    buf_put_text(out, class);
    buf_put_text(out, "\",\"reason\":\"");
    buf_put_text(out, reason);
    buf_put_text(out, "\"}");
}

bool readiness_write(const struct readiness *readiness, struct buf *out)
{
    bool first = true;
    bool started = atomic_load(&readiness->started);
    bool draining = atomic_load(&readiness->draining);
    bool no_key_set = atomic_load(&readiness->no_key_set);
    bool ok = started && !draining && !no_key_set;
    buf_put_text(out, ok ? "{\"status\":\"ok\"" : "{\"status\":\"unavailable\"");
    if (!started)
        put_reason(out, &first, "warn", "starting");
    if (draining)
        put_reason(out, &first, "warn", "draining");
    if (no_key_set)
        put_reason(out, &first, "warn", "no_key_set");
    if (atomic_load(&readiness->offline_model))
        put_reason(out, &first, "info", "offline_model");
    if (!first)
        buf_put_char(out, ']');
    buf_put_char(out, '}');
    return ok;
}
