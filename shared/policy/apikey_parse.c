/* The file of API keys: text -> table. */
#include "shared/policy/apikey_table.h"
#include "shared/policy/rate.h"

#include <stdio.h>
#include <stdlib.h>

enum { TENANT_BYTES = 256 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool apikey_tenant_is_fine(struct span tenant)
{
    for (size_t i = 0; i < tenant.len; i++)
        if (tenant.at[i] < 0x21 || tenant.at[i] > 0x7e)
            return false;
    return tenant.len > 0 && tenant.len <= TENANT_BYTES;
}

static bool scope_is_fine(struct span scope)
{
    if (!span_starts_with(scope, "flow:"))
        return false;
    struct span name = span_from(scope, 5);
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] != '_' && !is_digit(name.at[i]) && !(name.at[i] >= 'a' && name.at[i] <= 'z'))
            return span_is(name, "*");
    return name.len > 0;
}

bool apikey_parse_scopes(struct span text, char *to)
{
    size_t start = 0;
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && text.at[i] != ',')
            continue;
        if (!scope_is_fine(span_make(text.at + start, i - start)))
            return false;
        memmove(to + start, text.at + start, i - start);
        if (i < text.len)
            to[i] = ' ';
        start = i + 1;
    }
    return true;
}

/* Digits alone, at most 9 of them; false for anything else. */
static bool parse_number(struct span text, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.at[i]))
            return false;
        *number = *number * 10 + (uint64_t)(text.at[i] - '0');
        if (i >= 9)
            return false;
    }
    return text.len > 0;
}

