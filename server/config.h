/* The settings: one table (config.def), read once at start.
 *
 * Where a value comes from, highest first: flag, environment, .<ENV>.env, .env, default. Flags are
 * the names in kebab case (--grpc-port 0, --grpc-port=0, --debug). Secrets come from the
 * environment or a file (NAME_FILE), never from a flag, which would show in the process list.
 *
 * Main thread only until config_load has returned; then the struct is constant. */
#ifndef WEIR_SERVER_CONFIG_H
#define WEIR_SERVER_CONFIG_H

#include "shared/base/buf.h"
#include "shared/base/must.h"
#include "shared/base/span.h"
#include "shared/policy/rate.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum config_kind {
    CONFIG_TEXT,
    CONFIG_SECRET,
    CONFIG_CHOICE,
    CONFIG_FLAG,
    CONFIG_COUNT,
    CONFIG_COUNT_OR_OFF,
    CONFIG_BYTES,
    CONFIG_SECONDS,
    CONFIG_MILLIS,
    CONFIG_RATE,
    CONFIG_CIDRS
};

enum config_source {
    CONFIG_FROM_DEFAULT,
    CONFIG_FROM_ENV_FILE,       /* .env */
    CONFIG_FROM_NAMED_ENV_FILE, /* .<ENV>.env */
    CONFIG_FROM_ENVIRONMENT,
    CONFIG_FROM_FLAG
};

/* The C type of each kind; durations are milliseconds, whatever the row's unit. */
#define CONFIG_TYPE_TEXT         const char *
#define CONFIG_TYPE_SECRET       const char *
#define CONFIG_TYPE_CHOICE       const char *
#define CONFIG_TYPE_FLAG         bool
#define CONFIG_TYPE_COUNT        uint64_t
#define CONFIG_TYPE_COUNT_OR_OFF uint64_t
#define CONFIG_TYPE_BYTES        uint64_t
#define CONFIG_TYPE_SECONDS      uint64_t
#define CONFIG_TYPE_MILLIS       uint64_t
#define CONFIG_TYPE_RATE         struct rate
#define CONFIG_TYPE_CIDRS        const char *

enum config_index {
#define SETTING(kind, NAME, field, initial, least, most, group, help) CONFIG_##NAME,
#include "server/config.def"
#undef SETTING
    CONFIG_COUNT_OF_SETTINGS
};

/* The value of a COUNT_OR_OFF setting that is "off". */
#define CONFIG_OFF UINT64_MAX

/* Texts are never NULL: not set is "". */
struct config {
#define SETTING(kind, NAME, field, initial, least, most, group, help) CONFIG_TYPE_##kind field;
#include "server/config.def"
#undef SETTING
    enum config_source source[CONFIG_COUNT_OF_SETTINGS];
    char *owned[CONFIG_COUNT_OF_SETTINGS]; /* the texts that were read; secrets are wiped */
    char named_env_file[80];               /* ".<ENV>.env", "" without ENV */
    /* What names a file with secrets that others can read (".env", "OPENAI_API_KEY_FILE"); "": none
     * does. Allowed with --debug only. */
    char exposed[80];
    bool llm_unsaid; /* nobody said which model: with --debug one on this machine is looked for */
};

/* A row of the table; static. */
struct config_row {
    const char *name;
    const char *initial;
    const char *group;
    const char *help;
    enum config_kind kind;
    uint64_t least; /* in the row's unit */
    uint64_t most;
    size_t offset; /* in struct config */
};

extern const struct config_row config_rows[CONFIG_COUNT_OF_SETTINGS];

enum config_outcome {
    CONFIG_RUN,
    CONFIG_PROBE, /* ask the instance of these settings whether it lives (--health) */
    CONFIG_STOP,  /* help, version or check was printed: exit 0 */
    CONFIG_REFUSE /* `error` says which setting and why: exit 2 */
};

enum { CONFIG_ERROR_BYTES = 512 };

/* Where the setting's value comes from: "flag", "environment", a file's name or "default". */
const char *config_source_name(const struct config *config, size_t index);

/* Reads all sources, checks every value and the rules of production (S5), and fills in what depends
 * on the mode. Text for --help and the like goes to `out`. */
MUST_USE enum config_outcome config_load(struct config *config, int argc, char **argv,
                                         char *const *environment, FILE *out,
                                         char error[CONFIG_ERROR_BYTES]);
/* Wipes the secrets and frees all texts. Accepts a zeroed struct. */
void config_fini(struct config *config);

/* The key that is set for the provider, which must be one of dialect.h; "": none. *setting is its
 * name. */
const char *config_key_of(const struct config *config, struct span provider, const char **setting);

/* --- the parts, for tests and fuzzers --- */

/* Parses `text` for the row into the struct. False: `error` says what was expected; the value
 * itself is not repeated where it is a secret. */
MUST_USE bool config_parse(struct config *config, size_t index, const char *text,
                           char error[CONFIG_ERROR_BYTES]);
/* The row with the name; CONFIG_COUNT_OF_SETTINGS when there is none. */
size_t config_find(struct span name);
/* Gives the settings that nobody set what the mode asks for. The texts are static. */
void config_complete(struct config *config, char *const *environment);
/* scheme://host[:port][/path], https off loopback, no user, no query: what a `setting` with a URL
 * may be. False: `error` names the setting. */
MUST_USE bool config_check_url(const char *setting, const char *url,
                               char error[CONFIG_ERROR_BYTES]);
/* The rules of the group "identity". */
MUST_USE bool config_check_identity(const struct config *config, char error[CONFIG_ERROR_BYTES]);
/* The rules over complete settings (S3, S5). False: `error` names the setting. */
MUST_USE bool config_check(const struct config *config, char error[CONFIG_ERROR_BYTES]);

/* One assignment of a .env file; the value is NUL-terminated and lives in the caller's buffer. */
typedef bool (*config_assign)(void *context, struct span name, const char *value, unsigned line,
                              char error[CONFIG_ERROR_BYTES]);
/* Parses the text of a .env file: NAME=value lines, # comments, optional `export`, single or double
 * quotes (with \n, \", \\ in double ones). `text` is changed in place and must be NUL-terminated.
 */
MUST_USE bool config_parse_env_file(char *text, size_t len, const char *file_name,
                                    config_assign assign, void *context,
                                    char error[CONFIG_ERROR_BYTES]);

/* The text of a plain file of 64 KiB at most, NUL-terminated and without other NULs, to be wiped
 * and freed; NULL: `error` says why. *open_to_others tells whether group or others may read it.
 * *missing: there is no such file. */
MUST_USE char *config_read_file(const char *path, size_t *len, bool *open_to_others, bool *missing,
                                char error[CONFIG_ERROR_BYTES]);

/* --- what people read --- */

void config_print_help(FILE *out);
/* The effective settings with their sources; secrets masked. */
void config_print_effective(const struct config *config, FILE *out);
/* The README's table. */
void config_print_markdown(FILE *out);

#endif
