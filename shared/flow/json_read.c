/* Walks jansson's tree along the contract's tables and fills in the message. */
#include "shared/flow/json.h"

#include "shared/flow/field.h"
#include "shared/flow/json_scalar.h"
#include "shared/flow/json_text.h"
#include "shared/flow/path.h"

struct reader {
    struct arena *arena;
    struct json_error *error;
    bool lenient;
};

static enum json_result read_message(struct reader *reader, const json_t *object,
                                     const struct contract_message *type, const struct path *at,
                                     ProtobufCMessage **message);

static enum json_result refuse(struct reader *reader, const struct path *at, const char *rule,
                               const char *message)
{
    reader->error->path = path_text(at, reader->arena);
    reader->error->rule = span_of(rule);
    reader->error->message = span_of(message);
    return JSON_SHAPE;
}

static enum json_result no_memory(struct reader *reader)
{
    reader->error->rule = span_of("size");
    reader->error->message = span_of("The message needs more memory than it may have.");
    return JSON_MEMORY;
}

static enum json_result new_message(struct reader *reader, const ProtobufCMessageDescriptor *pb,
                                    ProtobufCMessage **message)
{
    *message = arena_try(reader->arena, pb->sizeof_message);
    if (*message == NULL)
        return no_memory(reader);
    protobuf_c_message_init(pb, *message);
    return JSON_FINE;
}

/* One value: of a singular field, or an item. */
static enum json_result read_value(struct reader *reader, const json_t *value,
                                   const struct contract_message *type, size_t index,
                                   const struct path *at, void *to)
{
    const ProtobufCFieldDescriptor *field = &type->pb->fields[index];
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        ProtobufCMessage *message = NULL;
        enum json_result result =
            read_message(reader, value, type->fields[index].message, at, &message);
        memcpy(to, &message, sizeof message);
        return result;
    }
    enum json_result result = json_scalar_read(value, field, reader->arena, to, reader->error);
    if (result == JSON_SHAPE)
        reader->error->path = path_text(at, reader->arena);
    return result;
}

static enum json_result read_array(struct reader *reader, const json_t *array,
                                   const struct contract_message *type, size_t index,
                                   const struct path *at, ProtobufCMessage *message)
{
    const ProtobufCFieldDescriptor *field = &type->pb->fields[index];
    if (!json_is_array(array))
        return refuse(reader, at, "type", "The value must be an array.");
    size_t n = json_array_size(array), size = field_item_bytes(field->type);
    if (n == 0)
        return JSON_FINE;
    char *items = arena_try(reader->arena, n * size);
    if (items == NULL)
        return no_memory(reader);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(array, i);
        struct path here = path_item(at, i);
        if (json_is_null(item))
            return refuse(reader, &here, "null", "An item must not be null.");
        enum json_result result = read_value(reader, item, type, index, &here, items + i * size);
        if (result != JSON_FINE)
            return result;
    }
    field_set_items(message, field, items, n);
    return JSON_FINE;
}

static enum json_result read_entry(struct reader *reader, struct span key, const json_t *value,
                                   const struct contract_message *type, const struct path *at,
                                   ProtobufCMessage **entry)
{
    if (json_is_null(value))
        return refuse(reader, at, "null", "A value must not be null.");
    enum json_result result = new_message(reader, type->pb, entry);
    if (result != JSON_FINE)
        return result;
    const ProtobufCFieldDescriptor *fields = type->pb->fields;
    result = json_scalar_read_key(key, &fields[0], reader->arena, contract_at(*entry, &fields[0]),
                                  reader->error);
    if (result == JSON_SHAPE)
        reader->error->path = path_text(at, reader->arena);
    if (result != JSON_FINE)
        return result;
    return read_value(reader, value, type, 1, at, contract_at(*entry, &fields[1]));
}

static enum json_result read_map(struct reader *reader, json_t *object,
                                 const struct contract_message *type, size_t index,
                                 const struct path *at, ProtobufCMessage *message)
{
    if (!json_is_object(object))
        return refuse(reader, at, "type", "The value must be an object.");
    size_t n = json_object_size(object);
    if (n == 0)
        return JSON_FINE;
    ProtobufCMessage **entries = arena_try(reader->arena, n * sizeof *entries);
    if (entries == NULL)
        return no_memory(reader);
    size_t i = 0;
    for (void *iter = json_object_iter(object); iter != NULL;
         iter = json_object_iter_next(object, iter)) {
        struct span key = span_make(json_object_iter_key(iter), json_object_iter_key_len(iter));
        struct path here = path_key(at, key);
        enum json_result result = read_entry(reader, key, json_object_iter_value(iter),
                                             type->fields[index].message, &here, &entries[i++]);
        if (result != JSON_FINE)
            return result;
    }
    field_set_items(message, &type->pb->fields[index], entries, n);
    return JSON_FINE;
}

static enum json_result read_singular(struct reader *reader, const json_t *value,
                                      const struct contract_message *type, size_t index,
                                      const struct path *at, ProtobufCMessage *message)
{
    const ProtobufCFieldDescriptor *field = &type->pb->fields[index];
    if (field_is_oneof(field)) {
        uint32_t *chosen = field_case(message, field);
        if (*chosen != 0)
            return refuse(reader, at, "oneof", "Only one member of its group may be given.");
        *chosen = field->id;
    }
    return read_value(reader, value, type, index, at, contract_at(message, field));
}

