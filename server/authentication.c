#include "server/authentication.h"

#include "shared/base/log.h"

#include <string.h>

enum { REFRESH_MS = 600000, RETRY_MS = 1000, ASK_FLOOR_MS = 30000, WATCH_MS = 1000 };

static const char *set_or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static bool has_token_keys(const struct config *config)
{
    return config->jwt_public_key_file[0] != '\0' || config->jwt_public_key_url[0] != '\0' ||
           config->jwt_jwks_url[0] != '\0' || config->jwt_secret[0] != '\0';
}

/* The caller's; the setting was checked. */
static char *scopes_of(const char *setting)
{
    char *scopes = strdup(setting);
    must(scopes != NULL && apikey_parse_scopes(span_of(setting), scopes));
    return scopes;
}

bool authentication_start(const struct config *config, struct core *core, struct keeper **keeper,
                          char error[256])
{
    struct authenticator *authenticator = core->authenticator;
    struct span bad;
    const struct keeper_settings settings = {
        .public_key_file = set_or_null(config->jwt_public_key_file),
        .registry_url = set_or_null(config->jwt_public_key_url),
        .jwks_url = set_or_null(config->jwt_jwks_url),
        .ca_file = set_or_null(config->jwt_ca_file),
        .secret = span_of(config->jwt_secret),
        .api_keys_file = set_or_null(config->api_keys_file),
        .refresh_ms = REFRESH_MS,
        .retry_ms = RETRY_MS,
        .ask_floor_ms = ASK_FLOOR_MS,
        .watch_ms = WATCH_MS,
    };
    *keeper = NULL;
    authenticator->required = strcmp(config->auth_mode, "none") != 0;
    authenticator->by_token = has_token_keys(config);
    authenticator->by_apikey = settings.api_keys_file != NULL;
    authenticator->keys_unnamed = settings.registry_url != NULL;
    authenticator->rules.issuer = span_of(config->jwt_issuer);
    authenticator->rules.audience = span_of(config->jwt_audience);
    authenticator->rules.leeway_s = (int64_t)(config->jwt_leeway_ms / 1000);
    must(algorithm_set_parse(span_of(config->jwt_algorithms), &authenticator->rules.algorithms,
                             &bad));
    if (config->tls_client_ca_file[0] != '\0')
        authenticator->certificate_scopes = scopes_of(config->tls_client_scopes);
    if (!authenticator->by_token && !authenticator->by_apikey)
        return true;
    *keeper = keeper_start(&settings, authenticator, core->readiness, error);
    if (*keeper == NULL)
        return false;
    core->key_refresh = keeper_refresh(*keeper);
    return true;
}

void authentication_log_warnings(const struct config *config)
{
    if (strcmp(config->auth_mode, "none") == 0)
        log_event(LOG_WARNING, "lifecycle", "callers_not_authenticated", "setting", "AUTH_MODE");
    if (!has_token_keys(config))
        return;
    /* Without them a token that was made for another service of the same issuer passes here. */
    if (config->jwt_audience[0] == '\0')
        log_event(LOG_WARNING, "lifecycle", "any_audience_accepted", "setting", "JWT_AUDIENCE");
    if (config->jwt_issuer[0] == '\0')
        log_event(LOG_WARNING, "lifecycle", "any_issuer_accepted", "setting", "JWT_ISSUER");
}
