/* Schemas of the messages that REST shows: what JSON goes in and comes out, with the rules of the
 * fields and with the bounds that follow from the body cap and from the types. */
#include "proto/compiler/plugin.h"

enum {
    REQUEST_BYTES = 1024 * 1024,     /* MAX_BODY_SIZE as it is by default */
    ANSWER_BYTES = 16 * 1024 * 1024, /* what the REST listener writes at most */
};
/* Strings hold every character but NUL, which protobuf-c cannot. */
#define ANY_TEXT "^[^\\\\u0000]*$"

/* Which way a message goes; both is possible. */
struct ways {
    bool in;
    bool out;
};

struct writer {
    struct plugin *plugin;
    struct buf *out;
    struct ways *ways; /* by type */
};

static void mark(struct writer *writer, const struct type_entry *type, struct ways ways)
{
    struct ways *own = &writer->ways[type - writer->plugin->types];
    if (own->in >= ways.in && own->out >= ways.out)
        return;
    own->in |= ways.in;
    own->out |= ways.out;
    for (size_t i = 0; i < type->n_fields; i++)
        if (type->fields[i].message != NULL)
            mark(writer, type->fields[i].message, ways);
}

/* ".weir.v1.Skills" -> "Skills", unless another message would be called so, too. */
static const char *short_name(const struct type_entry *type)
{
    const char *package = type->file->package != NULL ? type->file->package : "";
    return type->name + 1 + (package[0] != '\0' ? strlen(package) + 1 : 0);
}

static const char *name_of(const struct plugin *plugin, const struct type_entry *type)
{
    const char *name = short_name(type);
    for (size_t i = 0; i < plugin->n_types; i++)
        if (&plugin->types[i] != type && plugin->types[i].reachable &&
            strcmp(short_name(&plugin->types[i]), name) == 0)
            return type->name + 1;
    return name;
}

void openapi_put_ref(const struct plugin *plugin, struct buf *out, const struct type_entry *type)
{
    buf_put_text(out, "{\"$ref\":\"#/components/schemas/");
    buf_put_text(out, name_of(plugin, type));
    buf_put_text(out, "\"}");
}

void openapi_put_answer_text(struct buf *out, const char *comment)
{
    buf_printf(out, "{\"type\":\"string\",\"maxLength\":%d,\"pattern\":\"" ANY_TEXT "\"",
               ANSWER_BYTES);
    schema_put_comment(out, comment);
    buf_put_char(out, '}');
}

static const Weir__V1__FieldRules *rules_of(const struct type_field *field)
{
    return field->contract != NULL ? field->contract->rules : NULL;
}

static uint32_t most_of(struct ways ways)
{
    return ways.in ? REQUEST_BYTES : ANSWER_BYTES;
}

static bool has_default(const struct type_field *field)
{
    return field->contract != NULL &&
           (field->contract->default_value[0] != '\0' || field->contract->default_subject);
}

static void put_string(struct writer *writer, const struct type_field *field, struct ways ways)
{
    struct buf *out = writer->out;
    const Weir__V1__FieldRules *rules = rules_of(field);
    const Weir__V1__StringRules *string = rules != NULL ? rules->string : NULL;
    uint32_t least = rules != NULL && rules->required ? 1 : 0;
    if (field_source(field) == WEIR__V1__ANSWER_SOURCE__SOURCE_CONSTANT) {
        buf_put_text(out, "{\"type\":\"string\",\"const\":");
        buf_put_json_string(out, span_of(field->contract->source->constant));
        return;
    }
    if (string != NULL && string->min_len > least)
        least = string->min_len;
    buf_put_text(out, "{\"type\":\"string\"");
    /* What is empty takes the default, so that nothing is too short. */
    if (least > 0 && !has_default(field))
        buf_printf(out, ",\"minLength\":%u", least);
    buf_printf(out, ",\"maxLength\":%u",
               string != NULL && string->max_len > 0 ? string->max_len : most_of(ways));
    if (string != NULL)
        schema_put_string_rules(out, string);
    if (string == NULL || (string->pattern[0] == '\0' && !string->uri && string->n_in == 0))
        buf_put_text(out, ",\"pattern\":\"" ANY_TEXT "\"");
    if (field->contract != NULL && field->contract->default_value[0] != '\0') {
        schema_put_key(out, "default");
        buf_put_json_string(out, span_of(field->contract->default_value));
    }
}

