#include "shared/flow/canonical.h"

#include "shared/flow/field.h"

#include <stdlib.h>

static int by_key(const void *left, const void *right)
{
    const ProtobufCMessage *a = *(ProtobufCMessage *const *)left;
    const ProtobufCMessage *b = *(ProtobufCMessage *const *)right;
    const ProtobufCFieldDescriptor *key = &a->descriptor->fields[0];
    if (key->type == PROTOBUF_C_TYPE_STRING)
        return strcmp(contract_string(a, key).at, contract_string(b, key).at);
    return memcmp(contract_at(a, key), contract_at(b, key), field_item_bytes(key->type));
}

static void sort_maps(const struct contract_message *type, ProtobufCMessage *message)
{
    for (size_t i = 0; i < type->pb->n_fields; i++) {
        const ProtobufCFieldDescriptor *pb = &type->pb->fields[i];
        if (pb->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        size_t n = contract_count(message, pb);
        char *at = pb->label == PROTOBUF_C_LABEL_REPEATED ? field_items(message, pb)
                                                          : contract_at(message, pb);
        if (type->fields[i].is_map && n > 1)
            qsort(at, n, sizeof(ProtobufCMessage *), by_key);
        for (size_t j = 0; j < n; j++)
            sort_maps(type->fields[i].message, field_message(at + j * sizeof(void *)));
    }
}

struct span canonical_write(const struct contract_message *type, ProtobufCMessage *message,
                            struct arena *arena)
{
    sort_maps(type, message);
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = arena_alloc(arena, len);
    must(protobuf_c_message_pack(message, bytes) == len);
    return span_make((const char *)bytes, len);
}
