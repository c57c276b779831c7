#include "grpc/rpc_descriptors.h"

#include "shared/base/arena.h"

#include <google/protobuf/descriptor.pb-c.h>
#include <stdlib.h>
#include <string.h>

typedef Google__Protobuf__FileDescriptorProto file_proto;
typedef Google__Protobuf__DescriptorProto message_proto;
typedef Google__Protobuf__EnumDescriptorProto enum_proto;
typedef Google__Protobuf__FieldDescriptorProto field_proto;
typedef Google__Protobuf__ServiceDescriptorProto service_proto;

struct entry {
    struct span bytes;
    file_proto *proto;
};

struct rpc_descriptors {
    struct entry *files;
    size_t n_files;
    const char **services;
    size_t n_services;
    struct arena arena;
};

/* The next file of a FileDescriptorSet, whose field 1 is all it has; *set is moved behind it. */
static struct span next_file(struct span *set)
{
    size_t at = 1, len = 0;
    must(set->len > 1 && set->at[0] == 0x0a);
    for (unsigned shift = 0;; shift += 7) {
        must(at < set->len && shift < 32);
        unsigned char byte = (unsigned char)set->at[at++];
        len |= (size_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            break;
    }
    must(len <= set->len - at);
    struct span file = span_make(set->at + at, len);
    *set = span_from(*set, at + len);
    return file;
}

static size_t count_files(struct span set)
{
    size_t n = 0;
    for (; set.len > 0; n++)
        (void)next_file(&set);
    return n;
}

static const char *full_name(struct arena *arena, const file_proto *file, const char *name)
{
    const char *package = file->package != NULL ? file->package : "";
    size_t len = strlen(package), more = strlen(name);
    char *text = arena_alloc(arena, len + 1 + more + 1);
    memcpy(text, package, len);
    if (len > 0)
        text[len++] = '.';
    memcpy(text + len, name, more + 1);
    return text;
}

static void list_services(struct rpc_descriptors *descriptors)
{
    size_t most = 0;
    for (size_t i = 0; i < descriptors->n_files; i++)
        most += descriptors->files[i].proto->n_service;
    descriptors->services = arena_alloc(&descriptors->arena, (most + 1) * sizeof(char *));
    for (size_t i = 0; i < descriptors->n_files; i++) {
        const file_proto *file = descriptors->files[i].proto;
        for (size_t j = 0; j < file->n_service; j++)
            descriptors->services[descriptors->n_services++] =
                full_name(&descriptors->arena, file, file->service[j]->name);
    }
}

struct rpc_descriptors *rpc_descriptors_new(struct span set)
{
    struct rpc_descriptors *descriptors = calloc(1, sizeof *descriptors);
    must(descriptors != NULL);
    arena_init(&descriptors->arena, SIZE_MAX);
    descriptors->n_files = count_files(set);
    descriptors->files =
        arena_zero(&descriptors->arena, (descriptors->n_files + 1) * sizeof(struct entry));
    for (size_t i = 0; i < descriptors->n_files; i++) {
        struct span bytes = next_file(&set);
        file_proto *proto = google__protobuf__file_descriptor_proto__unpack(
            NULL, bytes.len, (const uint8_t *)bytes.at);
        must(proto != NULL);
        descriptors->files[i] = (struct entry){bytes, proto};
    }
    list_services(descriptors);
    return descriptors;
}

struct rpc_descriptors *rpc_descriptors_free(struct rpc_descriptors *descriptors)
{
    if (descriptors == NULL)
        return NULL;
    for (size_t i = 0; i < descriptors->n_files; i++)
        google__protobuf__file_descriptor_proto__free_unpacked(descriptors->files[i].proto, NULL);
    arena_fini(&descriptors->arena);
    free(descriptors);
    return NULL;
}

size_t rpc_descriptors_count(const struct rpc_descriptors *descriptors)
{
    return descriptors->n_files;
}

struct span rpc_descriptors_file(const struct rpc_descriptors *descriptors, size_t file)
{
    must(file < descriptors->n_files);
    return descriptors->files[file].bytes;
}

size_t rpc_descriptors_by_name(const struct rpc_descriptors *descriptors, const char *name)
{
    for (size_t i = 0; i < descriptors->n_files; i++)
        if (strcmp(descriptors->files[i].proto->name, name) == 0)
            return i;
    return SIZE_MAX;
}

/* --- symbols --- */

/* Is `name` `scope`, or something in it? *rest is what is left of it then. */
static bool enter(const char *name, const char *scope, const char **rest)
{
    size_t len = strlen(scope);
    if (strncmp(name, scope, len) != 0 || (name[len] != '\0' && name[len] != '.'))
        return false;
    *rest = name[len] == '.' ? name + len + 1 : "";
    return name[len] == '\0' || name[len + 1] != '\0';
}

/* An enum, or a value of one: in protobuf's scoping a value stands beside its enum. */
static bool enums_have(enum_proto **enums, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(enums[i]->name, name) == 0)
            return true;
        for (size_t j = 0; j < enums[i]->n_value; j++)
            if (strcmp(enums[i]->value[j]->name, name) == 0)
                return true;
    }
    return false;
}

