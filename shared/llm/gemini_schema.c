/* JSON Schemas as Gemini's responseSchema takes them. */
#include "shared/base/must.h"
#include "shared/llm/gemini.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>

enum { DEEPEST = 64 };

static const char *const known[] = {
    "type",     "format",   "title",     "description", "nullable", "enum",    "minItems",
    "maxItems", "required", "minLength", "maxLength",   "pattern",  "minimum", "maximum",
};

static bool is_known(const char *member)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i], member) == 0)
            return true;
    return false;
}

static json_t *adapt(const json_t *schema, unsigned depth);

/* The member's objects, each adapted; NULL: one of them cannot be. */
static json_t *adapt_properties(const json_t *properties, unsigned depth)
{
    json_t *adapted = json_object();
    const char *name;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)properties, name, member)
    {
        json_t *one = adapt(member, depth);
        if (one == NULL || json_object_set_new(adapted, name, one) != 0) {
            json_decref(adapted);
            return NULL;
        }
    }
    return adapted;
}

/* Copies what is known. Types are upper case there; formats and lists are for few of them. */
static json_t *copy_known(const json_t *schema, const char *type)
{
    json_t *copy = json_object();
    char upper[16] = "";
    const char *name;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)schema, name, member)
    {
        if (is_known(name))
            must(json_object_set(copy, name, member) == 0);
    }
    for (size_t i = 0; type[i] != '\0' && i < sizeof upper - 1; i++)
        upper[i] = (char)toupper((unsigned char)type[i]);
    must(json_object_set_new(copy, "type", json_string(upper)) == 0);
    const char *format = json_string_value(json_object_get(copy, "format"));
    bool text = strcmp(type, "string") == 0;
    if (text && (format == NULL || strcmp(format, "date-time") != 0))
        (void)json_object_del(copy, "format");
    if (!text)
        (void)json_object_del(copy, "enum");
    return copy;
}

/* A new reference; NULL: it cannot be expressed. */
static json_t *adapt(const json_t *schema, unsigned depth)
{
    const char *type = json_string_value(json_object_get(schema, "type"));
    const json_t *properties = json_object_get(schema, "properties");
    const json_t *items = json_object_get(schema, "items");
    bool object = type != NULL && strcmp(type, "object") == 0;
    if (type == NULL || depth > DEEPEST || (object && json_object_size(properties) == 0))
        return NULL; /* a map: any names */
    json_t *copy = copy_known(schema, type);
    if (object) {
        json_t *adapted = adapt_properties(properties, depth + 1);
        if (adapted == NULL)
            goto failed;
        must(json_object_set_new(copy, "properties", adapted) == 0);
    }
    if (items != NULL) {
        json_t *adapted = adapt(items, depth + 1);
        if (adapted == NULL)
            goto failed;
        must(json_object_set_new(copy, "items", adapted) == 0);
    }
    return copy;
failed:
    json_decref(copy);
    return NULL;
}

void gemini_write_schema(const char *schema, struct buf *out)
{
    json_t *parsed = json_loads(schema, JSON_REJECT_DUPLICATES, NULL);
    json_t *adapted = json_is_object(parsed) ? adapt(parsed, 0) : NULL;
    if (adapted != NULL) {
        char *text = json_dumps(adapted, JSON_COMPACT);
        must(text != NULL);
        buf_put_text(out, text);
        free(text);
    }
    json_decref(adapted);
    json_decref(parsed);
}
