/* The settings as people read them: --help, --check-config and the README's table. */
#include "server/config.h"

#include <ctype.h>
#include <inttypes.h>

const char *config_source_name(const struct config *config, size_t index)
{
    switch (config->source[index]) {
    case CONFIG_FROM_ENV_FILE:
        return ".env";
    case CONFIG_FROM_NAMED_ENV_FILE:
        return config->named_env_file;
    case CONFIG_FROM_ENVIRONMENT:
        return "environment";
    case CONFIG_FROM_FLAG:
        return "flag";
    case CONFIG_FROM_DEFAULT:
        break;
    }
    return "default";
}

static void flag_name(const char *name, char flag[64])
{
    size_t i = 0;
    for (; name[i] != '\0' && i < 63; i++)
        flag[i] = name[i] == '_' ? '-' : (char)tolower((unsigned char)name[i]);
    flag[i] = '\0';
}

static const char *unit_of(enum config_kind kind)
{
    switch (kind) {
    case CONFIG_SECONDS:
        return " s";
    case CONFIG_MILLIS:
        return " ms";
    default:
        return "";
    }
}

void config_print_help(FILE *out)
{
    const char *group = "";
    (void)fputs("weir serves LLM flows over REST and gRPC.\n\n"
                "usage: weir [--setting value | --setting=value | --switch]...\n"
                "       weir keys new --tenant NAME --scope SCOPE...   makes an API key\n\n"
                "  --help            this text\n"
                "  --version         what was built\n"
                "  --health          ask the running weir whether it lives: exit code 0 or 1\n"
                "  --check-config    print the effective settings and where each comes from\n\n"
                "Each setting is a flag, or NAME in the environment, in .<ENV>.env or in .env, in "
                "this order.\nDurations take a unit (500ms, 10s, 2m, 1h). Secrets are not flags; "
                "NAME_FILE names a file\nthat holds one.\n",
                out);
    for (size_t i = 0; i < CONFIG_COUNT_OF_SETTINGS; i++) {
        const struct config_row *row = &config_rows[i];
        char flag[64];
        if (strcmp(group, row->group) != 0)
            (void)fprintf(out, "\n%s\n", row->group);
        group = row->group;
        flag_name(row->name, flag);
        if (row->kind == CONFIG_SECRET)
            (void)fprintf(out, "  %-32s", row->name);
        else
            (void)fprintf(out, "  --%-30s", flag);
        (void)fprintf(out, "%s", row->help);
        if (row->initial[0] != '\0')
            (void)fprintf(out, " (%s%s)", row->initial, unit_of(row->kind));
        (void)fputc('\n', out);
    }
}

static void print_value(const struct config *config, const struct config_row *row, FILE *out)
{
    const void *at = (const char *)config + row->offset;
    switch (row->kind) {
    case CONFIG_SECRET:
        (void)fputs((*(const char *const *)at)[0] != '\0' ? "***" : "", out);
        break;
    case CONFIG_TEXT:
    case CONFIG_CIDRS:
    case CONFIG_CHOICE:
        (void)fputs(*(const char *const *)at, out);
        break;
    case CONFIG_FLAG:
        (void)fputs(*(const bool *)at ? "true" : "false", out);
        break;
    case CONFIG_RATE: {
        char text[RATE_TEXT_BYTES];
        rate_text(*(const struct rate *)at, text);
        (void)fputs(text, out);
        break;
    }
    case CONFIG_SECONDS:
    case CONFIG_MILLIS:
        (void)fprintf(out, "%" PRIu64 "ms", *(const uint64_t *)at);
        break;
    case CONFIG_COUNT_OR_OFF:
        if (*(const uint64_t *)at == CONFIG_OFF) {
            (void)fputs("off", out);
            break;
        }
        (void)fprintf(out, "%" PRIu64, *(const uint64_t *)at);
        break;
    case CONFIG_COUNT:
    case CONFIG_BYTES:
        (void)fprintf(out, "%" PRIu64, *(const uint64_t *)at);
        break;
    }
}

void config_print_effective(const struct config *config, FILE *out)
{
    for (size_t i = 0; i < CONFIG_COUNT_OF_SETTINGS; i++) {
        const struct config_row *row = &config_rows[i];
        (void)fprintf(out, "%s=", row->name);
        print_value(config, row, out);
        (void)fprintf(out, "  # %s\n", config_source_name(config, i));
    }
}

void config_print_markdown(FILE *out)
{
    (void)fputs("| name | default | what it is |\n| --- | --- | --- |\n", out);
    for (size_t i = 0; i < CONFIG_COUNT_OF_SETTINGS; i++) {
        const struct config_row *row = &config_rows[i];
        (void)fprintf(out, "| `%s` | ", row->name);
        if (row->initial[0] != '\0')
            (void)fprintf(out, "%s%s", row->initial, unit_of(row->kind));
        (void)fputs(" | ", out);
        for (const char *at = row->help; *at != '\0'; at++)
            (void)fprintf(out, *at == '|' ? "\\|" : "%c", *at);
        (void)fputs(" |\n", out);
    }
}
