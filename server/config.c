/* Reads the settings from their sources and holds them to their rules. */
#include "server/config.h"

#include "shared/base/version.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

const struct config_row config_rows[CONFIG_COUNT_OF_SETTINGS] = {
#define SETTING(kind, NAME, field, initial, least, most, group, help)                              \
    {#NAME, initial, group, help, CONFIG_##kind, least, most, offsetof(struct config, field)},
#include "server/config.def"
#undef SETTING
};

/* What was said, before it is parsed. */
struct said {
    const char *text[CONFIG_COUNT_OF_SETTINGS]; /* NULL: nothing */
    enum config_source source[CONFIG_COUNT_OF_SETTINGS];
    const char *file[CONFIG_COUNT_OF_SETTINGS]; /* NAME_FILE of a secret */
    enum config_source file_source[CONFIG_COUNT_OF_SETTINGS];
    enum config_source current; /* of the source being read */
    const char *file_name;      /* of the .env file being read */
    bool holds_secret;          /* the .env file being read does */
    bool help, version, check, markdown;
    char *kept[2]; /* texts of the .env files, which `text` points into */
};

size_t config_find(struct span name)
{
    size_t i = 0;
    while (i < CONFIG_COUNT_OF_SETTINGS && !span_is(name, config_rows[i].name))
        i++;
    return i;
}

/* The secret whose NAME_FILE this is; CONFIG_COUNT_OF_SETTINGS when there is none. */
static size_t find_secret_file(struct span name)
{
    static const char suffix[] = "_FILE";
    size_t cut = sizeof suffix - 1;
    if (name.len <= cut || memcmp(name.at + name.len - cut, suffix, cut) != 0)
        return CONFIG_COUNT_OF_SETTINGS;
    size_t i = config_find(span_make(name.at, name.len - cut));
    return i < CONFIG_COUNT_OF_SETTINGS && config_rows[i].kind == CONFIG_SECRET
               ? i
               : CONFIG_COUNT_OF_SETTINGS;
}

/* Takes a value of the current source; an empty one counts as not said. False: no such setting. */
static bool take(struct said *said, struct span name, const char *value)
{
    size_t i = config_find(name);
    if (i < CONFIG_COUNT_OF_SETTINGS) {
        if (value[0] != '\0') {
            said->text[i] = value;
            said->source[i] = said->current;
            said->holds_secret |= config_rows[i].kind == CONFIG_SECRET;
        }
        return true;
    }
    i = find_secret_file(name);
    if (i == CONFIG_COUNT_OF_SETTINGS)
        return false;
    if (value[0] != '\0') {
        said->file[i] = value;
        said->file_source[i] = said->current;
    }
    return true;
}

static bool take_assignment(void *context, struct span name, const char *value, unsigned line,
                            char error[CONFIG_ERROR_BYTES])
{
    struct said *said = context;
    if (take(said, name, value))
        return true;
    (void)snprintf(error, CONFIG_ERROR_BYTES, "%s, line %u: there is no setting %.*s",
                   said->file_name, line, (int)(name.len < 100 ? name.len : 100), name.at);
    return false;
}

static bool take_file(struct config *config, struct said *said, const char *path, char **kept,
                      char error[CONFIG_ERROR_BYTES])
{
    size_t len = 0;
    bool open_to_others = false, missing = false;
    *kept = config_read_file(path, &len, &open_to_others, &missing, error);
    if (*kept == NULL)
        return missing;
    said->file_name = path;
    said->holds_secret = false;
    if (!config_parse_env_file(*kept, len, path, take_assignment, said, error))
        return false;
    config->secrets_readable |= said->holds_secret && open_to_others;
    return true;
}

static void take_environment(struct said *said, char *const *environment)
{
    for (; *environment != NULL; environment++) {
        const char *equals = strchr(*environment, '=');
        if (equals != NULL)
            (void)take(said, span_make(*environment, (size_t)(equals - *environment)), equals + 1);
    }
}

/* "--grpc-port=0" -> "GRPC_PORT" */
static size_t find_flag(const char *argument, size_t len)
{
    char name[64];
    if (len >= sizeof name)
        return CONFIG_COUNT_OF_SETTINGS;
    for (size_t i = 0; i < len; i++) {
        if (argument[i] == '_' || isupper((unsigned char)argument[i]))
            return CONFIG_COUNT_OF_SETTINGS;
        name[i] = argument[i] == '-' ? '_' : (char)toupper((unsigned char)argument[i]);
    }
    struct span found = span_make(name, len);
    size_t index = config_find(found);
    return index < CONFIG_COUNT_OF_SETTINGS ? index : find_secret_file(found);
}

static bool take_switch(struct said *said, const char *argument)
{
    const struct {
        const char *name;
        bool *on;
    } switches[] = {{"--help", &said->help},
                    {"-h", &said->help},
                    {"--version", &said->version},
                    {"--check-config", &said->check},
                    {"--settings-markdown", &said->markdown}};
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++)
        if (strcmp(argument, switches[i].name) == 0)
            return *switches[i].on = true;
    return false;
}

