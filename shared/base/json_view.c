/* Two parts: the check, which believes nothing, and the views, which walk over checked text. */
#include "shared/base/json_view.h"

#include "shared/base/json_escape.h"
#include "shared/base/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Of a real number with fewer digits before the point and in its exponent it is sure that it does
 * not overflow. */
enum { SAFE_DIGITS = 200, SAFE_EXPONENT_DIGITS = 2 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

/* --- escapes --- */

/* The character that the escape at `at` (a backslash) stands for, and in *bytes its length; 0 when
 * it is none that a string may hold. */
static uint32_t escaped(const char *at, const char *end, size_t *bytes)
{
    uint32_t c = 0;
    *bytes = json_escape(at, end, &c);
    return *bytes > 0 ? c : 0;
}

static size_t encode(uint32_t c, char to[4])
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--) {
        to[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    to[0] = (char)((0xf00 >> len & 0xff) | c);
    return len;
}

/* --- the check --- */

enum expected { A_VALUE, A_VALUE_OR_END, A_NAME, A_NAME_OR_END, AFTER_A_VALUE, NOTHING };

struct check {
    const char *at, *end;
    size_t levels;
    unsigned char is_object[JSON_VIEW_LEVELS / 8]; /* a bit a level */
};

static bool in_object(const struct check *check)
{
    size_t level = check->levels - 1;
    return (check->is_object[level / 8] >> level % 8 & 1) != 0;
}

static enum expected begin(struct check *check, bool object)
{
    unsigned char bit = (unsigned char)(1U << check->levels % 8);
    unsigned char *byte = &check->is_object[check->levels / 8];
    *byte = (unsigned char)(object ? *byte | bit : *byte & ~bit);
    check->levels++;
    check->at++;
    return object ? A_NAME_OR_END : A_VALUE_OR_END;
}

static enum expected finish(struct check *check)
{
    check->levels--;
    check->at++;
    return AFTER_A_VALUE;
}

/* `at` is at the quote that begins it, and goes behind the one that ends it. */
static bool take_string(struct check *check)
{
    const char *at = check->at + 1, *end = check->end;
    for (;;) {
        while (at < end && (unsigned char)*at >= ' ' && *at != '"' && *at != '\\')
            at++;
        if (at == end || (unsigned char)*at < ' ')
            return false;
        if (*at == '"')
            break;
        size_t bytes;
        if (escaped(at, end, &bytes) == 0)
            return false;
        at += bytes;
    }
    check->at = at + 1;
    return true;
}

static bool take_word(struct check *check, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(check->end - check->at) < len || memcmp(check->at, word, len) != 0)
        return false;
    check->at += len;
    return true;
}

/* Digits from `at` on; `at` itself when there are none. */
static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && is_digit(*at))
        at++;
    return at;
}

static bool fits(const char *from, bool real)
{
    errno = 0;
    if (real)
        return isfinite(strtod(from, NULL));
    (void)strtoll(from, NULL, 10);
    return errno == 0;
}

static bool take_number(struct check *check)
{
    const char *from = check->at, *end = check->end;
    const char *digits = from + (*from == '-'), *at = skip_digits(digits, end);
    bool real = false, safe = true;
    if (at == digits || (*digits == '0' && at > digits + 1))
        return false;
    size_t n = (size_t)(at - digits);
    if (at < end && *at == '.') {
        const char *fraction = at + 1;
        real = true;
        at = skip_digits(fraction, end);
        if (at == fraction)
            return false;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        const char *exponent = at + 1;
        real = true;
        exponent += exponent < end && (*exponent == '+' || *exponent == '-');
        at = skip_digits(exponent, end);
        if (at == exponent)
            return false;
        safe = at - exponent <= SAFE_EXPONENT_DIGITS;
    }
    check->at = at;
    safe = safe && n < (real ? (size_t)SAFE_DIGITS : 19);
    /* What ends a number in an object or array is there, or the text is wrong: strtod stops. */
    return safe || (at < end && fits(from, real));
}

static enum expected take_value(struct check *check)
{
    bool good;
    if (check->levels == JSON_VIEW_LEVELS)
        return NOTHING;
    switch (*check->at) {
    case '{':
        return begin(check, true);
    case '[':
        return begin(check, false);
    case '"':
        good = take_string(check);
        break;
    case 't':
        good = take_word(check, "true");
        break;
    case 'f':
        good = take_word(check, "false");
        break;
    case 'n':
        good = take_word(check, "null");
        break;
    default:
        good = take_number(check);
    }
    return good ? AFTER_A_VALUE : NOTHING;
}

static enum expected take_name(struct check *check)
{
    if (*check->at != '"' || !take_string(check))
        return NOTHING;
    check->at = skip_space(check->at, check->end);
    if (check->at == check->end || *check->at != ':')
        return NOTHING;
    check->at++;
    return A_VALUE;
}

static enum expected take_after(struct check *check)
{
    bool object = in_object(check);
    if (*check->at == (object ? '}' : ']'))
        return finish(check);
    if (*check->at != ',')
        return NOTHING;
    check->at++;
    return object ? A_NAME : A_VALUE;
}

static enum expected take(struct check *check, enum expected expected)
{
    switch (expected) {
    case A_VALUE_OR_END:
        return *check->at == ']' ? finish(check) : take_value(check);
    case A_VALUE:
        return take_value(check);
    case A_NAME_OR_END:
        return *check->at == '}' ? finish(check) : take_name(check);
    case A_NAME:
        return take_name(check);
    case AFTER_A_VALUE:
        return take_after(check);
    case NOTHING:
        break;
    }
    return NOTHING;
}

