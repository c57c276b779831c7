/* JSON Schema of the members that the model fills in (F4). All members are required and no others
 * allowed, which the strict modes of the providers ask for; members of a oneof may be absent. */
#include "proto/compiler/plugin.h"

void schema_put_key(struct buf *out, const char *key)
{
    buf_put_text(out, ",\"");
    buf_put_text(out, key);
    buf_put_text(out, "\":");
}

void schema_put_string_rules(struct buf *out, const Weir__V1__StringRules *string)
{
    if (string->pattern[0] != '\0') {
        schema_put_key(out, "pattern");
        buf_put_json_string(out, span_of(string->pattern));
    }
    if (string->uri)
        buf_put_text(out, ",\"format\":\"uri\"");
    for (size_t i = 0; i < string->n_in; i++) {
        buf_put_text(out, i == 0 ? ",\"enum\":[" : ",");
        buf_put_json_string(out, span_of(string->in[i]));
    }
    if (string->n_in > 0)
        buf_put_char(out, ']');
}

void schema_put_comment(struct buf *out, const char *comment)
{
    if (comment[0] == '\0')
        return;
    schema_put_key(out, "description");
    buf_put_json_string(out, span_of(comment));
}

static void put_message(struct buf *out, const struct type_entry *type, const char *comment);

static void put_string(struct buf *out, const struct type_field *field)
{
    const Weir__V1__FieldRules *rules = field->contract != NULL ? field->contract->rules : NULL;
    const Weir__V1__StringRules *string = rules != NULL ? rules->string : NULL;
    uint32_t least = rules != NULL && rules->required ? 1 : 0;
    buf_put_text(out, "{\"type\":\"string\"");
    if (string != NULL && string->min_len > least)
        least = string->min_len;
    if (least > 0)
        buf_printf(out, ",\"minLength\":%u", least);
    if (string != NULL && string->max_len > 0)
        buf_printf(out, ",\"maxLength\":%u", string->max_len);
    if (string != NULL)
        schema_put_string_rules(out, string);
}

static void put_number(struct buf *out, const struct type_field *field, const char *kind)
{
    const Weir__V1__FieldRules *rules = field->contract != NULL ? field->contract->rules : NULL;
    const Weir__V1__NumberRules *number = rules != NULL ? rules->number : NULL;
    buf_printf(out, "{\"type\":\"%s\"", kind);
    if (number != NULL && number->greater_than_case == WEIR__V1__NUMBER_RULES__GREATER_THAN_GTE)
        buf_printf(out, ",\"minimum\":%.17g", number->gte);
    if (number != NULL && number->less_than_case == WEIR__V1__NUMBER_RULES__LESS_THAN_LTE)
        buf_printf(out, ",\"maximum\":%.17g", number->lte);
}

static void put_enum(struct buf *out, const enum_proto *enumeration)
{
    buf_put_text(out, "{\"type\":\"string\",\"enum\":[");
    for (size_t i = 0; i < enumeration->n_value; i++) {
        if (i > 0)
            buf_put_char(out, ',');
        buf_put_json_string(out, span_of(enumeration->value[i]->name));
    }
    buf_put_char(out, ']');
}

/* One value of the field's type; an item where it is repeated. */
static void put_value(struct buf *out, const struct type_field *field, const char *comment)
{
    switch (field->proto->type) {
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE:
        put_message(out, field->message, comment);
        return;
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_ENUM:
        put_enum(out, field->enumeration);
        break;
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING:
        put_string(out, field);
        break;
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES:
        buf_put_text(out, "{\"type\":\"string\",\"contentEncoding\":\"base64\"");
        break;
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BOOL:
        buf_put_text(out, "{\"type\":\"boolean\"");
        break;
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FLOAT:
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_DOUBLE:
        put_number(out, field, "number");
        break;
    default:
        put_number(out, field, "integer");
    }
    schema_put_comment(out, comment);
    buf_put_char(out, '}');
}

static void put_field(struct buf *out, const struct type_field *field)
{
    const Weir__V1__FieldRules *rules = field->contract != NULL ? field->contract->rules : NULL;
    if (field->is_map) {
        buf_put_text(out, "{\"type\":\"object\",\"additionalProperties\":");
        put_value(out, &field->message->fields[1], "");
    } else if (field->repeated) {
        buf_put_text(out, "{\"type\":\"array\",\"items\":");
        put_value(out, field, "");
        if (rules != NULL && rules->repeated != NULL && rules->repeated->min_items > 0)
            buf_printf(out, ",\"minItems\":%u", rules->repeated->min_items);
        if (rules != NULL && rules->repeated != NULL && rules->repeated->max_items > 0)
            buf_printf(out, ",\"maxItems\":%u", rules->repeated->max_items);
    } else {
        put_value(out, field, field->comment);
        return;
    }
    schema_put_comment(out, field->comment);
    buf_put_char(out, '}');
}

static bool is_of_model(const struct type_field *field)
{
    return field_source(field) == WEIR__V1__ANSWER_SOURCE__SOURCE__NOT_SET &&
           !(field->contract != NULL && field->contract->grpc_only);
}

static void put_message(struct buf *out, const struct type_entry *type, const char *comment)
{
    bool first = true;
    buf_put_text(out, "{\"type\":\"object\",\"properties\":{");
    for (size_t i = 0; i < type->n_fields; i++) {
        if (!is_of_model(&type->fields[i]))
            continue;
        if (!first)
            buf_put_char(out, ',');
        first = false;
        buf_put_json_string(out, span_of(type->fields[i].proto->json_name));
        buf_put_char(out, ':');
        put_field(out, &type->fields[i]);
    }
    buf_put_text(out, "},\"required\":[");
    first = true;
    for (size_t i = 0; i < type->n_fields; i++) {
        if (!is_of_model(&type->fields[i]) || type->fields[i].proto->has_oneof_index)
            continue;
        if (!first)
            buf_put_char(out, ',');
        first = false;
        buf_put_json_string(out, span_of(type->fields[i].proto->json_name));
    }
    buf_put_text(out, "],\"additionalProperties\":false");
    schema_put_comment(out, comment);
    buf_put_char(out, '}');
}

const char *schema_write(struct plugin *plugin, const struct type_entry *response)
{
    struct buf out;
    buf_init(&out, &plugin->arena, 1024 * 1024);
    put_message(&out, response, "");
    return arena_copy(&plugin->arena, buf_span(&out));
}