bool apikey_parse_limit(struct span text, uint64_t *count, uint64_t *period_ms)
{
    struct rate rate;
    if (!rate_parse(text, &rate))
        return false;
    *count = rate.count;
    *period_ms = rate.period_ns / 1000000U;
    return true;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar (H. Hinnant, days_from_civil). */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = year / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static int64_t days_in_month(uint64_t year, uint64_t month)
{
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (month == 2)
        return leap ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

bool apikey_parse_time(struct span text, int64_t *seconds)
{
    static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
    static const unsigned places[] = {0, 5, 8, 11, 14, 17}, most[] = {9999, 12, 31, 23, 59, 59};
    uint64_t field[6] = {0};
    if (text.len != 10 && text.len != sizeof form - 1)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (form[i] == 'd' ? !is_digit(text.at[i]) : text.at[i] != form[i])
            return false;
    for (size_t i = 0; i < (text.len == 10 ? 3 : 6); i++) {
        (void)parse_number(span_make(text.at + places[i], i == 0 ? 4 : 2), &field[i]);
        if (field[i] > most[i])
            return false;
    }
    if (field[0] < 1970 || field[1] == 0 || field[2] == 0 ||
        (int64_t)field[2] > days_in_month(field[0], field[1]))
        return false;
    *seconds = days_of((int64_t)field[0], (int64_t)field[1], (int64_t)field[2]) * 86400 +
               (int64_t)(field[3] * 3600 + field[4] * 60 + field[5]);
    return true;
}

static bool parse_digest(struct span text, unsigned char digest[APIKEY_DIGEST_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    if (text.len != 2 * (size_t)APIKEY_DIGEST_BYTES)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        const char *at = memchr(digits, text.at[i], 16);
        if (at == NULL)
            return false;
        unsigned value = (unsigned)(at - digits);
        digest[i / 2] = (unsigned char)(i % 2 == 0 ? value << 4 : (digest[i / 2] | value));
    }
    return true;
}

/* --- a line --- */

enum {
    HAS_ID = 1,
    HAS_DIGEST = 2,
    HAS_TENANT = 4,
    HAS_SCOPES = 8,
    HAS_LIMIT = 16,
    HAS_EXPIRES = 32
};
enum { NEEDED = HAS_ID | HAS_DIGEST | HAS_TENANT | HAS_SCOPES };

/* What is wrong with the word, NULL when nothing is. The value is the table's own copy, which the
 * row may point into and change. */
static const char *take_word(struct apikey *row, struct span name, char *value, size_t len,
                             unsigned *has)
{
    struct span text = span_make(value, len);
    unsigned bit = 0;
    const char *problem = NULL;
    if (span_is(name, "key")) {
        bit = HAS_ID;
        row->id = text;
        problem = apikey_id_is_fine(text) ? NULL : "key: 8 to 16 of a-z 0-9 are expected";
    } else if (span_is(name, "sha256")) {
        bit = HAS_DIGEST;
        problem = parse_digest(text, row->digest) ? NULL : "sha256: 64 hex digits are expected";
    } else if (span_is(name, "tenant")) {
        bit = HAS_TENANT;
        row->tenant = text;
        problem = apikey_tenant_is_fine(text) ? NULL : "tenant: a name is expected";
    } else if (span_is(name, "scopes")) {
        bit = HAS_SCOPES;
        row->scopes = text;
        problem = apikey_parse_scopes(text, value)
                      ? NULL
                      : "scopes: flow:* or flow:<name>, separated by commas, is expected";
    } else if (span_is(name, "limit")) {
        bit = HAS_LIMIT;
        problem = apikey_parse_limit(text, &row->limit_count, &row->limit_period_ms)
                      ? NULL
                      : "limit: <count>/<second|minute|hour> is expected";
    } else if (span_is(name, "expires")) {
        bit = HAS_EXPIRES;
        problem = apikey_parse_time(text, &row->expires_s)
                      ? NULL
                      : "expires: a date is expected, such as 2027-01-31 or 2027-01-31T12:00:00Z";
    } else {
        problem = "key, sha256, tenant, scopes, limit and expires are known, and nothing else";
    }
    if (problem == NULL && (*has & bit) != 0)
        problem = "something is said twice";
    *has |= bit;
    return problem;
}

static const char *parse_row(struct apikey *row, char *line, size_t len)
{
    unsigned has = 0;
    const char *problem = NULL;
    *row = (struct apikey){.expires_s = INT64_MAX};
    for (size_t at = 0; at < len && problem == NULL;) {
        size_t end = at;
        while (end < len && line[end] != ' ' && line[end] != '\t')
            end++;
        const char *equals = memchr(line + at, '=', end - at);
        if (end == at) {
            at++;
            continue;
        }
        if (equals == NULL)
            return "name=value is expected";
        size_t name_len = (size_t)(equals - (line + at));
        problem = take_word(row, span_make(line + at, name_len), line + at + name_len + 1,
                            end - at - name_len - 1, &has);
        at = end;
    }
    if (problem == NULL && (has & NEEDED) != NEEDED)
        problem = "key, sha256, tenant and scopes are needed";
    return problem;
}

/* --- the file --- */

static int compare_rows(const void *a, const void *b)
{
    const struct apikey *left = a, *right = b;
    return apikey_compare_ids(left->id, right->id);
}

static bool parse_lines(struct apikeys *keys, size_t len, char problem[APIKEYS_PROBLEM_BYTES])
{
    size_t room = 0;
    unsigned number = 1;
    for (size_t at = 0; at < len; number++) {
        const char *end = memchr(keys->text + at, '\n', len - at);
        size_t line_len = end != NULL ? (size_t)(end - (keys->text + at)) : len - at;
        struct span line = span_trim(span_make(keys->text + at, line_len));
        char *start = keys->text + at + (line.len > 0 ? (size_t)(line.at - (keys->text + at)) : 0);
        at += line_len + 1;
        if (line.len == 0 || line.at[0] == '#')
            continue;
        if (keys->n == room) {
            room = room == 0 ? 16 : room * 2;
            keys->rows = realloc(keys->rows, room * sizeof *keys->rows);
            must(keys->rows != NULL);
        }
        const char *wrong = keys->n == APIKEYS_MOST
                                ? "there are more than 10,000 keys"
                                : parse_row(&keys->rows[keys->n], start, line.len);
        if (wrong != NULL) {
            (void)snprintf(problem, APIKEYS_PROBLEM_BYTES, "line %u: %s", number, wrong);
            return false;
        }
        keys->n++;
    }
    return true;
}

static bool all_differ(const struct apikeys *keys, char problem[APIKEYS_PROBLEM_BYTES])
{
    for (size_t i = 1; i < keys->n; i++) {
        if (!span_equal(keys->rows[i].id, keys->rows[i - 1].id))
            continue;
        (void)snprintf(problem, APIKEYS_PROBLEM_BYTES, "the key %.*s is there twice",
                       (int)keys->rows[i].id.len, keys->rows[i].id.at);
        return false;
    }
    return true;
}

struct apikeys *apikeys_parse(struct span text, char problem[APIKEYS_PROBLEM_BYTES])
{
    if (text.len > APIKEYS_FILE_BYTES) {
        (void)snprintf(problem, APIKEYS_PROBLEM_BYTES, "it is larger than 8 MiB");
        return NULL;
    }
    struct apikeys *keys = calloc(1, sizeof *keys);
    must(keys != NULL);
    atomic_init(&keys->refs, 1);
    keys->text = malloc(text.len + 1);
    must(keys->text != NULL);
    if (text.len > 0)
        memcpy(keys->text, text.at, text.len);
    keys->text[text.len] = '\0';
    bool fine = parse_lines(keys, text.len, problem);
    if (fine && keys->n > 0) {
        qsort(keys->rows, keys->n, sizeof *keys->rows, compare_rows);
        fine = all_differ(keys, problem);
    }
    return fine ? keys : apikeys_unref(keys);
}
