/* Builds one line: JSON, or text for people. Escapes and cuts every value. */
#include "shared/base/log_line.h"

#include "shared/base/redact.h"
#include "shared/base/tick.h"
#include "shared/base/utf8.h"

#include <time.h>

enum { MOST_VALUE_BYTES = 512, LINE_END_BYTES = 2 };

enum log_format log_line_format = LOG_JSON;
bool log_line_colour;

static const char *const level_names[] = {"debug", "info", "warning", "error"};

static void put(struct log_line *line, const char *bytes, size_t len)
{
    if (len > LOG_LINE_BYTES - LINE_END_BYTES - line->len)
        len = LOG_LINE_BYTES - LINE_END_BYTES - line->len;
    memcpy(line->text + line->len, bytes, len);
    line->len += len;
}

static void put_text(struct log_line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* "2026-11-24T13:00:00" of the second, made once a second and thread. */
static const char *second_text(time_t second)
{
    static _Thread_local time_t made_for = -1;
    static _Thread_local char text[32];
    if (second != made_for) {
        struct tm parts;
        (void)gmtime_r(&second, &parts);
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
        made_for = second;
    }
    return text;
}

static void put_time(struct log_line *line)
{
    uint64_t now_ns = tick_wall_ns();
    unsigned ms = (unsigned)(now_ns / 1000000U % 1000U);
    char tail[5] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10),
                    'Z'};
    const char *second = second_text((time_t)(now_ns / 1000000000U));
    if (line->format == LOG_CONSOLE) {
        put_text(line, second + 11);
        put(line, tail, 4);
    } else {
        put_text(line, second);
        put(line, tail, 5);
    }
}

static size_t room(const struct log_line *line)
{
    return LOG_LINE_BYTES - LINE_END_BYTES - line->len;
}

static bool is_plain(char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Bytes of the character at `i` of well-formed UTF-8. */
static size_t character_bytes(struct span text, size_t i)
{
    unsigned char c = (unsigned char)text.at[i];
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* The code point of a character of `len` bytes. */
static unsigned code_point(const char *at, size_t len)
{
    static const unsigned char lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    unsigned code = (unsigned char)at[0] & lead_bits[len];
    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)at[i] & 0x3f);
    return code;
}

/* What could end a line or steer a terminal: the controls of C0 and C1, line and paragraph
 * separators, and the invisible marks that turn the direction of text. */
static bool is_steering(unsigned code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200b && code <= 0x200f) ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
           code == 0xfeff;
}

/* One character, escaped where it has to be. False: no room for it and a closing quote. */
static bool put_character(struct log_line *line, const char *at, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    unsigned code = code_point(at, len);
    char text[6] = {'\\'};
    if (is_steering(code)) {
        text[1] = 'u';
        for (size_t i = 5; i > 1; i--, code >>= 4)
            text[i] = hex[code & 15];
        len = sizeof text;
    } else if (code == '"' || code == '\\') {
        text[1] = at[0];
        len = 2;
    } else {
        memcpy(text, at, len);
    }
    if (len > room(line) - 1)
        return false;
    put(line, text, len);
    return true;
}

/* Well-formed `value` as the inside of a JSON string, up to where the line has room for one more
 * character and the closing quote. False: it was cut. */
static bool put_well_formed(struct log_line *line, struct span value)
{
    for (size_t i = 0; i < value.len;) {
        size_t run = i;
        while (run < value.len && is_plain(value.at[run]))
            run++;
        size_t len = run - i < room(line) - 1 ? run - i : room(line) - 1;
        put(line, value.at + i, len);
        if (len < run - i)
            return false;
        i = run;
        if (i == value.len)
            break;
        len = character_bytes(value, i);
        if (!put_character(line, value.at + i, len))
            return false;
        i += len;
    }
    return true;
}

/* The same for any bytes; each that is no part of a UTF-8 character becomes U+FFFD. */
static void put_escaped(struct log_line *line, struct span value)
{
    static const char replacement[] = "\xef\xbf\xbd";
    while (value.len > 0) {
        size_t good = utf8_valid_bytes(value);
        if (!put_well_formed(line, span_make(value.at, good)))
            return;
        if (good == value.len)
            return;
        if (!put_character(line, replacement, sizeof replacement - 1))
            return;
        value = span_from(value, good + 1);
    }
}

/* The name, a value of `value_bytes` and the six bytes of ,"": and quotes around the value fit. */
static bool has_room(const struct log_line *line, size_t name_bytes, size_t value_bytes)
{
    return room(line) >= name_bytes + value_bytes + 6;
}