static bool take_flags(struct said *said, int argc, char **argv, char error[CONFIG_ERROR_BYTES])
{
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        if (take_switch(said, argument))
            continue;
        size_t len = strcspn(argument, "=");
        size_t index = strncmp(argument, "--", 2) == 0 ? find_flag(argument + 2, len - 2)
                                                       : CONFIG_COUNT_OF_SETTINGS;
        if (index == CONFIG_COUNT_OF_SETTINGS) {
            (void)snprintf(error, CONFIG_ERROR_BYTES, "unknown flag %.*s; see weir --help",
                           (int)(len < 100 ? len : 100), argument);
            return false;
        }
        const struct config_row *row = &config_rows[index];
        if (row->kind == CONFIG_SECRET) {
            (void)snprintf(error, CONFIG_ERROR_BYTES,
                           "%s is a secret and a flag shows in the process list; set %s or "
                           "%s_FILE in the environment",
                           row->name, row->name, row->name);
            return false;
        }
        const char *value = argument[len] == '=' ? argument + len + 1 : NULL;
        if (value == NULL && row->kind == CONFIG_FLAG)
            value = "true";
        if (value == NULL && i + 1 < argc)
            value = argv[++i];
        if (value == NULL || value[0] == '\0') {
            (void)snprintf(error, CONFIG_ERROR_BYTES, "%.*s needs a value", (int)len, argument);
            return false;
        }
        said->text[index] = value;
        said->source[index] = CONFIG_FROM_FLAG;
    }
    return true;
}

/* The name of the extra .env file has to be known before the files are read. */
static const char *find_env(int argc, char **argv, char *const *environment)
{
    const char *found = "";
    for (; *environment != NULL; environment++)
        if (strncmp(*environment, "ENV=", 4) == 0)
            found = *environment + 4;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--env=", 6) == 0)
            found = argv[i] + 6;
        else if (strcmp(argv[i], "--env") == 0 && i + 1 < argc)
            found = argv[i + 1];
    }
    return found;
}

static bool take_all(struct config *config, struct said *said, int argc, char **argv,
                     char *const *environment, char error[CONFIG_ERROR_BYTES])
{
    char path[128];
    const char *env = find_env(argc, argv, environment);
    if (strlen(env) > 64 || strchr(env, '/') != NULL) {
        (void)snprintf(error, CONFIG_ERROR_BYTES, "ENV: a short name without / is expected");
        return false;
    }
    said->current = CONFIG_FROM_ENV_FILE;
    if (!take_file(config, said, ".env", &said->kept[0], error))
        return false;
    said->current = CONFIG_FROM_NAMED_ENV_FILE;
    (void)snprintf(path, sizeof path, ".%s.env", env);
    if (env[0] != '\0' && !take_file(config, said, path, &said->kept[1], error))
        return false;
    said->current = CONFIG_FROM_ENVIRONMENT;
    take_environment(said, environment);
    return take_flags(said, argc, argv, error);
}

