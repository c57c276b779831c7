/* The text forms of settings: values with units, and .env files. Pure but for config_read_file. */
#include "server/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_FILE_BYTES = 64 * 1024 };

static bool expect(char error[CONFIG_ERROR_BYTES], const struct config_row *row, const char *text,
                   const char *what)
{
    bool secret = row->kind == CONFIG_SECRET;
    (void)snprintf(error, CONFIG_ERROR_BYTES, "%s is expected%s%.100s%s", what,
                   secret ? "" : ", not \"", secret ? "" : text, secret ? "" : "\"");
    return false;
}

static bool parse_flag(const char *text, bool *value)
{
    static const char *const words[] = {"false", "true", "0", "1", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *value = i % 2 == 1;
            return true;
        }
    }
    return false;
}

/* Digits, at most 15 of them; the rest of the text is left at *rest. */
static bool parse_digits(const char *text, uint64_t *value, const char **rest)
{
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 15)
        return false;
    *value = 0;
    for (size_t i = 0; i < n; i++)
        *value = *value * 10 + (uint64_t)(text[i] - '0');
    *rest = text + n;
    return true;
}

/* A duration in milliseconds: digits and a unit, or digits in the row's own unit. */
static bool parse_duration(const char *text, uint64_t own_unit_ms, uint64_t *ms)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    const char *rest = NULL;
    uint64_t number = 0;
    if (!parse_digits(text, &number, &rest))
        return false;
    if (*rest == '\0') {
        *ms = number * own_unit_ms;
        return true;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(rest, units[i].name) == 0) {
            *ms = number * units[i].ms;
            return true;
        }
    }
    return false;
}

static bool is_choice(const struct config_row *row, const char *text)
{
    size_t len = strlen(text);
    const char *at = row->help;
    if (len == 0)
        return row->initial[0] == '\0';
    while (*at != ']') {
        at++; /* over [ or | */
        size_t n = strcspn(at, "|]");
        if (n == len && memcmp(at, text, n) == 0)
            return true;
        at += n;
    }
    return false;
}

static bool parse_duration_row(const struct config_row *row, const char *text, uint64_t *value,
                               char error[CONFIG_ERROR_BYTES])
{
    char what[128];
    uint64_t unit_ms = row->kind == CONFIG_SECONDS ? 1000 : 1;
    if (parse_duration(text, unit_ms, value) && *value >= row->least * unit_ms &&
        *value <= row->most * unit_ms)
        return true;
    (void)snprintf(what, sizeof what, "a duration from %llu to %llu %s (such as 10s or 500ms)",
                   (unsigned long long)row->least, (unsigned long long)row->most,
                   row->kind == CONFIG_SECONDS ? "seconds" : "milliseconds");
    return expect(error, row, text, what);
}

static bool parse_count_row(const struct config_row *row, const char *text, uint64_t *value,
                            char error[CONFIG_ERROR_BYTES])
{
    char what[128];
    const char *rest = NULL;
    if (parse_digits(text, value, &rest) && *rest == '\0' && *value >= row->least &&
        *value <= row->most)
        return true;
    (void)snprintf(what, sizeof what, "a whole number from %llu to %llu",
                   (unsigned long long)row->least, (unsigned long long)row->most);
    return expect(error, row, text, what);
}

static bool is_printable(const char *text)
{
    while (*text != '\0' && !iscntrl((unsigned char)*text))
        text++;
    return *text == '\0';
}

bool config_parse(struct config *config, size_t index, const char *text,
                  char error[CONFIG_ERROR_BYTES])
{
    const struct config_row *row = &config_rows[index];
    void *at = (char *)config + row->offset;
    bool unset = text[0] == '\0' && row->initial[0] == '\0';
    switch (row->kind) {
    case CONFIG_CHOICE:
        if (!is_choice(row, text)) {
            char what[128];
            (void)snprintf(what, sizeof what, "one of %.*s", (int)strcspn(row->help + 1, "]"),
                           row->help + 1);
            return expect(error, row, text, what);
        }
        *(const char **)at = text;
        return true;
    case CONFIG_TEXT:
    case CONFIG_SECRET:
        if (!is_printable(text))
            return expect(error, row, text, "text without control characters");
        *(const char **)at = text;
        return true;
    case CONFIG_FLAG:
        if (unset || parse_flag(text, at))
            return true;
        return expect(error, row, text, "true or false");
    case CONFIG_COUNT:
    case CONFIG_BYTES:
        return unset || parse_count_row(row, text, at, error);
    case CONFIG_SECONDS:
    case CONFIG_MILLIS:
        return unset || parse_duration_row(row, text, at, error);
    }
    return false;
}