static void put_name(struct log_line *line, const char *name)
{
    if (line->format == LOG_CONSOLE) {
        put(line, " ", 1);
        put_text(line, name);
        put(line, "=", 1);
    } else {
        put(line, ",\"", 2);
        put_text(line, name);
        put(line, "\":", 2);
    }
}

static struct span cut(struct span value)
{
    if (value.len <= MOST_VALUE_BYTES)
        return value;
    value.len = MOST_VALUE_BYTES;
    while (value.len > MOST_VALUE_BYTES - 4 && ((unsigned char)value.at[value.len] & 0xc0) == 0x80)
        value.len--;
    return value;
}

static bool is_plain_word(struct span value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] <= ' ' || value.at[i] > '~' || value.at[i] == '"' || value.at[i] == '=')
            return false;
    return value.len > 0;
}

static void put_value(struct log_line *line, const char *name, struct span value)
{
    value = cut(value);
    if (!line->on || !has_room(line, strlen(name), 0))
        return;
    bool bare = line->format == LOG_CONSOLE && is_plain_word(value);
    put_name(line, name);
    if (!bare)
        put(line, "\"", 1);
    put_escaped(line, value);
    if (!bare)
        put(line, "\"", 1);
}

static void put_bare(struct log_line *line, const char *name, const char *text, size_t len)
{
    if (!line->on || !has_room(line, strlen(name), len))
        return;
    put_name(line, name);
    put(line, text, len);
}

static void begin_console(struct log_line *line, const char *logger, const char *event)
{
    static const char *const colours[] = {"\033[2m", "", "\033[33m", "\033[31m"};
    put_time(line);
    put(line, " ", 1);
    if (log_line_colour)
        put_text(line, colours[line->level]);
    put_text(line, level_names[line->level]);
    if (log_line_colour)
        put_text(line, "\033[0m");
    put(line, " ", 1);
    put_text(line, logger);
    put(line, " ", 1);
    put_text(line, event);
}

static void begin(struct log_line *line, const char *logger, const char *event)
{
    line->len = 0;
    if (!line->on)
        return;
    if (line->format == LOG_CONSOLE) {
        begin_console(line, logger, event);
        return;
    }
    put_text(line, "{\"time\":\"");
    put_time(line);
    put_text(line, "\",\"level\":\"");
    put_text(line, level_names[line->level]);
    put_text(line, "\",\"logger\":\"");
    put_text(line, logger);
    put_text(line, "\",\"event\":\"");
    put_text(line, event);
    put(line, "\"", 1);
}

void log_begin(struct log_line *line, enum log_level level, const char *logger, const char *event)
{
    line->on = log_is_on(level);
    line->level = level;
    line->format = log_line_format;
    begin(line, logger, event);
}

void log_begin_record(struct log_line *line, enum log_level level, const char *logger,
                      const char *event)
{
    line->on = true;
    line->level = level;
    line->format = LOG_JSON;
    begin(line, logger, event);
}

struct span log_finish(struct log_line *line)
{
    if (line->format == LOG_JSON)
        line->text[line->len++] = '}';
    line->text[line->len++] = '\n';
    return span_make(line->text, line->len);
}

void log_text(struct log_line *line, const char *name, const char *value)
{
    if (value != NULL)
        put_value(line, name, span_of(value));
}

void log_span(struct log_line *line, const char *name, struct span value)
{
    char masked[MOST_VALUE_BYTES];
    value = cut(value);
    if (line->on)
        put_value(line, name, span_make(masked, redact_copy(value, masked)));
}

static void put_number(struct log_line *line, const char *name, bool negative, uint64_t value)
{
    char text[21];
    size_t at = sizeof text;
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    if (negative)
        text[--at] = '-';
    put_bare(line, name, text + at, sizeof text - at);
}

void log_u64(struct log_line *line, const char *name, uint64_t value)
{
    put_number(line, name, false, value);
}

void log_i64(struct log_line *line, const char *name, int64_t value)
{
    put_number(line, name, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void log_ms(struct log_line *line, const char *name, uint64_t value_ns)
{
    uint64_t us = value_ns / 1000U;
    char text[32];
    size_t at = sizeof text;
    for (int i = 0; i < 3; i++, us /= 10)
        text[--at] = (char)('0' + us % 10);
    text[--at] = '.';
    do {
        text[--at] = (char)('0' + us % 10);
        us /= 10;
    } while (us > 0);
    put_bare(line, name, text + at, sizeof text - at);
}

void log_bool(struct log_line *line, const char *name, bool value)
{
    put_bare(line, name, value ? "true" : "false", value ? 4 : 5);
}