/* Can this member be given? A model gives only what it was asked for. */
static bool is_known(const struct reader *reader, const struct contract_field *field)
{
    return !field->grpc_only && (!reader->lenient || field->source == CONTRACT_FROM_MODEL);
}

/* Is `name` the lowerCamelCase of a proto name, as protoc makes the default json_name? */
static bool is_camel_of(struct span name, const char *proto_name)
{
    size_t i = 0;
    bool after_underscore = false;
    for (const char *at = proto_name; *at != '\0'; at++) {
        if (*at == '_') {
            after_underscore = true;
            continue;
        }
        char c = after_underscore && *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;
        if (i == name.len || name.at[i++] != c)
            return false;
        after_underscore = false;
    }
    return i == name.len;
}

/* Both spellings that protoc knows are taken from a caller; a model was told one name (V3, V4). */
static bool is_name_of(const struct reader *reader, const struct contract_message *type,
                       size_t index, struct span name)
{
    const char *proto_name = type->pb->fields[index].name;
    return span_is(name, type->fields[index].json_name) || span_is(name, proto_name) ||
           (!reader->lenient && is_camel_of(name, proto_name));
}

/* The field of this name, in any spelling; SIZE_MAX when there is none. */
static size_t find_field(const struct reader *reader, const struct contract_message *type,
                         struct span name)
{
    for (size_t i = 0; i < type->pb->n_fields; i++)
        if (is_name_of(reader, type, i, name) && is_known(reader, &type->fields[i]))
            return i;
    return SIZE_MAX;
}

/* Does another member name the same field? Only members of known fields are asked about, so that
 * this is done a few times a field, however many members there are. */
static bool is_given_twice(const struct reader *reader, json_t *object, struct span name,
                           const struct contract_message *type, size_t index)
{
    for (void *iter = json_object_iter(object); iter != NULL;
         iter = json_object_iter_next(object, iter)) {
        struct span other = span_make(json_object_iter_key(iter), json_object_iter_key_len(iter));
        if (other.at != name.at && is_name_of(reader, type, index, other))
            return true;
    }
    return false;
}

static enum json_result read_member(struct reader *reader, json_t *object, struct span name,
                                    json_t *value, const struct contract_message *type,
                                    const struct path *up, ProtobufCMessage *message)
{
    struct path at = {.up = up, .kind = PATH_FIELD, .name = name};
    size_t index = find_field(reader, type, name);
    if (index == SIZE_MAX && reader->lenient)
        return JSON_FINE;
    if (index == SIZE_MAX)
        return refuse(reader, &at, "unknown_field", "There is no such field.");
    const struct contract_field *field = &type->fields[index];
    at = path_field(up, field->json_name);
    if (is_given_twice(reader, object, name, type, index))
        return refuse(reader, &at, "duplicate_field", "The field is given in two spellings.");
    if (json_is_null(value))
        return JSON_FINE;
    if (field->is_map)
        return read_map(reader, value, type, index, &at, message);
    if (type->pb->fields[index].label == PROTOBUF_C_LABEL_REPEATED)
        return read_array(reader, value, type, index, &at, message);
    return read_singular(reader, value, type, index, &at, message);
}

/* Recurses no deeper than json_text_load lets a tree be. */
static enum json_result read_message(struct reader *reader, const json_t *object,
                                     const struct contract_message *type, const struct path *at,
                                     ProtobufCMessage **message)
{
    if (!json_is_object(object))
        return refuse(reader, at, "type", "The value must be an object.");
    enum json_result result = new_message(reader, type->pb, message);
    json_t *members = (json_t *)(uintptr_t)object; /* iterating leaves it as it is */
    for (void *iter = json_object_iter(members); result == JSON_FINE && iter != NULL;
         iter = json_object_iter_next(members, iter)) {
        struct span name = span_make(json_object_iter_key(iter), json_object_iter_key_len(iter));
        result =
            read_member(reader, members, name, json_object_iter_value(iter), type, at, *message);
    }
    return result;
}

static enum json_result read_text(struct reader *reader, struct span text,
                                  const struct contract_message *type, ProtobufCMessage **message)
{
    *message = NULL;
    *reader->error = (struct json_error){0};
    if (text.len == 0)
        return new_message(reader, type->pb, message);
    json_t *tree = NULL;
    enum json_result result = json_text_load(text, reader->arena, &tree, reader->error);
    if (result == JSON_FINE)
        result = read_message(reader, tree, type, NULL, message);
    json_decref(tree);
    if (result != JSON_FINE)
        *message = NULL;
    return result;
}

enum json_result json_read(struct span text, const struct contract_message *type,
                           struct arena *arena, ProtobufCMessage **message,
                           struct json_error *error)
{
    struct reader reader = {arena, error, false};
    return read_text(&reader, text, type, message);
}

enum json_result json_read_lenient(struct span text, const struct contract_message *type,
                                   struct arena *arena, ProtobufCMessage **message,
                                   struct json_error *error)
{
    struct reader reader = {arena, error, true};
    return read_text(&reader, text, type, message);
}