struct json_view json_view_parse(struct span text)
{
    static const struct json_view none = {{NULL, 0}};
    text = span_trim(text);
    if (text.len == 0 || (text.at[0] != '{' && text.at[0] != '[') || !utf8_valid(text))
        return none;
    struct check check;
    check.at = text.at;
    check.end = text.at + text.len;
    check.levels = 0;
    enum expected expected = A_VALUE;
    do {
        expected = take(&check, expected);
        if (expected == NOTHING)
            return none;
        check.at = skip_space(check.at, check.end);
    } while (check.levels > 0 && check.at < check.end);
    return check.levels == 0 && check.at == check.end ? (struct json_view){text} : none;
}

/* --- views; what follows is only asked of text that is checked --- */

static const char *string_end(const char *at)
{
    for (at++; *at != '"'; at++)
        at += *at == '\\';
    return at + 1;
}

/* The end of the value that begins at `at`. */
static const char *value_end(const char *at)
{
    static const bool is_mark[256] = {
        ['"'] = true, ['{'] = true, ['}'] = true, ['['] = true, [']'] = true};
    size_t levels = 0;
    if (*at == '"')
        return string_end(at);
    if (*at != '{' && *at != '[') {
        while (memchr(",]} \n\r\t", *at, 7) == NULL)
            at++;
        return at;
    }
    do {
        while (!is_mark[(unsigned char)*at])
            at++;
        if (*at == '"') {
            at = string_end(at);
            continue;
        }
        bool opens = *at == '{' || *at == '[';
        levels = opens ? levels + 1 : levels - 1;
        at++;
    } while (levels > 0);
    return at;
}

static struct json_view view(const char *from, const char *to)
{
    return (struct json_view){span_make(from, (size_t)(to - from))};
}

/* Escapes make the text longer than what it stands for, never shorter. */
static bool is_named(struct json_view key, struct span name)
{
    size_t len = key.text.len - 2;
    if (len < name.len || (len == name.len && memcmp(key.text.at + 1, name.at, len) != 0))
        return false;
    return json_view_is(key, name);
}

void json_view_find(struct json_view object, struct json_member *members, size_t n)
{
    for (size_t i = 0; i < n; i++)
        members[i].value = (struct json_view){SPAN_EMPTY};
    if (!json_view_is_object(object))
        return;
    const char *end = object.text.at + object.text.len;
    const char *at = skip_space(object.text.at + 1, end);
    while (*at != '}') {
        struct json_view key = view(at, string_end(at));
        at = skip_space(key.text.at + key.text.len, end);
        at = skip_space(at + 1, end);
        struct json_view value = view(at, value_end(at));
        for (size_t i = 0; i < n; i++)
            if (is_named(key, members[i].name))
                members[i].value = value;
        at = skip_space(value.text.at + value.text.len, end);
        if (*at == ',')
            at = skip_space(at + 1, end);
    }
}

struct json_view json_view_get(struct json_view object, const char *name)
{
    struct json_member member = {.name = span_of(name)};
    json_view_find(object, &member, 1);
    return member.value;
}

static struct json_view item_at(const char *at)
{
    return *at == ']' ? (struct json_view){SPAN_EMPTY} : view(at, value_end(at));
}

struct json_view json_view_first(struct json_view array)
{
    if (!json_view_is_array(array))
        return (struct json_view){SPAN_EMPTY};
    return item_at(skip_space(array.text.at + 1, array.text.at + array.text.len));
}

struct json_view json_view_after(struct json_view array, struct json_view item)
{
    const char *end = array.text.at + array.text.len;
    const char *at = skip_space(item.text.at + item.text.len, end);
    return item_at(*at == ',' ? skip_space(at + 1, end) : at);
}

bool json_view_integer(struct json_view value, int64_t *number)
{
    struct span text = value.text;
    if (text.len == 0 || (text.at[0] != '-' && !is_digit(text.at[0])))
        return false;
    for (size_t i = 1; i < text.len; i++)
        if (!is_digit(text.at[i]))
            return false;
    *number = strtoll(text.at, NULL, 10); /* something that is no digit follows */
    return true;
}

bool json_view_plain(struct json_view value, struct span *text)
{
    if (!json_view_is_string(value) || memchr(value.text.at, '\\', value.text.len) != NULL)
        return false;
    *text = span_make(value.text.at + 1, value.text.len - 2);
    return true;
}

/* The bytes that the next character of a string is written with, from *at on, which is moved. */
static struct span next_piece(const char **at, const char *end, char room[4])
{
    const char *from = *at;
    size_t bytes = 0;
    if (*from == '\\') {
        uint32_t c = escaped(from, end, &bytes);
        *at += bytes;
        return span_make(room, encode(c, room));
    }
    const char *escape = memchr(from, '\\', (size_t)(end - from));
    *at = escape != NULL ? escape : end;
    return span_make(from, (size_t)(*at - from));
}

bool json_view_is(struct json_view value, struct span text)
{
    struct span plain;
    if (json_view_plain(value, &plain))
        return span_equal(plain, text);
    if (!json_view_is_string(value))
        return false;
    const char *at = value.text.at + 1, *end = value.text.at + value.text.len - 1;
    while (at < end) {
        char room[4];
        struct span piece = next_piece(&at, end, room);
        if (piece.len > text.len || memcmp(piece.at, text.at, piece.len) != 0)
            return false;
        text = span_from(text, piece.len);
    }
    return text.len == 0;
}

void json_view_put(struct json_view value, struct buf *out)
{
    if (!json_view_is_string(value))
        return;
    const char *at = value.text.at + 1, *end = value.text.at + value.text.len - 1;
    while (at < end) {
        char room[4];
        buf_put_span(out, next_piece(&at, end, room));
    }
}
