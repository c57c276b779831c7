/* What the mode decides, and what has to be safe before anything is served (S1, S3, S5). */
#include "server/config.h"

#include "server/chat_list.h"
#include "server/fallbacks.h"
#include "shared/llm/dialect.h"
#include "shared/policy/hosts.h"
#include "shared/policy/origins.h"

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

static bool refuse(char error[CONFIG_ERROR_BYTES], const char *text)
{
    (void)snprintf(error, CONFIG_ERROR_BYTES, "%s", text);
    return false;
}

static bool refuse_setting(char error[CONFIG_ERROR_BYTES], const char *setting, const char *text)
{
    (void)snprintf(error, CONFIG_ERROR_BYTES, "%s: %s", setting, text);
    return false;
}

static bool is_on(char *const *environment, const char *name)
{
    size_t len = strlen(name);
    for (; *environment != NULL; environment++)
        if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=' &&
            (*environment)[len + 1] != '\0')
            return true;
    return false;
}

/* The first whose key is there. A URL alone is one of an OpenAI-compatible server. */
static const char *provider_of_keys(const struct config *config)
{
    if (config->openai_api_key[0] != '\0' || config->llm_base_url[0] != '\0')
        return "openai";
    if (config->gemini_api_key[0] != '\0')
        return "gemini";
    return config->anthropic_api_key[0] != '\0' ? "anthropic" : NULL;
}

static void complete_model(struct config *config)
{
    if (strcmp(config->llm_provider, "auto") == 0) {
        const char *provider = provider_of_keys(config);
        config->llm_unsaid = provider == NULL;
        if (provider != NULL)
            config->llm_provider = provider;
        else if (config->debug)
            config->llm_provider = "offline";
    }
    const struct dialect *dialect = dialect_find(span_of(config->llm_provider));
    if (dialect == NULL)
        dialect = &dialect_openai;
    if (config->llm_base_url[0] == '\0')
        config->llm_base_url = dialect->usual_url;
    if (config->llm_model[0] == '\0')
        config->llm_model = dialect->usual_model;
}

void config_complete(struct config *config, char *const *environment)
{
    if (config->host[0] == '\0')
        config->host = config->debug ? "127.0.0.1" : "0.0.0.0";
    if (config->log_format[0] == '\0')
        config->log_format = config->debug ? "console" : "json";
    if (config->auth_mode[0] == '\0')
        config->auth_mode = config->debug ? "none" : "required";
    if (config->cors_allowed_origins[0] == '\0' && config->debug)
        config->cors_allowed_origins = "*";
    config->cloud_run = is_on(environment, "K_SERVICE");
    if (config->source[CONFIG_SINGLE_PORT] == CONFIG_FROM_DEFAULT)
        config->single_port =
            config->cloud_run && config->source[CONFIG_PORT] != CONFIG_FROM_DEFAULT;
    if (config->workers == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        config->workers = cores > 0 && cores <= 256 ? (uint64_t)cores : 1;
    }
    complete_model(config);
}

/* The host of "host", "host:port" or "[v6]:port"; empty when it is none of these. */
static struct span host_of(struct span authority)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
    const char *at = authority.at;
    size_t len = 0;
    if (authority.len > 0 && at[0] == '[') {
        while (len < authority.len && at[len] != ']')
            len++;
        if (len++ == authority.len)
            return SPAN_EMPTY;
    } else {
        while (len < authority.len && at[len] != '\0' && strchr(letters, at[len]) != NULL)
            len++;
    }
    struct span port = span_from(authority, len);
    if (port.len > 0) {
        if (port.at[0] != ':' || port.len < 2 || port.len > 6)
            return SPAN_EMPTY;
        for (size_t i = 1; i < port.len; i++)
            if (port.at[i] < '0' || port.at[i] > '9')
                return SPAN_EMPTY;
    }
    return span_make(at, len);
}