/* Takes the quotes off in place; false: they do not close, or something follows. */
static bool unquote(char *text)
{
    char quote = *text, *to = text, *from = text + 1;
    while (*from != quote) {
        if (*from == '\0')
            return false;
        if (quote == '"' && *from == '\\' && from[1] != '\0') {
            from++;
            *to++ = *from == 'n' ? '\n' : *from;
            from++;
        } else {
            *to++ = *from++;
        }
    }
    from += 1 + strspn(from + 1, " \t");
    *to = '\0';
    return *from == '\0' || *from == '#';
}

/* A plain value ends at " #" or the line's end. */
static void cut_comment(char *text)
{
    for (char *at = text; *at != '\0'; at++) {
        if (*at == '#' && (at == text || isspace((unsigned char)at[-1]))) {
            *at = '\0';
            break;
        }
    }
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
}

static bool parse_line(char *line, unsigned number, const char *file_name, config_assign assign,
                       void *context, char error[CONFIG_ERROR_BYTES])
{
    line += strspn(line, " \t\r");
    if (*line == '\0' || *line == '#')
        return true;
    if (strncmp(line, "export", 6) == 0 && (line[6] == ' ' || line[6] == '\t'))
        line += 6 + strspn(line + 6, " \t");
    size_t name_len =
        strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    char *value = line + name_len + strspn(line + name_len, " \t");
    if (name_len == 0 || *value != '=') {
        (void)snprintf(error, CONFIG_ERROR_BYTES, "%s, line %u: NAME=value is expected", file_name,
                       number);
        return false;
    }
    value += 1 + strspn(value + 1, " \t");
    if (*value == '"' || *value == '\'') {
        size_t len = strlen(value);
        while (len > 0 && isspace((unsigned char)value[len - 1]))
            value[--len] = '\0';
        if (!unquote(value)) {
            (void)snprintf(error, CONFIG_ERROR_BYTES, "%s, line %u: the quotes do not close",
                           file_name, number);
            return false;
        }
    } else {
        cut_comment(value);
    }
    return assign(context, span_make(line, name_len), value, number, error);
}

bool config_parse_env_file(char *text, size_t len, const char *file_name, config_assign assign,
                           void *context, char error[CONFIG_ERROR_BYTES])
{
    unsigned number = 1;
    if (strlen(text) != len) {
        (void)snprintf(error, CONFIG_ERROR_BYTES, "%s: there is a NUL byte in it", file_name);
        return false;
    }
    for (char *line = text; line != NULL; number++) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = '\0';
        if (!parse_line(line, number, file_name, assign, context, error))
            return false;
        line = end != NULL ? end + 1 : NULL;
    }
    return true;
}

char *config_read_file(const char *path, size_t *len, bool *open_to_others, bool *missing,
                       char error[CONFIG_ERROR_BYTES])
{
    struct stat about;
    char *text = NULL;
    const char *problem = NULL;
    *missing = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        *missing = errno == ENOENT;
        (void)snprintf(error, CONFIG_ERROR_BYTES, "%s cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
        problem = "is not a plain file";
    else if (about.st_size > MOST_FILE_BYTES)
        problem = "is larger than 64 KiB";
    if (problem == NULL) {
        text = malloc(MOST_FILE_BYTES + 1);
        must(text != NULL);
        ssize_t got = 0;
        for (*len = 0; *len < MOST_FILE_BYTES; *len += (size_t)got) {
            got = read(fd, text + *len, MOST_FILE_BYTES - *len);
            if (got <= 0)
                break;
        }
        text[*len] = '\0';
        *open_to_others = (about.st_mode & (S_IRGRP | S_IROTH)) != 0;
    } else {
        (void)snprintf(error, CONFIG_ERROR_BYTES, "%s %s", path, problem);
    }
    (void)close(fd);
    return text;
}