/* The bounds of the type, narrowed by the rules. */
static void put_range(struct buf *out, const struct type_field *field, double least, double most)
{
    const Weir__V1__FieldRules *rules = rules_of(field);
    const Weir__V1__NumberRules *number = rules != NULL ? rules->number : NULL;
    if (number != NULL && number->greater_than_case == WEIR__V1__NUMBER_RULES__GREATER_THAN_GTE)
        least = number->gte;
    if (number != NULL && number->less_than_case == WEIR__V1__NUMBER_RULES__LESS_THAN_LTE)
        most = number->lte;
    buf_printf(out, ",\"minimum\":%.17g,\"maximum\":%.17g", least, most);
}

static void put_enum(struct buf *out, const enum_proto *enumeration)
{
    buf_put_text(out, "{\"type\":\"string\",\"enum\":[");
    for (size_t i = 0; i < enumeration->n_value; i++) {
        buf_put_text(out, i > 0 ? "," : "");
        buf_put_json_string(out, span_of(enumeration->value[i]->name));
    }
    buf_put_char(out, ']');
}

/* One value, its object left open for the description. */
static void put_value(struct writer *writer, const struct type_field *field, struct ways ways)
{
    struct buf *out = writer->out;
    switch (field->proto->type) {
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE:
        openapi_put_ref(writer->plugin, out, field->message);
        out->len--; /* its brace */
        break;
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_ENUM:
        put_enum(out, field->enumeration);
        break;
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING:
        put_string(writer, field, ways);
        break;
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES:
        buf_printf(out, "{\"type\":\"string\",\"format\":\"byte\",\"maxLength\":%u", most_of(ways));
        break;
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BOOL:
        buf_put_text(out, "{\"type\":\"boolean\"");
        break;
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FLOAT:
        buf_put_text(out, "{\"type\":\"number\",\"format\":\"float\"");
        put_range(out, field, -3.4028234663852886e38, 3.4028234663852886e38);
        break;
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_DOUBLE:
        buf_put_text(out, "{\"type\":\"number\",\"format\":\"double\"");
        put_range(out, field, -1.7976931348623157e308, 1.7976931348623157e308);
        break;
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_UINT32:
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FIXED32:
        buf_put_text(out, "{\"type\":\"integer\",\"format\":\"int64\"");
        put_range(out, field, 0, UINT32_MAX);
        break;
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT32:
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SINT32:
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SFIXED32:
        buf_put_text(out, "{\"type\":\"integer\",\"format\":\"int32\"");
        put_range(out, field, INT32_MIN, INT32_MAX);
        break;
    default: /* 64 bits: text in JSON, because its numbers are doubles to many */
        buf_put_text(out, "{\"type\":\"string\",\"maxLength\":20,\"pattern\":\"^-?[0-9]+$\"");
    }
}

static void put_items(struct writer *writer, const struct type_field *field, struct ways ways)
{
    const Weir__V1__FieldRules *rules = rules_of(field);
    const Weir__V1__RepeatedRules *repeated = rules != NULL ? rules->repeated : NULL;
    uint32_t least = repeated != NULL ? repeated->min_items : 0;
    uint32_t most =
        repeated != NULL && repeated->max_items > 0 ? repeated->max_items : most_of(ways);
    struct buf *out = writer->out;
    buf_put_text(out, field->is_map ? "{\"type\":\"object\",\"additionalProperties\":"
                                    : "{\"type\":\"array\",\"items\":");
    put_value(writer, field->is_map ? &field->message->fields[1] : field, ways);
    buf_put_char(out, '}');
    if (least > 0)
        buf_printf(out, ",\"min%s\":%u", field->is_map ? "Properties" : "Items", least);
    buf_printf(out, ",\"max%s\":%u", field->is_map ? "Properties" : "Items", most);
}

static bool is_shown(const struct type_field *field)
{
    return field->contract == NULL || !field->contract->grpc_only;
}

/* Answers show every member but what a oneof or a message leaves out; requests may leave out all
 * that no rule asks for. */
