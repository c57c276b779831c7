#include "shared/flow/wire_maps.h"

#include "shared/flow/field.h"

#include <stdlib.h>

/* An entry on its way through the sort. */
struct slot {
    const char *text; /* string keys; else NULL */
    uint64_t number;  /* other keys */
    size_t index;     /* place on the wire */
};

static int compare_keys(const struct slot *a, const struct slot *b)
{
    if (a->text != NULL)
        return strcmp(a->text, b->text);
    return (a->number > b->number) - (a->number < b->number);
}

static int compare_slots(const void *left, const void *right)
{
    const struct slot *a = left, *b = right;
    int order = compare_keys(a, b);
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

static struct slot slot_of(const ProtobufCMessage *entry, size_t index)
{
    const ProtobufCFieldDescriptor *key = &entry->descriptor->fields[0];
    struct slot slot = {.index = index};
    if (key->type == PROTOBUF_C_TYPE_STRING)
        slot.text = contract_string(entry, key).at;
    else
        memcpy(&slot.number, contract_at(entry, key), field_item_bytes(key->type));
    return slot;
}

/* Of entries with the same key only the last stays; the others keep their order. */
static bool drop_duplicates(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                            struct arena *arena)
{
    size_t n = contract_count(message, field), kept = 0;
    ProtobufCMessage **entries = (ProtobufCMessage **)(void *)field_items(message, field);
    if (n < 2)
        return true;
    struct slot *slots = arena_try(arena, n * sizeof *slots);
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < n; i++)
        slots[i] = slot_of(entries[i], i);
    qsort(slots, n, sizeof *slots, compare_slots);
    for (size_t i = 0; i + 1 < n; i++)
        if (compare_keys(&slots[i], &slots[i + 1]) == 0)
            entries[slots[i].index] = NULL;
    for (size_t i = 0; i < n; i++)
        if (entries[i] != NULL)
            entries[kept++] = entries[i];
    field_set_items(message, field, entries, kept);
    return true;
}

static bool fill_value(ProtobufCMessage *entry, struct arena *arena)
{
    const ProtobufCFieldDescriptor *value = &entry->descriptor->fields[1];
    if (value->type != PROTOBUF_C_TYPE_MESSAGE || field_message(contract_at(entry, value)) != NULL)
        return true;
    const ProtobufCMessageDescriptor *pb = value->descriptor;
    ProtobufCMessage *empty = arena_try(arena, pb->sizeof_message);
    if (empty == NULL)
        return false;
    protobuf_c_message_init(pb, empty);
    *(ProtobufCMessage **)contract_at(entry, value) = empty;
    return true;
}

static bool tidy_field(const struct contract_field *field, const ProtobufCFieldDescriptor *pb,
                       ProtobufCMessage *message, struct arena *arena)
{
    if (field->is_map && !drop_duplicates(message, pb, arena))
        return false;
    size_t n = contract_count(message, pb);
    char *at = pb->label == PROTOBUF_C_LABEL_REPEATED ? field_items(message, pb)
                                                      : contract_at(message, pb);
    for (size_t i = 0; i < n; i++) {
        ProtobufCMessage *nested = field_message(at + i * sizeof(void *));
        if (field->is_map && !fill_value(nested, arena))
            return false;
        if (!wire_tidy(field->message, nested, arena))
            return false;
    }
    return true;
}

bool wire_tidy(const struct contract_message *type, ProtobufCMessage *message, struct arena *arena)
{
    message->n_unknown_fields = 0;
    message->unknown_fields = NULL;
    for (size_t i = 0; i < type->pb->n_fields; i++)
        if (type->pb->fields[i].type == PROTOBUF_C_TYPE_MESSAGE &&
            !tidy_field(&type->fields[i], &type->pb->fields[i], message, arena))
            return false;
    return true;
}