/* By its spelling: a name that would have to be looked up is not. */
static bool is_loopback(struct span host)
{
    char text[16];
    struct in_addr address;
    if (span_is_nocase(host, "localhost") || span_is(host, "[::1]"))
        return true;
    if (host.len >= sizeof text)
        return false;
    memcpy(text, host.at, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET, text, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

/* scheme://host[:port][/path]: requests are made by putting a path behind it, so no query and no
 * fragment; and it is printed and logged, so no password. */
bool config_check_url(const char *setting, const char *url, char error[CONFIG_ERROR_BYTES])
{
    bool tls = strncasecmp(url, "https://", 8) == 0;
    if (!tls && strncasecmp(url, "http://", 7) != 0)
        return refuse_setting(error, setting,
                              "a URL that begins with https:// is expected (or "
                              "http:// on loopback)");
    const char *authority = url + (tls ? 8 : 7);
    size_t len = strcspn(authority, "/?#");
    if (memchr(authority, '@', len) != NULL)
        return refuse_setting(error, setting,
                              "no user name or password is expected in it; keys "
                              "and tokens have settings of their own");
    struct span host = host_of(span_make(authority, len));
    if (host.len == 0 || strpbrk(authority, "?# \\") != NULL)
        return refuse_setting(error, setting,
                              "a host, a port perhaps, and a path are expected, "
                              "such as https://llm.example.com/v1");
    if (strlen(url) > 1024)
        return refuse_setting(error, setting, "a shorter URL is expected");
    if (!tls && !is_loopback(host))
        return refuse_setting(error, setting, "off loopback https:// is needed");
    return true;
}

const char *config_key_of(const struct config *config, struct span provider, const char **setting)
{
    *setting = NULL;
    if (span_is(provider, "openai")) {
        *setting = "OPENAI_API_KEY";
        return config->openai_api_key;
    }
    if (span_is(provider, "gemini")) {
        *setting = "GEMINI_API_KEY";
        return config->gemini_api_key;
    }
    must(span_is(provider, "anthropic"));
    *setting = "ANTHROPIC_API_KEY";
    return config->anthropic_api_key;
}

/* A provider at its own place wants a key; other servers may want none. */
static bool check_key(const struct config *config, struct span provider, const char *url,
                      char error[CONFIG_ERROR_BYTES])
{
    const char *setting;
    const char *key = config_key_of(config, provider, &setting);
    if (key[0] != '\0' || config->credentials_url[0] != '\0' ||
        strcmp(url, dialect_find(provider)->usual_url) != 0)
        return true;
    (void)snprintf(error, CONFIG_ERROR_BYTES,
                   "%s: the model's provider needs it; set it or %s_FILE or CREDENTIALS_URL, or "
                   "LLM_BASE_URL of a server that needs none",
                   setting, setting);
    return false;
}

/* A provider besides the usual one. */
static bool check_other(const struct config *config, const char *setting,
                        const struct fallback *one, char error[CONFIG_ERROR_BYTES])
{
    bool own = one->url[0] != '\0';
    const char *url = own ? one->url : one->dialect->usual_url;
    if (!own && strcmp(one->dialect->name, config->llm_provider) == 0 &&
        strcmp(config->llm_base_url, url) != 0) {
        (void)snprintf(error, CONFIG_ERROR_BYTES,
                       "%s: name the provider's URL: it is of LLM_BASE_URL's kind, whose key is "
                       "not for others",
                       setting);
        return false;
    }
    return own ? config_check_url(setting, url, error)
               : check_key(config, span_of(one->dialect->name), url, error);
}

static bool check_chat_models(const struct config *config, char error[CONFIG_ERROR_BYTES])
{
    struct chat_list list;
    char why[200] = "";
    if (!chat_list_parse(config->chat_models, &list, why))
        return refuse_setting(error, "CHAT_MODELS", why);
    for (size_t i = 0; i < list.count; i++)
        if (!check_other(config, "CHAT_MODELS", &list.list[i].place, error))
            return false;
    return true;
}

static bool check_fallbacks(const struct config *config, char error[CONFIG_ERROR_BYTES])
{
    struct fallbacks fallbacks;
    char why[200] = "";
    if (!fallbacks_parse(config->llm_fallbacks, &fallbacks, why))
        return refuse_setting(error, "LLM_FALLBACKS", why);
    for (size_t i = 0; i < fallbacks.count; i++) {
        if (!check_other(config, "LLM_FALLBACKS", &fallbacks.list[i], error))
            return false;
    }
    return true;
}

static bool refuse_item(char error[CONFIG_ERROR_BYTES], const char *setting, const char *expected,
                        struct span bad)
{
    (void)snprintf(error, CONFIG_ERROR_BYTES, "%s: %s are expected, not \"%.*s\"", setting,
                   expected, (int)(bad.len < 100 ? bad.len : 100), bad.len > 0 ? bad.at : "");
    return false;
}

static bool check_http(const struct config *config, char error[CONFIG_ERROR_BYTES])
{
    struct span origins = span_of(config->cors_allowed_origins), bad = SPAN_EMPTY;
    struct span hosts = span_of(config->trusted_hosts);
    if (origins_any(origins) && !config->debug)
        return refuse(error, "CORS_ALLOWED_ORIGINS: * lets every web page read the answers and is "
                             "for --debug only; list the origins");
    if (origins.len > 0 && !origins_check(origins, &bad))
        return refuse_item(error, "CORS_ALLOWED_ORIGINS", "origins such as https://app.example.com",
                           bad);
    if (hosts.len > 0 && !hosts_check(hosts, &bad))
        return refuse_item(error, "TRUSTED_HOSTS",
                           "hosts without port such as api.example.com or *.example.org", bad);
    return true;
}

static bool check_tls(const struct config *config, char error[CONFIG_ERROR_BYTES])
{
    bool cert = config->tls_cert_file[0] != '\0', key = config->tls_key_file[0] != '\0';
    if (cert && !key)
        return refuse(error, "TLS_KEY_FILE: TLS_CERT_FILE is set, and its key is needed, too");
    if (key && !cert)
        return refuse(error, "TLS_CERT_FILE: TLS_KEY_FILE is set, and its certificate is needed, "
                             "too");
    if (config->tls_client_ca_file[0] != '\0' && !cert)
        return refuse(error, "TLS_CLIENT_CA_FILE: it needs TLS_CERT_FILE and TLS_KEY_FILE");
    return true;
}

static bool check_model(const struct config *config, char error[CONFIG_ERROR_BYTES])
{
    if (strcmp(config->llm_provider, "auto") == 0)
        return refuse(error, "LLM_PROVIDER: no model is configured; set OPENAI_API_KEY, "
                             "GEMINI_API_KEY, ANTHROPIC_API_KEY or LLM_BASE_URL, or "
                             "LLM_PROVIDER=offline for the built-in model");
    if (strcmp(config->llm_provider, "offline") == 0)
        return true;
    if (!config_check_url("LLM_BASE_URL", config->llm_base_url, error) ||
        !check_key(config, span_of(config->llm_provider), config->llm_base_url, error) ||
        !check_fallbacks(config, error) || !check_chat_models(config, error))
        return false;
    if (config->credentials_url[0] != '\0' &&
        !config_check_url("CREDENTIALS_URL", config->credentials_url, error))
        return false;
    if (config->credentials_url[0] != '\0' && config->credentials_token[0] == '\0')
        return refuse(error, "CREDENTIALS_TOKEN: the credentials service needs it; set it or "
                             "CREDENTIALS_TOKEN_FILE");
    if (config->llm_ca_file[0] != '\0' && access(config->llm_ca_file, R_OK) != 0)
        return refuse(error, "LLM_CA_FILE: a file that can be read is expected");
    return true;
}

bool config_check(const struct config *config, char error[CONFIG_ERROR_BYTES])
{
#ifndef WEIR_DEBUG_SURFACE
    if (config->debug)
        return refuse(error, "DEBUG: the debug surface is not part of release builds; build with "
                             "scripts/build.sh debug");
#endif
    if (!config_check_identity(config, error))
        return false;
    if (!config->no_grpc && !config->single_port && config->port != 0 &&
        config->port == config->grpc_port)
        return refuse(error, "GRPC_PORT: it is the same as PORT; set SINGLE_PORT=true to serve "
                             "both protocols on one");
    if (config->rest_http2 && config->single_port && !config->no_grpc)
        return refuse(error,
                      "REST_HTTP2: on a single port HTTP/2 is gRPC's; unset it, or give gRPC "
                      "a port of its own with SINGLE_PORT=false, or set NO_GRPC=true");
    if (config->trusted_hops > 0 && config->trusted_proxies[0] != '\0')
        return refuse(error,
                      "TRUSTED_HOPS: the proxies are known by TRUSTED_PROXIES already; set one "
                      "of the two");
    if (!check_http(config, error) || !check_tls(config, error) || !check_model(config, error))
        return false;
    if (config->exposed[0] != '\0' && !config->debug) {
        (void)snprintf(error, CONFIG_ERROR_BYTES,
                       "%s: it holds a secret and can be read by others; chmod 600 it",
                       config->exposed);
        return false;
    }
    return true;
}
