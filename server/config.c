/* Reads the settings from their sources. */
#include "server/config.h"

#include "shared/base/version.h"

#include <ctype.h>
#include <stdlib.h>

/* What was said, before it is parsed. */
struct said {
    const char *text[CONFIG_COUNT_OF_SETTINGS]; /* NULL: nothing */
    enum config_source source[CONFIG_COUNT_OF_SETTINGS];
    const char *file[CONFIG_COUNT_OF_SETTINGS]; /* NAME_FILE of a secret */
    enum config_source file_source[CONFIG_COUNT_OF_SETTINGS];
    enum config_source current; /* of the source being read */
    const char *file_name;      /* of the .env file being read */
    bool holds_secret;          /* the .env file being read does */
    bool help, version, check, health, markdown;
    /* The .env files, which `text` points into. */
    struct {
        char *text;
        size_t len;
    } kept[2];
};

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
    if (span_is(name, "ENV")) {
        (void)snprintf(error, CONFIG_ERROR_BYTES,
                       "%s, line %u: ENV says which files are read; set it in the environment or "
                       "by --env",
                       said->file_name, line);
        return false;
    }
    if (take(said, name, value))
        return true;
    (void)snprintf(error, CONFIG_ERROR_BYTES, "%s, line %u: there is no setting %.*s",
                   said->file_name, line, (int)(name.len < 100 ? name.len : 100), name.at);
    return false;
}

/* Remembers the first such file; one is enough to refuse. */
static void note_exposed(struct config *config, const char *what)
{
    if (config->exposed[0] == '\0')
        (void)snprintf(config->exposed, sizeof config->exposed, "%s", what);
}

static bool take_file(struct config *config, struct said *said, const char *path, size_t place,
                      char error[CONFIG_ERROR_BYTES])
{
    bool open_to_others = false, missing = false;
    char *text = config_read_file(path, &said->kept[place].len, &open_to_others, &missing, error);
    if (text == NULL)
        return missing;
    said->kept[place].text = text;
    said->file_name = path;
    said->holds_secret = false;
    if (!config_parse_env_file(text, said->kept[place].len, path, take_assignment, said, error))
        return false;
    if (said->holds_secret && open_to_others)
        note_exposed(config, path);
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

/* "grpc-port" -> "GRPC_PORT"; empty when it cannot be a flag's name. */
static struct span setting_name(const char *flag, size_t len, char name[64])
{
    if (len >= 64)
        return SPAN_EMPTY;
    for (size_t i = 0; i < len; i++) {
        if (flag[i] == '_' || isupper((unsigned char)flag[i]))
            return SPAN_EMPTY;
        name[i] = flag[i] == '-' ? '_' : (char)toupper((unsigned char)flag[i]);
    }
    return span_make(name, len);
}

static bool take_switch(struct said *said, const char *argument)
{
    const struct {
        const char *name;
        bool *on;
    } switches[] = {{"--help", &said->help},       {"-h", &said->help},
                    {"--version", &said->version}, {"--check-config", &said->check},
                    {"--health", &said->health},   {"--settings-markdown", &said->markdown}};
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++)
        if (strcmp(argument, switches[i].name) == 0)
            return *switches[i].on = true;
    return false;
}

