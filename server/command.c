#include "server/command.h"

#include <string.h>

bool command_run(int argc, char **argv, FILE *out, FILE *errors, int *code)
{
    if (argc >= 2 && strcmp(argv[1], "keys") == 0) {
        if (argc >= 3 && strcmp(argv[2], "new") == 0) {
            *code = command_keys_new(argc, argv, out, errors);
            return true;
        }
        (void)fputs("usage: weir keys new --tenant NAME --scope SCOPE [--scope SCOPE]...\n"
                    "                     [--limit COUNT/second|minute|hour]\n"
                    "                     [--expires 2027-01-31 | --expires 90d]\n",
                    errors);
        *code = 2;
        return true;
    }
    if (argc >= 2 && strcmp(argv[1], "token") == 0) {
#ifdef WEIR_DEBUG_SURFACE
        *code = command_token(argc, argv, out, errors);
#else
        (void)fputs("weir: tokens are made by debug builds only\n", errors);
        *code = 2;
#endif
        return true;
    }
    return false;
}

static bool join(char *joined, const char *value)
{
    size_t before = strlen(joined), len = strlen(value);
    if (before + len + 2 > COMMAND_SCOPES_BYTES)
        return false;
    if (before > 0)
        joined[before++] = ' ';
    memcpy(joined + before, value, len + 1);
    /* Lists may be written with commas, too. */
    for (char *at = joined + before; *at != '\0'; at++)
        if (*at == ',')
            *at = ' ';
    return true;
}

static const struct command_option *find(const struct command_option *options, size_t n,
                                         struct span name)
{
    for (size_t i = 0; i < n; i++)
        if (span_is(name, options[i].name))
            return &options[i];
    return NULL;
}

bool command_read(int argc, char **argv, int from, const struct command_option *options, size_t n,
                  FILE *errors)
{
    for (int i = from; i < argc; i++) {
        const char *word = argv[i];
        size_t len = strcspn(word, "=");
        int shown = (int)(len < 100 ? len : 100);
        const struct command_option *option = strncmp(word, "--", 2) == 0 && len >= 2
                                                  ? find(options, n, span_make(word + 2, len - 2))
                                                  : NULL;
        if (option == NULL) {
            (void)fprintf(errors, "weir: %.*s is not known here\n", shown, word);
            return false;
        }
        const char *value = word[len] == '=' ? word + len + 1 : i + 1 < argc ? argv[++i] : "";
        if (value[0] == '\0' || (option->value != NULL && *option->value != NULL) ||
            (option->joined != NULL && !join(option->joined, value))) {
            (void)fprintf(errors, "weir: --%s needs a value, once\n", option->name);
            return false;
        }
        if (option->value != NULL)
            *option->value = value;
    }
    return true;
}

bool command_duration(const char *text, int64_t *seconds)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    size_t digits = strspn(text, "0123456789");
    int64_t number = 0;
    if (digits == 0 || digits > 6 || strlen(text) != digits + 1)
        return false;
    for (size_t i = 0; i < digits; i++)
        number = number * 10 + (text[i] - '0');
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (units[i].unit == text[digits]) {
            *seconds = number * units[i].seconds;
            return number > 0;
        }
    }
    return false;
}