static bool is_required(const struct type_field *field, struct ways ways)
{
    const Weir__V1__FieldRules *rules = rules_of(field);
    bool asked_for = rules != NULL && rules->required && !has_default(field);
    if (!is_shown(field) || field->proto->has_oneof_index)
        return false;
    return asked_for || (!ways.in && (field->message == NULL || field->repeated));
}

static void put_required(struct buf *out, const struct type_entry *type, struct ways ways)
{
    bool any = false;
    for (size_t i = 0; i < type->n_fields; i++) {
        if (!is_required(&type->fields[i], ways))
            continue;
        buf_put_text(out, any ? "," : ",\"required\":[");
        buf_put_json_string(out, span_of(type->fields[i].proto->json_name));
        any = true;
    }
    buf_put_text(out, any ? "]" : "");
}

static void put_message(struct writer *writer, const struct type_entry *type, struct ways ways)
{
    struct buf *out = writer->out;
    bool first = true;
    buf_put_text(out, "{\"type\":\"object\",\"properties\":{");
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct type_field *field = &type->fields[i];
        if (!is_shown(field))
            continue;
        buf_put_text(out, first ? "" : ",");
        first = false;
        buf_put_json_string(out, span_of(field->proto->json_name));
        buf_put_char(out, ':');
        if (field->repeated)
            put_items(writer, field, ways);
        else
            put_value(writer, field, ways);
        schema_put_comment(out, field->comment);
        buf_put_char(out, '}');
    }
    buf_put_char(out, '}');
    put_required(out, type, ways);
    buf_put_text(out, ",\"additionalProperties\":false");
    schema_put_comment(
        out, comment_find(&writer->plugin->arena, type->file, type->path, type->path_len));
    buf_put_char(out, '}');
}

/* What one event of a stream holds. */
static void put_event(struct writer *writer, const struct method_entry *method)
{
    struct buf *out = writer->out;
    const char *result = method->contract->stream_result;
    buf_printf(out, "\"%sEvent\":", method->proto->name);
    buf_put_text(out, "{\"oneOf\":[{\"$ref\":\"#/components/schemas/Chunk\"},"
                      "{\"type\":\"object\",\"description\":\"The end, with the whole answer.\","
                      "\"properties\":{\"done\":{\"type\":\"boolean\",\"const\":true},");
    buf_put_json_string(out, span_of(result));
    buf_put_char(out, ':');
    openapi_put_answer_text(out, "All pieces in one.");
    buf_put_text(out, "},\"required\":[\"done\",");
    buf_put_json_string(out, span_of(result));
    buf_put_text(out, "],\"additionalProperties\":false},"
                      "{\"$ref\":\"#/components/schemas/Problem\"}]}");
}

void openapi_put_schemas(struct plugin *plugin, struct buf *out)
{
    struct writer writer = {plugin, out, NULL};
    writer.ways = arena_zero(&plugin->arena, plugin->n_types * sizeof *writer.ways);
    for (size_t i = 0; i < plugin->n_methods; i++) {
        const struct method_entry *method = &plugin->methods[i];
        if (!method_in_openapi(method))
            continue;
        if (strcmp(method->routes[0].verb, "POST") == 0)
            mark(&writer, method->request, (struct ways){.in = true});
        if (!method->proto->server_streaming)
            mark(&writer, method->response, (struct ways){.out = true});
    }
    const char *comma = "";
    for (size_t i = 0; i < plugin->n_types; i++) {
        const struct type_entry *type = &plugin->types[i];
        const Google__Protobuf__MessageOptions *options = type->proto->options;
        if ((!writer.ways[i].in && !writer.ways[i].out) || (options != NULL && options->map_entry))
            continue;
        buf_put_text(out, comma);
        comma = ",";
        buf_put_json_string(out, span_of(name_of(plugin, type)));
        buf_put_char(out, ':');
        put_message(&writer, type, writer.ways[i]);
    }
    for (size_t i = 0; i < plugin->n_methods; i++) {
        if (!plugin->methods[i].proto->server_streaming || !method_in_openapi(&plugin->methods[i]))
            continue;
        buf_put_text(out, comma);
        comma = ",";
        put_event(&writer, &plugin->methods[i]);
    }
}