/* A secret out of its file; one line end at its end is not part of it. */
static bool read_secret(struct config *config, struct said *said, size_t index,
                        char error[CONFIG_ERROR_BYTES])
{
    char why[CONFIG_ERROR_BYTES] = "it does not exist";
    bool open_to_others = false, missing = false;
    size_t len = 0;
    const char *name = config_rows[index].name;
    if (said->text[index] != NULL && said->source[index] >= said->file_source[index]) {
        if (said->source[index] > said->file_source[index])
            return true;
        (void)snprintf(error, CONFIG_ERROR_BYTES, "%s and %s_FILE are both set; set one", name,
                       name);
        return false;
    }
    char *text = config_read_file(said->file[index], &len, &open_to_others, &missing, why);
    if (text == NULL) {
        (void)snprintf(error, CONFIG_ERROR_BYTES, "%s_FILE: %.200s", name, why);
        return false;
    }
    config->secrets_readable |= open_to_others;
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        text[--len] = '\0';
    config->owned[index] = text;
    said->text[index] = text;
    said->source[index] = said->file_source[index];
    return true;
}

static bool settle(struct config *config, struct said *said, char error[CONFIG_ERROR_BYTES])
{
    static const char *const places[] = {"default", ".env", "the named .env file",
                                         "the environment", "a flag"};
    char why[CONFIG_ERROR_BYTES] = "";
    for (size_t i = 0; i < CONFIG_COUNT_OF_SETTINGS; i++) {
        if (said->file[i] != NULL && !read_secret(config, said, i, error))
            return false;
        const char *text = said->text[i] != NULL ? said->text[i] : config_rows[i].initial;
        config->source[i] = said->text[i] != NULL ? said->source[i] : CONFIG_FROM_DEFAULT;
        if (config->owned[i] == NULL) {
            config->owned[i] = strdup(text);
            must(config->owned[i] != NULL);
        }
        if (config_parse(config, i, config->owned[i], why))
            continue;
        (void)snprintf(error, CONFIG_ERROR_BYTES, "%s (from %s): %.300s", config_rows[i].name,
                       places[config->source[i]], why);
        return false;
    }
    return true;
}

static void refuse(char error[CONFIG_ERROR_BYTES], const char *text)
{
    (void)snprintf(error, CONFIG_ERROR_BYTES, "%s", text);
}

/* https, or http to this machine. */
static bool is_safe_url(const char *url)
{
    static const char *const loopback[] = {"http://127.", "http://localhost", "http://[::1]"};
    if (strncmp(url, "https://", 8) == 0 && url[8] != '\0')
        return true;
    for (size_t i = 0; i < sizeof loopback / sizeof loopback[0]; i++) {
        size_t len = strlen(loopback[i]);
        if (strncmp(url, loopback[i], len) != 0)
            continue;
        /* The host has to end there, and nothing may stand before an @. */
        size_t host = i == 0 ? strspn(url + 7, "0123456789.") + 7 : len;
        return strchr(":/", url[host]) != NULL && strchr(url, '@') == NULL;
    }
    return false;
}

