#include "shared/pipeline/readiness.h"

void readiness_init(struct readiness *readiness)
{
    atomic_init(&readiness->started, false);
    atomic_init(&readiness->draining, false);
    atomic_init(&readiness->no_key_set, false);
    atomic_init(&readiness->offline_model, false);
    readiness->providers = NULL;
    readiness->providers_context = NULL;
}

/* One look, so that an answer does not contradict itself. */
struct look {
    bool started, draining, no_key_set, offline_model;
    struct readiness_providers providers;
};

static struct look look_at(const struct readiness *readiness)
{
    struct look look = {.started = atomic_load(&readiness->started),
                        .draining = atomic_load(&readiness->draining),
                        .no_key_set = atomic_load(&readiness->no_key_set),
                        .offline_model = atomic_load(&readiness->offline_model)};
    if (readiness->providers != NULL)
        readiness->providers(readiness->providers_context, &look.providers);
    return look;
}

static bool is_ok(const struct look *look)
{
    return look->started && !look->draining && !look->no_key_set &&
           (look->providers.count == 0 || look->providers.usable > 0);
}

bool readiness_ok(const struct readiness *readiness)
{
    struct look look = look_at(readiness);
    return is_ok(&look);
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
    struct look look = look_at(readiness);
    bool ok = is_ok(&look);
    buf_put_text(out, ok ? "{\"status\":\"ok\"" : "{\"status\":\"unavailable\"");
    if (!look.started)
        put_reason(out, &first, "warn", "starting");
    if (look.draining)
        put_reason(out, &first, "warn", "draining");
    if (look.no_key_set)
        put_reason(out, &first, "warn", "no_key_set");
    const char *class = look.providers.usable == 0 ? "warn" : "info";
    if (look.providers.keyless > 0)
        put_reason(out, &first, class, "credentials_missing");
    if (look.providers.usable + look.providers.keyless < look.providers.count)
        put_reason(out, &first, class, "breaker_open");
    if (look.offline_model)
        put_reason(out, &first, "info", "offline_model");
    if (!first)
        buf_put_char(out, ']');
    buf_put_char(out, '}');
    return ok;
}
