/* Walks a JSON Schema and writes a value that fits it. */
#include "shared/llm/sample.h"

#include "shared/base/utf8.h"

#include <jansson.h>
#include <math.h>
#include <regex.h>

enum { DEEPEST = 32, USUAL_ITEMS = 3, MOST_ITEMS = 100, LONGEST_PATTERN = 512, TEXT_BYTES = 4096 };

static void write_value(struct buf *out, const json_t *schema, const char *name, unsigned item,
                        unsigned depth);

static double number_or(const json_t *schema, const char *member, double otherwise)
{
    const json_t *value = json_object_get(schema, member);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

static size_t count_or(const json_t *schema, const char *member, size_t otherwise)
{
    const json_t *value = json_object_get(schema, member);
    return json_is_integer(value) && json_integer_value(value) >= 0
               ? (size_t)json_integer_value(value)
               : otherwise;
}

/* --- strings --- */

static bool matches(const char *pattern, const char *text)
{
    regex_t compiled;
    if (strlen(pattern) > LONGEST_PATTERN ||
        regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    bool match = regexec(&compiled, text, 0, NULL, 0) == 0;
    regfree(&compiled);
    return match;
}

/* The first of a few common shapes that fits; "offline" when none does. */
static const char *find_match(const char *pattern)
{
    static const char *const shapes[] = {"offline",
                                         "Offline",
                                         "OFFLINE",
                                         "offline model",
                                         "offline_model",
                                         "a",
                                         "A",
                                         "1",
                                         "42",
                                         "12345678",
                                         "o1",
                                         "2000-01-01",
                                         "12:00",
                                         "2000-01-01T00:00:00Z",
                                         "a@example.com",
                                         "+10000000000",
                                         "1.0.0",
                                         "#000000",
                                         "offline.txt",
                                         "en",
                                         "https://a.invalid"};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (matches(pattern, shapes[i]))
            return shapes[i];
    return shapes[0];
}

static void write_string(struct buf *out, const json_t *schema, const char *name, unsigned item)
{
    const char *pattern = json_string_value(json_object_get(schema, "pattern"));
    const char *format = json_string_value(json_object_get(schema, "format"));
    size_t least = count_or(schema, "minLength", 0);
    size_t most = count_or(schema, "maxLength", TEXT_BYTES);
    struct buf text;
    buf_init(&text, NULL, TEXT_BYTES);
    if (json_object_get(schema, "contentEncoding") != NULL) {
        buf_put_text(&text, "b2ZmbGluZSBtb2RlbA=="); /* "offline model" */
    } else if (pattern != NULL) {
        buf_put_text(&text, find_match(pattern));
    } else if (format != NULL && strcmp(format, "uri") == 0) {
        buf_put_text(&text, "https://example.com/offline-model");
    } else {
        buf_put_text(&text, "offline model: ");
        buf_put_text(&text, name);
        if (item > 0)
            buf_printf(&text, " %u", item);
        while (utf8_length(buf_span(&text)) < least && !text.overflow)
            buf_put_char(&text, '.');
    }
    buf_put_json_string(out, utf8_prefix(buf_span(&text), most));
    buf_fini(&text);
}

/* The first choice, but not the one that stands for "not said". */
static void write_choice(struct buf *out, const json_t *choices)
{
    static const char none[] = "_UNSPECIFIED";
    const json_t *chosen = NULL;
    for (size_t i = 0; i < json_array_size(choices); i++) {
        const json_t *choice = json_array_get(choices, i);
        size_t len = json_string_length(choice);
        bool unsaid = len >= sizeof none - 1 &&
                      strcmp(json_string_value(choice) + len - (sizeof none - 1), none) == 0;
        if (json_is_string(choice) && (chosen == NULL || !unsaid)) {
            chosen = choice;
            if (!unsaid)
                break;
        }
    }
    if (chosen == NULL) {
        buf_put_text(out, "null");
        return;
    }
    buf_put_json_string(out, span_make(json_string_value(chosen), json_string_length(chosen)));
}

/* --- numbers --- */

/* The middle of its range, or a small number. */
static double choose_number(const json_t *schema)
{
    double least = number_or(schema, "minimum", -INFINITY);
    double most = number_or(schema, "maximum", INFINITY);
    if (isfinite(least) && isfinite(most))
        return least / 2 + most / 2;
    return fmin(fmax(1, least), most);
}

static void write_integer(struct buf *out, const json_t *schema)
{
    double value = floor(choose_number(schema));
    if (value < number_or(schema, "minimum", -INFINITY))
        value++;
    buf_printf(out, "%.0f", value);
}

/* --- what has parts --- */

static void write_array(struct buf *out, const json_t *schema, const char *name, unsigned depth)
{
    size_t least = count_or(schema, "minItems", 1);
    size_t most = count_or(schema, "maxItems", MOST_ITEMS);
    size_t count = least > USUAL_ITEMS ? least : USUAL_ITEMS;
    count = count > most ? most : count;
    count = count > MOST_ITEMS ? MOST_ITEMS : count;
    buf_put_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_char(out, ',');
        write_value(out, json_object_get(schema, "items"), name, (unsigned)i + 1, depth);
    }
    buf_put_char(out, ']');
}

static bool is_required(const json_t *schema, const char *name)
{
    const json_t *required = json_object_get(schema, "required");
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *one = json_string_value(json_array_get(required, i));
        if (one != NULL && strcmp(one, name) == 0)
            return true;
    }
    return required == NULL;
}

/* Members that may be absent are: those of a oneof exclude one another. */
static void write_object(struct buf *out, const json_t *schema, unsigned item, unsigned depth)
{
    json_t *properties = json_object_get(schema, "properties");
    const json_t *others = json_object_get(schema, "additionalProperties");
    const char *name;
    json_t *member;
    bool first = true;
    buf_put_char(out, '{');
    json_object_foreach(properties, name, member)
    {
        if (!is_required(schema, name))
            continue;
        if (!first)
            buf_put_char(out, ',');
        first = false;
        buf_put_json_string(out, span_of(name));
        buf_put_char(out, ':');
        write_value(out, member, name, item, depth);
    }
    if (first && json_is_object(others)) {
        buf_put_text(out, "\"offline\":");
        write_value(out, others, "offline", item, depth);
    }
    buf_put_char(out, '}');
}

static void write_value(struct buf *out, const json_t *schema, const char *name, unsigned item,
                        unsigned depth)
{
    const json_t *choices = json_object_get(schema, "enum");
    const char *type = json_string_value(json_object_get(schema, "type"));
    if (type == NULL || depth > DEEPEST || out->overflow)
        buf_put_text(out, "null");
    else if (json_array_size(choices) > 0)
        write_choice(out, choices);
    else if (strcmp(type, "object") == 0)
        write_object(out, schema, item, depth + 1);
    else if (strcmp(type, "array") == 0)
        write_array(out, schema, name, depth + 1);
    else if (strcmp(type, "string") == 0)
        write_string(out, schema, name, item);
    else if (strcmp(type, "integer") == 0)
        write_integer(out, schema);
    else if (strcmp(type, "number") == 0)
        buf_printf(out, "%.17g", choose_number(schema));
    else if (strcmp(type, "boolean") == 0)
        buf_put_text(out, "true");
    else
        buf_put_text(out, "null");
}

void sample_write(const char *schema, struct buf *out)
{
    json_t *parsed = json_loads(schema, 0, NULL);
    if (json_is_object(parsed))
        write_value(out, parsed, "answer", 0, 0);
    json_decref(parsed);
}
