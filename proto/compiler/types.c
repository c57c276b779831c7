/* The message types of the request: names, fields by number, annotations, comments. */
#include "proto/compiler/plugin.h"

#include <ctype.h>
#include <stdlib.h>

enum { FIELD_EXTENSION = 50101, MOST_TYPES = 4096 };

/* protobuf-c's rule for C names: "TellJoke" -> "tell_joke", "a.b" -> "a__b". */
static const char *c_symbol(struct arena *arena, const char *full_name)
{
    struct buf out;
    bool after_upper = true;
    buf_init(&out, arena, 4096);
    for (const char *at = full_name[0] == '.' ? full_name + 1 : full_name; *at != '\0'; at++) {
        if (*at == '.') {
            buf_put_text(&out, "__");
            after_upper = true;
            continue;
        }
        bool upper = isupper((unsigned char)*at) != 0;
        if (upper && !after_upper)
            buf_put_char(&out, '_');
        buf_put_char(&out, (char)tolower((unsigned char)*at));
        after_upper = upper;
    }
    return arena_copy(arena, buf_span(&out));
}

const char *comment_find(struct arena *arena, const file_proto *file, const int32_t *path,
                         size_t len)
{
    const Google__Protobuf__SourceCodeInfo *info = file->source_code_info;
    for (size_t i = 0; info != NULL && i < info->n_location; i++) {
        const Google__Protobuf__SourceCodeInfo__Location *at = info->location[i];
        if (at->leading_comments == NULL || at->n_path != len ||
            memcmp(at->path, path, len * sizeof *path) != 0)
            continue;
        struct span text = span_trim(span_of(at->leading_comments));
        struct buf line;
        buf_init(&line, arena, 4096);
        for (size_t j = 0; j < text.len; j++) {
            bool space = isspace((unsigned char)text.at[j]) != 0;
            if (!space)
                buf_put_char(&line, text.at[j]);
            else if (line.len > 0 && line.at[line.len - 1] != ' ')
                buf_put_char(&line, ' ');
        }
        return arena_copy(arena, buf_span(&line));
    }
    return "";
}

static void add_enums(struct plugin *plugin, const char *scope, enum_proto **enums, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (plugin->n_enums == MOST_TYPES)
            refuse("too many enums");
        plugin->enums[plugin->n_enums] = enums[i];
        plugin->enum_names[plugin->n_enums++] =
            format_text(&plugin->arena, "%s.%s", scope, enums[i]->name);
    }
}

static void add_message(struct plugin *plugin, const file_proto *file, const char *scope,
                        const message_proto *message, const int32_t *path, size_t path_len)
{
    if (plugin->n_types == MOST_TYPES)
        refuse("too many messages");
    struct type_entry *type = &plugin->types[plugin->n_types++];
    int32_t *own_path = arena_alloc(&plugin->arena, path_len * sizeof *own_path);
    memcpy(own_path, path, path_len * sizeof *own_path);
    *type = (struct type_entry){.name = format_text(&plugin->arena, "%s.%s", scope, message->name),
                                .proto = message,
                                .file = file,
                                .path = own_path,
                                .path_len = path_len};
    type->symbol = c_symbol(&plugin->arena, type->name);
    const char *name = type->name;
    add_enums(plugin, name, message->enum_type, message->n_enum_type);
    int32_t *nested = arena_alloc(&plugin->arena, (path_len + 2) * sizeof *nested);
    memcpy(nested, path, path_len * sizeof *nested);
    for (size_t i = 0; i < message->n_nested_type; i++) {
        nested[path_len] = 3;
        nested[path_len + 1] = (int32_t)i;
        add_message(plugin, file, name, message->nested_type[i], nested, path_len + 2);
    }
}

struct type_entry *type_find(struct plugin *plugin, const char *name)
{
    for (size_t i = 0; i < plugin->n_types; i++)
        if (strcmp(plugin->types[i].name, name) == 0)
            return &plugin->types[i];
    return NULL;
}

static const enum_proto *enum_find(const struct plugin *plugin, const char *name)
{
    for (size_t i = 0; i < plugin->n_enums; i++)
        if (strcmp(plugin->enum_names[i], name) == 0)
            return plugin->enums[i];
    return NULL;
}

bool field_is_string(const struct type_field *field)
{
    return field->proto->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING;
}

Weir__V1__AnswerSource__SourceCase field_source(const struct type_field *field)
{
    return field->contract != NULL && field->contract->source != NULL
               ? field->contract->source->source_case
               : WEIR__V1__ANSWER_SOURCE__SOURCE__NOT_SET;
}