static bool fields_have(field_proto **fields, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i]->name, name) == 0)
            return true;
    return false;
}

static bool messages_have(message_proto **messages, size_t n, const char *name);

static bool message_has(const message_proto *message, const char *name)
{
    if (name[0] == '\0')
        return true;
    for (size_t i = 0; i < message->n_oneof_decl; i++)
        if (strcmp(message->oneof_decl[i]->name, name) == 0)
            return true;
    return fields_have(message->field, message->n_field, name) ||
           fields_have(message->extension, message->n_extension, name) ||
           enums_have(message->enum_type, message->n_enum_type, name) ||
           messages_have(message->nested_type, message->n_nested_type, name);
}

static bool messages_have(message_proto **messages, size_t n, const char *name)
{
    const char *rest = NULL;
    for (size_t i = 0; i < n; i++)
        if (enter(name, messages[i]->name, &rest) && message_has(messages[i], rest))
            return true;
    return false;
}

static bool service_has(const service_proto *service, const char *name)
{
    for (size_t i = 0; i < service->n_method; i++)
        if (strcmp(service->method[i]->name, name) == 0)
            return true;
    return name[0] == '\0';
}

static bool file_has(const file_proto *file, const char *symbol)
{
    const char *name = symbol, *rest = NULL;
    if (file->package != NULL && file->package[0] != '\0' && !enter(symbol, file->package, &name))
        return false;
    for (size_t i = 0; i < file->n_service; i++)
        if (enter(name, file->service[i]->name, &rest) && service_has(file->service[i], rest))
            return true;
    return messages_have(file->message_type, file->n_message_type, name) ||
           enums_have(file->enum_type, file->n_enum_type, name) ||
           fields_have(file->extension, file->n_extension, name);
}

size_t rpc_descriptors_by_symbol(const struct rpc_descriptors *descriptors, const char *symbol)
{
    for (size_t i = 0; i < descriptors->n_files; i++)
        if (file_has(descriptors->files[i].proto, symbol))
            return i;
    return SIZE_MAX;
}

/* --- extensions --- */

struct numbers {
    const char *message;
    int32_t *at;
    size_t most;
    size_t n;
};

static void add_numbers(struct numbers *numbers, field_proto **extensions, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (extensions[i]->extendee[0] != '.' ||
            strcmp(extensions[i]->extendee + 1, numbers->message) != 0)
            continue;
        if (numbers->n < numbers->most)
            numbers->at[numbers->n] = extensions[i]->number;
        numbers->n++;
    }
}

static void add_nested(struct numbers *numbers, message_proto **messages, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        add_numbers(numbers, messages[i]->extension, messages[i]->n_extension);
        add_nested(numbers, messages[i]->nested_type, messages[i]->n_nested_type);
    }
}

static void add_of_file(struct numbers *numbers, const file_proto *file)
{
    add_numbers(numbers, file->extension, file->n_extension);
    add_nested(numbers, file->message_type, file->n_message_type);
}

size_t rpc_descriptors_extensions(const struct rpc_descriptors *descriptors, const char *message,
                                  int32_t *numbers, size_t most)
{
    struct numbers found = {.message = message, .at = numbers, .most = most};
    for (size_t i = 0; i < descriptors->n_files; i++)
        add_of_file(&found, descriptors->files[i].proto);
    return found.n;
}

size_t rpc_descriptors_by_extension(const struct rpc_descriptors *descriptors, const char *message,
                                    int32_t number)
{
    for (size_t i = 0; i < descriptors->n_files; i++) {
        int32_t numbers[64];
        struct numbers found = {.message = message, .at = numbers, .most = 64};
        add_of_file(&found, descriptors->files[i].proto);
        for (size_t j = 0; j < found.n && j < found.most; j++)
            if (numbers[j] == number)
                return i;
    }
    return SIZE_MAX;
}

/* --- imports and services --- */

static bool is_listed(const size_t *files, size_t n, size_t file)
{
    for (size_t i = 0; i < n; i++)
        if (files[i] == file)
            return true;
    return false;
}

size_t rpc_descriptors_closure(const struct rpc_descriptors *descriptors, size_t file,
                               size_t *files)
{
    size_t n = 0;
    files[n++] = file;
    for (size_t i = 0; i < n; i++) {
        const file_proto *proto = descriptors->files[files[i]].proto;
        for (size_t j = 0; j < proto->n_dependency; j++) {
            size_t import = rpc_descriptors_by_name(descriptors, proto->dependency[j]);
            must(import != SIZE_MAX);
            if (!is_listed(files, n, import))
                files[n++] = import;
        }
    }
    return n;
}

size_t rpc_descriptors_services(const struct rpc_descriptors *descriptors, const char **names,
                                size_t most)
{
    for (size_t i = 0; i < descriptors->n_services && i < most; i++)
        names[i] = descriptors->services[i];
    return descriptors->n_services;
}
