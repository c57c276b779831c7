/* JSON Schemas as OpenAI's structured outputs take them
 * (platform.openai.com/docs/guides/structured-outputs, "Supported schemas"). */
#include "shared/llm/openai.h"

#include "shared/base/must.h"

#include <jansson.h>
#include <stdlib.h>

enum { DEEPEST = 64 };

/* Strict mode: every member is required, and there are no others. */
static bool is_strict_object(const json_t *schema)
{
    const json_t *properties = json_object_get(schema, "properties");
    const json_t *required = json_object_get(schema, "required");
    const char *name;
    const json_t *member;
    if (!json_is_false(json_object_get(schema, "additionalProperties")))
        return false;
    json_object_foreach((json_t *)(uintptr_t)properties, name, member)
    {
        size_t i = 0;
        while (i < json_array_size(required)) {
            const char *one = json_string_value(json_array_get(required, i));
            if (one != NULL && strcmp(one, name) == 0)
                break;
            i++;
        }
        if (i == json_array_size(required))
            return false;
    }
    return true;
}

/* Takes out what the strict mode refuses; weir checks the answer against its own rules anyway.
 * Returns whether the schema can be strict. */
static bool adapt(json_t *schema, unsigned depth)
{
    bool strict = true;
    const char *type = json_string_value(json_object_get(schema, "type"));
    const char *name;
    json_t *member;
    if (depth > DEEPEST)
        return false;
    (void)json_object_del(schema, "format");
    (void)json_object_del(schema, "contentEncoding");
    if (type != NULL && strcmp(type, "object") == 0)
        strict = is_strict_object(schema);
    json_object_foreach(json_object_get(schema, "properties"), name, member)
    {
        if (!adapt(member, depth + 1))
            strict = false;
    }
    json_t *items = json_object_get(schema, "items");
    if (items != NULL && !adapt(items, depth + 1))
        strict = false;
    json_t *others = json_object_get(schema, "additionalProperties");
    if (json_is_object(others) && !adapt(others, depth + 1))
        strict = false;
    return strict;
}

void openai_write_schema(const char *schema, struct buf *out)
{
    json_t *parsed = json_loads(schema, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(parsed)) {
        bool strict = adapt(parsed, 0);
        char *text = json_dumps(parsed, JSON_COMPACT);
        must(text != NULL);
        buf_put_text(out, strict ? "\"strict\":true,\"schema\":" : "\"strict\":false,\"schema\":");
        buf_put_text(out, text);
        free(text);
    }
    json_decref(parsed);
}