/* What the mode decides, for settings that nobody set. */
static void fill_in(struct config *config, char *const *environment)
{
    bool cloud_run = false;
    for (; *environment != NULL; environment++)
        cloud_run |= strncmp(*environment, "K_SERVICE=", 10) == 0 && (*environment)[10] != '\0';
    if (config->host[0] == '\0')
        config->host = config->debug ? "127.0.0.1" : "0.0.0.0";
    if (config->log_format[0] == '\0')
        config->log_format = config->debug ? "console" : "json";
    if (config->auth_mode[0] == '\0')
        config->auth_mode = config->debug ? "none" : "required";
    if (config->source[CONFIG_SINGLE_PORT] == CONFIG_FROM_DEFAULT)
        config->single_port = cloud_run && config->source[CONFIG_PORT] != CONFIG_FROM_DEFAULT;
    if (config->workers == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        config->workers = cores > 0 && cores <= 256 ? (uint64_t)cores : 1;
    }
    if (strcmp(config->llm_provider, "auto") == 0) {
        if (config->openai_api_key[0] != '\0' || config->llm_base_url[0] != '\0')
            config->llm_provider = "openai";
        else if (config->debug)
            config->llm_provider = "offline";
    }
    if (config->llm_base_url[0] == '\0')
        config->llm_base_url = "https://api.openai.com/v1";
}

/* What has to be safe before anything is served (S3, S5). */
static bool check_rules(const struct config *config, char error[CONFIG_ERROR_BYTES])
{
#ifndef WEIR_DEBUG_SURFACE
    if (config->debug) {
        refuse(error, "DEBUG: this is a release build, which has no debug surface; build with "
                      "scripts/build.sh debug");
        return false;
    }
#endif
    if (strcmp(config->llm_provider, "openai") == 0 && !is_safe_url(config->llm_base_url)) {
        refuse(error, "LLM_BASE_URL: https is needed off loopback, without a user name");
        return false;
    }
    if (strcmp(config->auth_mode, "none") != 0) {
        refuse(error, "AUTH_MODE: no way to authenticate callers is configured, and this version "
                      "has none; AUTH_MODE=none serves everybody who can reach the port");
        return false;
    }
    if (strcmp(config->llm_provider, "auto") == 0) {
        refuse(error, "LLM_PROVIDER: no model is configured; set OPENAI_API_KEY or LLM_BASE_URL, "
                      "or LLM_PROVIDER=offline for the built-in model");
        return false;
    }
    if (config->secrets_readable && !config->debug) {
        refuse(error, "a file that holds secrets (.env or *_FILE) can be read by others; "
                      "chmod 600 it");
        return false;
    }
    return true;
}

static void trim_slash(char *url)
{
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        url[--len] = '\0';
}

static enum config_outcome print(const struct config *config, const struct said *said, FILE *out)
{
    if (said->help)
        config_print_help(out);
    else if (said->version)
        (void)fprintf(out, "weir %s (%s, %s)\n", weir_version, weir_commit, weir_build_type);
    else if (said->markdown)
        config_print_markdown(out);
    else
        config_print_effective(config, out);
    return CONFIG_STOP;
}

enum config_outcome config_load(struct config *config, int argc, char **argv,
                                char *const *environment, FILE *out, char error[CONFIG_ERROR_BYTES])
{
    struct said said = {0};
    enum config_outcome outcome = CONFIG_REFUSE;
    *config = (struct config){0};
    bool fine = take_all(config, &said, argc, argv, environment, error);
    if (said.help || said.version || said.markdown) {
        outcome = print(config, &said, out);
    } else if (fine && settle(config, &said, error)) {
        trim_slash(config->owned[CONFIG_LLM_BASE_URL]);
        fill_in(config, environment);
        if (check_rules(config, error))
            outcome = said.check ? print(config, &said, out) : CONFIG_RUN;
    }
    for (size_t i = 0; i < 2; i++) {
        if (said.kept[i] != NULL)
            explicit_bzero(said.kept[i], strlen(said.kept[i]));
        free(said.kept[i]);
    }
    return outcome;
}

void config_fini(struct config *config)
{
    for (size_t i = 0; i < CONFIG_COUNT_OF_SETTINGS; i++) {
        if (config->owned[i] != NULL)
            explicit_bzero(config->owned[i], strlen(config->owned[i]));
        free(config->owned[i]);
        config->owned[i] = NULL;
    }
}
