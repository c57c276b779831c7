#include "shared/flow/tool_schema.h"

#include "shared/base/utf8.h"

/* Where the value stands, for the words. */
struct place {
    const struct place *outer; /* NULL: the arguments as a whole */
    const char *member;        /* NULL: an item */
    size_t index;
};

static void put_place(const struct place *place, struct buf *out)
{
    const struct place *way[16];
    size_t n = 0;
    for (; place != NULL && n < sizeof way / sizeof way[0]; place = place->outer)
        way[n++] = place;
    buf_put_text(out, "arguments");
    while (n-- > 0) {
        if (way[n]->member != NULL) {
            buf_put_char(out, '.');
            buf_put_text(out, way[n]->member);
        } else if (way[n]->outer != NULL) {
            buf_printf(out, "[%zu]", way[n]->index);
        }
    }
}

static bool refuse(const struct place *place, struct buf *out, const char *what)
{
    put_place(place, out);
    buf_put_char(out, ' ');
    buf_put_text(out, what);
    return false;
}

static bool has_type(const char *type, const json_t *value)
{
    if (strcmp(type, "object") == 0)
        return json_is_object(value);
    if (strcmp(type, "array") == 0)
        return json_is_array(value);
    if (strcmp(type, "string") == 0)
        return json_is_string(value);
    if (strcmp(type, "integer") == 0)
        return json_is_integer(value);
    if (strcmp(type, "number") == 0)
        return json_is_number(value);
    return strcmp(type, "boolean") == 0 && json_is_boolean(value);
}

static bool fits(const json_t *schema, const json_t *value, const struct place *place,
                 struct buf *out);

static bool fits_object(const json_t *schema, const json_t *value, const struct place *place,
                        struct buf *out)
{
    const json_t *properties = json_object_get(schema, "properties");
    const json_t *required = json_object_get(schema, "required"), *name;
    bool closed = json_is_false(json_object_get(schema, "additionalProperties"));
    size_t i;
    json_array_foreach(required, i, name)
    {
        struct place missing = {.outer = place, .member = json_string_value(name)};
        if (json_object_get(value, missing.member) == NULL)
            return refuse(&missing, out, "is missing");
    }
    for (void *at = json_object_iter((json_t *)(uintptr_t)value); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)value, at)) {
        const char *member = json_object_iter_key(at);
        const json_t *property = json_object_get(properties, member);
        struct place inner = {.outer = place, .member = member};
        /* The name is the model's: it is not repeated. */
        if (property == NULL && closed)
            return refuse(place, out, "has a member that the tool does not know");
        if (property != NULL && !fits(property, json_object_iter_value(at), &inner, out))
            return false;
    }
    return true;
}

static bool fits_array(const json_t *schema, const json_t *value, const struct place *place,
                       struct buf *out)
{
    const json_t *items = json_object_get(schema, "items"), *item;
    const json_t *most = json_object_get(schema, "maxItems");
    size_t i;
    if (most != NULL && json_array_size(value) > (size_t)json_integer_value(most))
        return refuse(place, out, "has too many items");
    json_array_foreach(value, i, item)
    {
        struct place inner = {.outer = place, .index = i};
        if (items != NULL && !fits(items, item, &inner, out))
            return false;
    }
    return true;
}

static bool fits_string(const json_t *schema, const json_t *value, const struct place *place,
                        struct buf *out)
{
    const json_t *least = json_object_get(schema, "minLength");
    const json_t *most = json_object_get(schema, "maxLength");
    const json_t *list = json_object_get(schema, "enum"), *one;
    size_t i, length = utf8_length(span_make(json_string_value(value), json_string_length(value)));
    if (least != NULL && length < (size_t)json_integer_value(least))
        return refuse(place, out, "is too short");
    if (most != NULL && length > (size_t)json_integer_value(most))
        return refuse(place, out, "is too long");
    json_array_foreach(list, i, one)
    {
        if (json_equal(one, value))
            return true;
    }
    return list == NULL || refuse(place, out, "is none of the values that it may have");
}

static bool fits_number(const json_t *schema, const json_t *value, const struct place *place,
                        struct buf *out)
{
    const json_t *least = json_object_get(schema, "minimum");
    const json_t *most = json_object_get(schema, "maximum");
    double number = json_number_value(value);
    if (least != NULL && number < json_number_value(least))
        return refuse(place, out, "is too small");
    if (most != NULL && number > json_number_value(most))
        return refuse(place, out, "is too large");
    return true;
}

static bool fits(const json_t *schema, const json_t *value, const struct place *place,
                 struct buf *out)
{
    const char *type = json_string_value(json_object_get(schema, "type"));
    if (type != NULL && !has_type(type, value)) {
        put_place(place, out);
        buf_printf(out, " must be of the type %s", type);
        return false;
    }
    if (json_is_object(value))
        return fits_object(schema, value, place, out);
    if (json_is_array(value))
        return fits_array(schema, value, place, out);
    if (json_is_string(value))
        return fits_string(schema, value, place, out);
    return !json_is_number(value) || fits_number(schema, value, place, out);
}

bool tool_schema_fits(const json_t *schema, const json_t *value, struct buf *problem)
{
    static const struct place whole;
    return fits(schema, value, &whole, problem);
}
