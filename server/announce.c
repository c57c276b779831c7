#include "server/announce.h"

#include "server/authentication.h"
#include "shared/base/audit.h"
#include "shared/base/buf.h"
#include "shared/base/log.h"

/* Which settings are not the defaults; their values are in --check-config. */
static void audit_settings(const struct config *config)
{
    char text[512];
    struct buf names = {.at = text, .cap = sizeof text, .limit = sizeof text};
    for (size_t i = 0; i < CONFIG_COUNT_OF_SETTINGS; i++) {
        if (config->source[i] == CONFIG_FROM_DEFAULT)
            continue;
        if (names.len > 0)
            buf_put_char(&names, ' ');
        buf_put_text(&names, config_rows[i].name);
    }
    audit_put(&(struct audit_event){
        .kind = AUDIT_CONFIGURATION, .action = SPAN_LITERAL("start"), .reason = buf_span(&names)});
}

static void warn(const struct config *config)
{
    if (config->debug)
        log_event(LOG_WARNING, "lifecycle", "debug_mode", "setting", "DEBUG");
    authentication_log_warnings(config);
    if (config->trusted_hosts[0] == '\0' && !config->debug)
        log_event(LOG_WARNING, "lifecycle", "any_host_accepted", "setting", "TRUSTED_HOSTS");
    if (!config->rate_limit_enabled)
        log_event(LOG_WARNING, "lifecycle", "callers_not_limited", "setting", "RATE_LIMIT_ENABLED");
    if (config->exposed[0] != '\0')
        log_event(LOG_WARNING, "lifecycle", "secret_readable_by_others", "file", config->exposed);
}

void announce_settings(const struct config *config)
{
    audit_settings(config);
    warn(config);
}
