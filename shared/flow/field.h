/* How protobuf-c lays a field's value out in its message: what contract.h's access does not say.
 * Internal to shared/flow. Any thread. */
#ifndef WEIR_FLOW_FIELD_H
#define WEIR_FLOW_FIELD_H

#include "shared/flow/contract.h"

/* Bytes of one value: of a singular field, or of an item of a repeated one. */
static inline size_t field_item_bytes(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default: /* 32-bit numbers, floats, enums, and protobuf-c's booleans */
        return 4;
    }
}

static inline bool field_is_oneof(const ProtobufCFieldDescriptor *f)
{
    return (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

/* The items of a repeated field, contract_count of them; NULL when there are none. */
static inline char *field_items(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *f)
{
    return *(char **)contract_at(message, f);
}

static inline void field_set_items(ProtobufCMessage *message, const ProtobufCFieldDescriptor *f,
                                   void *items, size_t n)
{
    *(void **)contract_at(message, f) = items;
    *(size_t *)(void *)((char *)message + f->quantifier_offset) = n;
}

/* The number of the oneof's chosen field; 0 when none is. */
static inline uint32_t *field_case(ProtobufCMessage *message, const ProtobufCFieldDescriptor *f)
{
    return (uint32_t *)(void *)((char *)message + f->quantifier_offset);
}

static inline ProtobufCMessage *field_message(const void *value)
{
    return *(ProtobufCMessage *const *)value;
}

#endif
