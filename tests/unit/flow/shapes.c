#include "tests/unit/flow/shapes.h"

#include "tests/support/exact.h"

#include <ctype.h>

enum { MOST_TABLES = 16, MOST_FIELDS = 64, MOST_NAME = 32 };

struct table {
    struct contract_message message;
    struct contract_field fields[MOST_FIELDS];
    char names[MOST_FIELDS][MOST_NAME];
};

static struct table tables[MOST_TABLES];
static size_t n_tables;

static void camel(const char *name, char *to)
{
    for (; *name != '\0'; name++) {
        if (*name == '_')
            *to++ = (char)toupper((unsigned char)*++name);
        else
            *to++ = *name;
    }
    *to = '\0';
}

static bool is_entry(const ProtobufCMessageDescriptor *pb)
{
    static const char ending[] = "Entry";
    size_t len = strlen(pb->short_name);
    return len >= sizeof ending && strcmp(pb->short_name + len - (sizeof ending - 1), ending) == 0;
}

static const struct contract_message *table_of(const ProtobufCMessageDescriptor *pb)
{
    for (size_t i = 0; i < n_tables; i++)
        if (tables[i].message.pb == pb)
            return &tables[i].message;
    must(n_tables < MOST_TABLES && pb->n_fields <= MOST_FIELDS);
    struct table *table = &tables[n_tables++];
    table->message = (struct contract_message){.pb = pb, .fields = table->fields};
    for (size_t i = 0; i < pb->n_fields; i++) {
        must(strlen(pb->fields[i].name) < MOST_NAME);
        camel(pb->fields[i].name, table->names[i]);
        table->fields[i] = (struct contract_field){.json_name = table->names[i], .description = ""};
        if (pb->fields[i].type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        table->fields[i].message = table_of(pb->fields[i].descriptor);
        table->fields[i].is_map = is_entry(pb->fields[i].descriptor);
    }
    return &table->message;
}

const struct contract_message *everything_type(void)
{
    return table_of(&weir_shapes__everything__descriptor);
}

struct contract_field *everything_field(const char *path)
{
    const struct contract_message *type = everything_type();
    for (;;) {
        char name[MOST_NAME];
        size_t len = strcspn(path, ".");
        must(len < sizeof name);
        memcpy(name, path, len);
        name[len] = '\0';
        size_t index = contract_field_find(type, name);
        must(index != SIZE_MAX);
        const struct contract_field *field = &type->fields[index];
        if (path[len] == '\0')
            return (struct contract_field *)(uintptr_t)field;
        path += len + 1;
        type = field->message;
    }
}

void everything_reset(void)
{
    memset(tables, 0, sizeof tables);
    n_tables = 0;
}

enum json_result everything_read(struct span json, struct arena *arena, ProtobufCMessage **message,
                                 struct json_error *error)
{
    struct span copy = exact_copy(json);
    enum json_result result = json_read(copy, everything_type(), arena, message, error);
    exact_free(copy);
    must((result == JSON_FINE) == (*message != NULL));
    return result;
}

const char *everything_json(const ProtobufCMessage *message, struct arena *arena)
{
    struct buf out;
    buf_init(&out, arena, 1 << 24);
    json_write(&out, everything_type(), message);
    buf_put_char(&out, '\0');
    must(!out.overflow);
    return out.at;
}
