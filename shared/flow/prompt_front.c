/* The front matter of a prompt: a handful of known keys between two lines of three dashes. What it
 * does not know it refuses, so that a misspelt setting cannot be lost in silence. */
#include "shared/flow/prompt_internal.h"

#include <stdlib.h>

enum { MOST_OUTPUT_TOKENS = 1000000 };

struct front {
    struct prompt *prompt;
    struct prompt_error *error;
    unsigned line;
    bool in_config; /* indented keys belong to `config:` */
    bool has_config;
};

/* Takes one line off the front of *text; without its end, but for the CR of a CRLF. */
static struct span take_line(struct span *text)
{
    const char *end = text->len > 0 ? memchr(text->at, '\n', text->len) : NULL;
    size_t len = end != NULL ? (size_t)(end - text->at) : text->len;
    struct span line = span_make(text->at, len);
    *text = span_from(*text, end != NULL ? len + 1 : len);
    return line;
}

static bool is_fence(struct span line)
{
    return span_starts_with(line, "---") && span_trim(line).len == 3;
}

static bool set_model(struct front *front, struct span value)
{
    struct prompt *prompt = front->prompt;
    if (prompt->model.len > 0)
        return prompt_fail(front->error, front->line, "model is given twice");
    if (value.len >= 2 && (value.at[0] == '"' || value.at[0] == '\'') &&
        value.at[value.len - 1] == value.at[0])
        value = span_make(value.at + 1, value.len - 2);
    bool fine = value.len > 0 && value.len <= PROMPT_MODEL_BYTES;
    for (size_t i = 0; i < value.len; i++)
        fine =
            fine && value.at[i] > ' ' && value.at[i] <= '~' && strchr("\"'#", value.at[i]) == NULL;
    if (!fine)
        return prompt_fail(front->error, front->line,
                           "model is a name of 1 to %d characters without spaces, quotes and #",
                           PROMPT_MODEL_BYTES);
    prompt->model = value;
    return true;
}

static size_t count_digits(struct span text)
{
    size_t n = 0;
    while (n < text.len && text.at[n] >= '0' && text.at[n] <= '9')
        n++;
    return n;
}

static bool set_temperature(struct front *front, struct span value)
{
    if (front->prompt->temperature >= 0)
        return prompt_fail(front->error, front->line, "temperature is given twice");
    size_t whole = count_digits(value);
    struct span rest = span_from(value, whole);
    bool fine = whole > 0 && value.len <= 16;
    if (rest.len > 0)
        fine = fine && rest.at[0] == '.' && rest.len > 1 &&
               count_digits(span_from(rest, 1)) == rest.len - 1;
    /* The digits end at a character that is no part of a number: the copy ends with a NUL. */
    double temperature = fine ? strtod(value.at, NULL) : -1;
    if (!fine || temperature > 2)
        return prompt_fail(front->error, front->line, "temperature is a number from 0 to 2");
    front->prompt->temperature = temperature;
    return true;
}

static bool set_max_output_tokens(struct front *front, struct span value)
{
    if (front->prompt->max_output_tokens > 0)
        return prompt_fail(front->error, front->line, "maxOutputTokens is given twice");
    bool fine = value.len > 0 && count_digits(value) == value.len;
    long tokens = fine ? strtol(value.at, NULL, 10) : 0;
    if (tokens < 1 || tokens > MOST_OUTPUT_TOKENS)
        return prompt_fail(front->error, front->line,
                           "maxOutputTokens is a whole number from 1 to %d", MOST_OUTPUT_TOKENS);
    front->prompt->max_output_tokens = tokens;
    return true;
}

static bool start_config(struct front *front, struct span value)
{
    if (front->has_config)
        return prompt_fail(front->error, front->line, "config is given twice");
    if (value.len > 0)
        return prompt_fail(front->error, front->line,
                           "the settings of config stand below it, indented");
    front->in_config = front->has_config = true;
    return true;
}

static bool read_setting(struct front *front, struct span line)
{
    char room[48];
    size_t indent = 0;
    while (indent < line.len && line.at[indent] == ' ')
        indent++;
    struct span rest = span_trim(span_from(line, indent));
    if (rest.len == 0 || rest.at[0] == '#')
        return true;
    const char *colon = memchr(rest.at, ':', rest.len);
    size_t key_len = colon != NULL ? (size_t)(colon - rest.at) : rest.len;
    struct span key = span_make(rest.at, key_len);
    struct span after = span_from(rest, colon != NULL ? key_len + 1 : key_len);
    if (colon == NULL || key.len == 0 || (after.len > 0 && after.at[0] != ' ') ||
        line.at[indent] == '\t')
        return prompt_fail(front->error, front->line, "this is not \"key: value\"");
    struct span value = span_trim(after);
    if (indent == 0) {
        front->in_config = false;
        if (span_is(key, "model"))
            return set_model(front, value);
        if (span_is(key, "config"))
            return start_config(front, value);
        return prompt_fail(front->error, front->line,
                           "unknown key \"%s\": there are model and config",
                           prompt_quote(key, room));
    }
    if (!front->in_config)
        return prompt_fail(front->error, front->line, "only what is in config is indented");
    if (span_is(key, "temperature"))
        return set_temperature(front, value);
    if (span_is(key, "maxOutputTokens"))
        return set_max_output_tokens(front, value);
    return prompt_fail(front->error, front->line,
                       "unknown key \"%s\": config has temperature and maxOutputTokens",
                       prompt_quote(key, room));
}

bool prompt_front_read(struct prompt *prompt, struct span *text, unsigned *line,
                       struct prompt_error *error)
{
    struct front front = {.prompt = prompt, .error = error, .line = *line};
    struct span rest = *text;
    if (!is_fence(take_line(&rest)))
        return true;
    while (rest.len > 0) {
        struct span setting = take_line(&rest);
        front.line++;
        if (is_fence(setting)) {
            *text = rest;
            *line = front.line + 1;
            return true;
        }
        if (!read_setting(&front, setting))
            return false;
    }
    return prompt_fail(error, *line, "the front matter is never closed by ---");
}