static void check_annotation(const struct type_entry *type, const struct type_field *field)
{
    const Weir__V1__FieldContract *contract = field->contract;
    const char *message = type->name + 1, *name = field->proto->name;
    if (contract == NULL)
        return;
    if ((contract->default_value[0] != '\0' || contract->default_subject) &&
        (!field_is_string(field) || field->repeated))
        refuse("%s.%s: only a string field can have a default", message, name);
    if (contract->prompt != NULL && !field_is_string(field))
        refuse("%s.%s: prompt is for string fields", message, name);
    if (field_source(field) != WEIR__V1__ANSWER_SOURCE__SOURCE__NOT_SET &&
        field_source(field) != WEIR__V1__ANSWER_SOURCE__SOURCE_REQUEST &&
        (!field_is_string(field) || field->repeated))
        refuse("%s.%s: such a source is for string fields", message, name);
    const Weir__V1__FieldRules *rules = contract->rules;
    if (rules == NULL)
        return;
    if (rules->string != NULL && !field_is_string(field))
        refuse("%s.%s: string rules on a field that is not a string", message, name);
    if (rules->repeated != NULL && !field->repeated)
        refuse("%s.%s: repeated rules on a field that is not repeated", message, name);
    if (rules->number != NULL &&
        (field_is_string(field) || field->message != NULL || field->enumeration != NULL ||
         field->proto->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES ||
         field->proto->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BOOL))
        refuse("%s.%s: number rules on a field that is not a number", message, name);
}

static void read_field(struct plugin *plugin, struct type_entry *type, size_t index,
                       struct type_field *field)
{
    const field_proto *proto = type->proto->field[index];
    int32_t *path = arena_alloc(&plugin->arena, (type->path_len + 2) * sizeof *path);
    struct span bytes;
    memcpy(path, type->path, type->path_len * sizeof *path);
    path[type->path_len] = 2;
    path[type->path_len + 1] = (int32_t)index;
    *field = (struct type_field){
        .proto = proto,
        .comment = comment_find(&plugin->arena, type->file, path, type->path_len + 2),
        .repeated =
            proto->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED};
    if (proto->proto3_optional)
        refuse("%s.%s: proto3 optional is not supported; absent and empty mean the same",
               type->name + 1, proto->name);
    if (proto->options != NULL &&
        extension_find(&proto->options->base, FIELD_EXTENSION, &plugin->arena, &bytes)) {
        field->contract =
            weir__v1__field_contract__unpack(NULL, bytes.len, (const uint8_t *)bytes.at);
        if (field->contract == NULL)
            refuse("%s.%s: the annotation could not be read", type->name + 1, proto->name);
    }
    if (proto->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE) {
        field->message = type_find(plugin, proto->type_name);
        must(field->message != NULL);
        const Google__Protobuf__MessageOptions *options = field->message->proto->options;
        field->is_map = options != NULL && options->map_entry;
    } else if (proto->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_ENUM) {
        field->enumeration = enum_find(plugin, proto->type_name);
        must(field->enumeration != NULL);
    } else if (proto->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP) {
        refuse("%s.%s: groups are not supported", type->name + 1, proto->name);
    }
}

static int by_number(const void *a, const void *b)
{
    const struct type_field *x = a, *y = b;
    return (x->proto->number > y->proto->number) - (x->proto->number < y->proto->number);
}

static void read_fields(struct plugin *plugin, struct type_entry *type)
{
    type->n_fields = type->proto->n_field;
    type->fields = arena_zero(&plugin->arena, type->n_fields * sizeof *type->fields);
    for (size_t i = 0; i < type->n_fields; i++)
        read_field(plugin, type, i, &type->fields[i]);
    if (type->n_fields > 0)
        qsort(type->fields, type->n_fields, sizeof *type->fields, by_number);
}

void types_read(struct plugin *plugin)
{
    plugin->types = arena_zero(&plugin->arena, MOST_TYPES * sizeof *plugin->types);
    plugin->enums = arena_zero(&plugin->arena, MOST_TYPES * sizeof *plugin->enums);
    plugin->enum_names = arena_zero(&plugin->arena, MOST_TYPES * sizeof *plugin->enum_names);
    for (size_t i = 0; i < plugin->request->n_proto_file; i++) {
        const file_proto *file = plugin->request->proto_file[i];
        const char *scope = file->package != NULL && file->package[0] != '\0'
                                ? format_text(&plugin->arena, ".%s", file->package)
                                : "";
        add_enums(plugin, scope, file->enum_type, file->n_enum_type);
        for (size_t j = 0; j < file->n_message_type; j++) {
            int32_t path[2] = {4, (int32_t)j};
            add_message(plugin, file, scope, file->message_type[j], path, 2);
        }
    }
    for (size_t i = 0; i < plugin->n_types; i++)
        read_fields(plugin, &plugin->types[i]);
}

void type_reach(struct type_entry *type)
{
    if (type->visiting)
        refuse("%s: recursive messages are refused: their depth is the sender's to choose",
               type->name + 1);
    if (type->reachable)
        return;
    type->visiting = true;
    for (size_t i = 0; i < type->n_fields; i++) {
        check_annotation(type, &type->fields[i]);
        if (type->fields[i].message != NULL)
            type_reach(type->fields[i].message);
    }
    type->visiting = false;
    type->reachable = true;
}