/* Takes the flag at argv[*at], and the word behind it if that is its value. */
static bool take_flag(struct said *said, int argc, char **argv, int *at,
                      char error[CONFIG_ERROR_BYTES])
{
    const char *argument = argv[*at];
    char buffer[64];
    size_t len = strcspn(argument, "=");
    int shown = (int)(len < 100 ? len : 100);
    bool is_flag = strncmp(argument, "--", 2) == 0;
    struct span name = is_flag ? setting_name(argument + 2, len - 2, buffer) : SPAN_EMPTY;
    size_t index = config_find(name);
    if (index == CONFIG_COUNT_OF_SETTINGS && find_secret_file(name) == CONFIG_COUNT_OF_SETTINGS) {
        (void)snprintf(error, CONFIG_ERROR_BYTES, "unknown flag %.*s; see weir --help", shown,
                       argument);
        return false;
    }
    if (index < CONFIG_COUNT_OF_SETTINGS && config_rows[index].kind == CONFIG_SECRET) {
        (void)snprintf(error, CONFIG_ERROR_BYTES,
                       "%s is a secret and a flag shows in the process list; set %s or %s_FILE in "
                       "the environment",
                       config_rows[index].name, config_rows[index].name, config_rows[index].name);
        return false;
    }
    const char *value = argument[len] == '=' ? argument + len + 1 : NULL;
    if (value == NULL && index < CONFIG_COUNT_OF_SETTINGS && config_rows[index].kind == CONFIG_FLAG)
        value = "true";
    if (value == NULL && *at + 1 < argc && strncmp(argv[*at + 1], "--", 2) != 0)
        value = argv[++*at];
    if (value == NULL || value[0] == '\0') {
        (void)snprintf(error, CONFIG_ERROR_BYTES, "%.*s needs a value", shown, argument);
        return false;
    }
    return take(said, name, value);
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
    const char *env = find_env(argc, argv, environment);
    if (strlen(env) > 64 || strchr(env, '/') != NULL) {
        (void)snprintf(error, CONFIG_ERROR_BYTES, "ENV: a short name without / is expected");
        return false;
    }
    said->current = CONFIG_FROM_ENV_FILE;
    if (!take_file(config, said, ".env", 0, error))
        return false;
    said->current = CONFIG_FROM_NAMED_ENV_FILE;
    if (env[0] != '\0') {
        (void)snprintf(config->named_env_file, sizeof config->named_env_file, ".%s.env", env);
        if (!take_file(config, said, config->named_env_file, 1, error))
            return false;
    }
    said->current = CONFIG_FROM_ENVIRONMENT;
    take_environment(said, environment);
    said->current = CONFIG_FROM_FLAG;
    for (int i = 1; i < argc; i++)
        if (!take_switch(said, argv[i]) && !take_flag(said, argc, argv, &i, error))
            return false;
    return true;
}

/* A secret out of its file; one line end at its end is not part of it. */
static bool read_secret(struct config *config, struct said *said, size_t index,
                        char error[CONFIG_ERROR_BYTES])
{
    char why[CONFIG_ERROR_BYTES] = "";
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
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        text[--len] = '\0';
    config->owned[index] = text;
    if (len == 0) {
        (void)snprintf(error, CONFIG_ERROR_BYTES, "%s_FILE: %.200s is empty", name,
                       said->file[index]);
        return false;
    }
    if (open_to_others) {
        (void)snprintf(why, sizeof why, "%s_FILE", name);
        note_exposed(config, why);
    }
    said->text[index] = text;
    said->source[index] = said->file_source[index];
    return true;
}

static bool settle(struct config *config, struct said *said, char error[CONFIG_ERROR_BYTES])
{
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
                       config_source_name(config, i), why);
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
    for (int i = 1; i < argc; i++)
        (void)take_switch(&said, argv[i]);
    /* These answer whatever else is wrong. */
    if (said.help || said.version || said.markdown)
        return print(config, &said, out);
    if (take_all(config, &said, argc, argv, environment, error) && settle(config, &said, error)) {
        trim_slash(config->owned[CONFIG_LLM_BASE_URL]);
        trim_slash(config->owned[CONFIG_CREDENTIALS_URL]);
        config_complete(config, environment);
        if (config_check(config, error))
            outcome = said.check    ? print(config, &said, out)
                      : said.health ? CONFIG_PROBE
                                    : CONFIG_RUN;
    }
    for (size_t i = 0; i < 2; i++) {
        if (said.kept[i].text != NULL)
            explicit_bzero(said.kept[i].text, said.kept[i].len);
        free(said.kept[i].text);
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
