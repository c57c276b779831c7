/* The table of settings, and the text forms of their values. Pure. */
#include "server/config.h"

#include "shared/policy/cidr.h"

#include <ctype.h>

const struct config_row config_rows[CONFIG_COUNT_OF_SETTINGS] = {
#define SETTING(kind, NAME, field, initial, least, most, group, help)                              \
    {#NAME, initial, group, help, CONFIG_##kind, least, most, offsetof(struct config, field)},
#include "server/config.def"
#undef SETTING
};

size_t config_find(struct span name)
{
    size_t i = 0;
    while (i < CONFIG_COUNT_OF_SETTINGS && !span_is(name, config_rows[i].name))
        i++;
    return i;
}

/* Says what was expected and, but for secrets, what was found, cut and without control characters:
 * the line goes to a terminal. */
static bool expect(char error[CONFIG_ERROR_BYTES], const struct config_row *row, const char *text,
                   const char *what)
{
    char found[100];
    size_t len = 0;
    for (; text[len] != '\0' && len < sizeof found - 1; len++)
        found[len] = iscntrl((unsigned char)text[len]) ? '?' : text[len];
    found[len] = '\0';
    if (row->kind == CONFIG_SECRET)
        (void)snprintf(error, CONFIG_ERROR_BYTES, "%s is expected", what);
    else
        (void)snprintf(error, CONFIG_ERROR_BYTES, "%s is expected, not \"%s\"", what, found);
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

/* Digits, so few that no unit makes them overflow; the rest of the text is left at *rest. */
static bool parse_digits(const char *text, uint64_t *value, const char **rest)
{
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 12)
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
    (void)snprintf(what, sizeof what, "a whole number from %llu to %llu%s",
                   (unsigned long long)row->least, (unsigned long long)row->most,
                   row->kind == CONFIG_COUNT_OR_OFF ? ", or off," : "");
    return expect(error, row, text, what);
}

static bool parse_rate_row(const struct config_row *row, const char *text, struct rate *value,
                           char error[CONFIG_ERROR_BYTES])
{
    char what[128];
    if (rate_parse(span_of(text), value) && value->count >= row->least && value->count <= row->most)
        return true;
    (void)snprintf(
        what, sizeof what,
        "<count>/<second|minute|hour> with a count from %llu to %llu (such as 60/minute)",
        (unsigned long long)row->least, (unsigned long long)row->most);
    return expect(error, row, text, what);
}

static bool parse_cidrs_row(const struct config_row *row, const char *text, const char **value,
                            char error[CONFIG_ERROR_BYTES])
{
    struct span wrong;
    char item[100];
    if (cidr_list_parse(span_of(text), NULL, &wrong)) {
        *value = text;
        return true;
    }
    (void)snprintf(item, sizeof item, "%.*s", (int)(wrong.len < 99 ? wrong.len : 99),
                   wrong.len > 0 ? wrong.at : "");
    return expect(error, row, item,
                  "a list of addresses and ranges, comma between (such as 10.0.0.0/8, ::1),");
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
    case CONFIG_COUNT_OR_OFF:
        if (strcasecmp(text, "off") == 0) {
            *(uint64_t *)at = CONFIG_OFF;
            return true;
        }
        return unset || parse_count_row(row, text, at, error);
    case CONFIG_COUNT:
    case CONFIG_BYTES:
        return unset || parse_count_row(row, text, at, error);
    case CONFIG_SECONDS:
    case CONFIG_MILLIS:
        return unset || parse_duration_row(row, text, at, error);
    case CONFIG_RATE:
        return unset || parse_rate_row(row, text, at, error);
    case CONFIG_CIDRS:
        return parse_cidrs_row(row, text, at, error);
    }
    return false;
}
