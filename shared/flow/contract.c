#include "shared/flow/contract.h"

const struct contract_prompt *contract_prompt_find(const struct contract *contract,
                                                   const char *name)
{
    for (size_t i = 0; i < contract->n_prompts; i++)
        if (strcmp(contract->prompts[i].name, name) == 0)
            return &contract->prompts[i];
    return NULL;
}

size_t contract_field_find(const struct contract_message *message, const char *name)
{
    for (size_t i = 0; i < message->pb->n_fields; i++)
        if (strcmp(message->pb->fields[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

static const void *at(const ProtobufCMessage *message, size_t offset)
{
    return (const char *)message + offset;
}

size_t contract_count(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *f)
{
    const void *value = at(message, f->offset);
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return *(const size_t *)at(message, f->quantifier_offset);
    if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
        *(const uint32_t *)at(message, f->quantifier_offset) != f->id)
        return 0;
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        return *(const ProtobufCMessage *const *)value != NULL;
    return 1;
}

struct span contract_string(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *f)
{
    const char *text = *(const char *const *)at(message, f->offset);
    return span_of(text);
}
