/* Who may call: the settings have to name at least one way to know, and none that lets anybody in
 * by mistake (I1, S5). */
#include "server/config.h"
#include "server/key_files.h"

#include <string.h>
#include <unistd.h>

static bool refuse(char error[CONFIG_ERROR_BYTES], const char *setting, const char *text)
{
    (void)snprintf(error, CONFIG_ERROR_BYTES, "%s: %s", setting, text);
    return false;
}

static bool is_set(const char *text)
{
    return text[0] != '\0';
}

/* The one source of public keys; two would leave open which of them a token may come from. */
static bool check_source(const struct config *config, bool *any, char error[CONFIG_ERROR_BYTES])
{
    bool file = is_set(config->jwt_public_key_file), registry = is_set(config->jwt_public_key_url);
    bool jwks = is_set(config->jwt_jwks_url);
    *any = file || registry || jwks;
    if (file && registry)
        return refuse(error, "JWT_PUBLIC_KEY_URL", "JWT_PUBLIC_KEY_FILE is set, too; set one");
    if (jwks && (file || registry))
        return refuse(error, "JWT_JWKS_URL",
                      file ? "JWT_PUBLIC_KEY_FILE is set, too; set one"
                           : "JWT_PUBLIC_KEY_URL is set, too; set one");
    if (is_set(config->jwt_ca_file) && access(config->jwt_ca_file, R_OK) != 0)
        return refuse(error, "JWT_CA_FILE", "a file that can be read is expected");
    return true;
}

/* A source of keys may have a query; the rest is as for every URL. */
static bool check_key_url(const char *setting, const char *url, char error[CONFIG_ERROR_BYTES])
{
    char front[2048];
    size_t len = strcspn(url, "?");
    if (!is_set(url))
        return true;
    if (len >= sizeof front || strpbrk(url + len, "# \\") != NULL)
        return refuse(error, setting, "a URL of at most 2,047 characters is expected");
    memcpy(front, url, len);
    front[len] = '\0';
    return config_check_url(setting, front, error);
}

static bool check_algorithms(const struct config *config, bool public_keys,
                             char error[CONFIG_ERROR_BYTES])
{
    algorithm_set set = 0;
    struct span bad = SPAN_EMPTY;
    const algorithm_set by_secret = algorithm_bit(ALGORITHM_HS256);
    if (!algorithm_set_parse(span_of(config->jwt_algorithms), &set, &bad))
        return refuse(error, "JWT_ALGORITHMS",
                      "a list out of RS256, ES256, PS256, EdDSA and HS256 is expected");
    bool secret = is_set(config->jwt_secret);
    if (secret && strlen(config->jwt_secret) < KEY_SECRET_BYTES)
        return refuse(error, "JWT_SECRET", "32 bytes at least are expected");
    if (secret && (set & by_secret) == 0)
        return refuse(error, "JWT_SECRET", "it is for HS256, which is not in JWT_ALGORITHMS");
    if (!secret && (set & by_secret) != 0)
        return refuse(error, "JWT_ALGORITHMS", "HS256 needs JWT_SECRET");
    if (public_keys && (set & ~by_secret) == 0)
        return refuse(error, "JWT_ALGORITHMS",
                      "no algorithm of public keys is in it, but public keys are configured");
    return true;
}

/* The rest of `error` behind "SETTING: ". */
static bool refuse_file(char error[CONFIG_ERROR_BYTES], const char *setting, const char *path,
                        const char *problem)
{
    (void)snprintf(error, CONFIG_ERROR_BYTES, "%s: %.200s: %s", setting, path, problem);
    return false;
}

static bool check_files(const struct config *config, char error[CONFIG_ERROR_BYTES])
{
    char problem[KEY_FILE_PROBLEM_BYTES] = "";
    const char *keys_path = config->jwt_public_key_file, *api_path = config->api_keys_file;
    static const char open_to_others[] = "others can write into it; chmod go-w it";
    if (is_set(keys_path)) {
        struct keyset *set = keyset_new();
        bool fine = key_file_add_public(keys_path, set, problem);
        (void)keyset_unref(set);
        if (!fine)
            return refuse_file(error, "JWT_PUBLIC_KEY_FILE", keys_path, problem);
        if (!config->debug && key_file_is_open(keys_path))
            return refuse_file(error, "JWT_PUBLIC_KEY_FILE", keys_path, open_to_others);
    }
    if (is_set(api_path)) {
        struct apikeys *keys = key_file_read_api(api_path, problem);
        bool fine = keys != NULL;
        (void)apikeys_unref(keys);
        if (!fine)
            return refuse_file(error, "API_KEYS_FILE", api_path, problem);
        if (!config->debug && key_file_is_open(api_path))
            return refuse_file(error, "API_KEYS_FILE", api_path, open_to_others);
    }
    return true;
}

static bool check_certificates(const struct config *config, char error[CONFIG_ERROR_BYTES])
{
    enum { SCOPES_BYTES = 4096 };
    char scopes[SCOPES_BYTES];
    struct span text = span_of(config->tls_client_scopes);
    if (text.len >= sizeof scopes || !apikey_parse_scopes(text, scopes))
        return refuse(error, "TLS_CLIENT_SCOPES",
                      "flow:* or flow:<name>, separated by commas, is expected");
    return true;
}

bool config_check_identity(const struct config *config, char error[CONFIG_ERROR_BYTES])
{
    bool public_keys = false;
    if (!check_source(config, &public_keys, error) ||
        !check_key_url("JWT_PUBLIC_KEY_URL", config->jwt_public_key_url, error) ||
        !check_key_url("JWT_JWKS_URL", config->jwt_jwks_url, error) ||
        !check_algorithms(config, public_keys, error) || !check_files(config, error) ||
        !check_certificates(config, error))
        return false;
    bool any = public_keys || is_set(config->jwt_secret) || is_set(config->api_keys_file) ||
               is_set(config->tls_client_ca_file);
    if (!any && strcmp(config->auth_mode, "none") != 0)
        return refuse(
            error, "AUTH_MODE",
            "no way to authenticate callers is configured; set JWT_JWKS_URL, "
            "JWT_PUBLIC_KEY_URL, JWT_PUBLIC_KEY_FILE, JWT_SECRET, API_KEYS_FILE or "
            "TLS_CLIENT_CA_FILE, or AUTH_MODE=none to serve everybody who can reach the port");
    return true;
}
