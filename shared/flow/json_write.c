/* Message -> JSON, straight into the buffer: the hot path of every REST answer. */
#include "shared/flow/base64.h"
#include "shared/flow/field.h"
#include "shared/flow/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The shortest decimal that reads back as the same number. */
static void put_real(struct buf *out, double value, bool is_float)
{
    char text[40];
    if (isnan(value)) {
        buf_put_text(out, "\"NaN\"");
        return;
    }
    if (isinf(value)) {
        buf_put_text(out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    if (value == 0 && signbit(value)) {
        buf_put_text(out, "-0.0"); /* without the point it would read back as the integer 0 */
        return;
    }
    int len = 0;
    for (int digits = is_float ? 6 : 15; digits <= 17; digits++) {
        len = snprintf(text, sizeof text, "%.*g", digits, value);
        if (is_float ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
            break;
    }
    buf_put(out, text, (size_t)len);
}

static void put_enum(struct buf *out, const ProtobufCEnumDescriptor *type, int32_t number)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(type, number);
    if (value == NULL) {
        buf_put_i64(out, number);
        return;
    }
    buf_put_char(out, '"');
    buf_put_text(out, value->name);
    buf_put_char(out, '"');
}

static void put_quoted_integer(struct buf *out, ProtobufCType type, const void *at)
{
    buf_put_char(out, '"');
    if (type == PROTOBUF_C_TYPE_UINT64 || type == PROTOBUF_C_TYPE_FIXED64)
        buf_put_u64(out, *(const uint64_t *)at);
    else
        buf_put_i64(out, *(const int64_t *)at);
    buf_put_char(out, '"');
}

static void put_value(struct buf *out, const struct contract_message *type, size_t index,
                      const void *at)
{
    const ProtobufCFieldDescriptor *field = &type->pb->fields[index];
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        buf_put_i64(out, *(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        buf_put_u64(out, *(const uint32_t *)at);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        put_quoted_integer(out, field->type, at);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        put_real(out, (double)*(const float *)at, true);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        put_real(out, *(const double *)at, false);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        buf_put_text(out, *(const protobuf_c_boolean *)at ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        put_enum(out, field->descriptor, *(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_STRING:
        buf_put_json_string(out, span_of(*(const char *const *)at));
        break;
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *bytes = at;
        buf_put_char(out, '"');
        base64_encode(out, bytes->data, bytes->len);
        buf_put_char(out, '"');
        break;
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        if (field_message(at) == NULL)
            buf_put_text(out, "{}"); /* a map's entry without a value */
        else
            json_write(out, type->fields[index].message, field_message(at));
        break;
    }
}

static void put_items(struct buf *out, const struct contract_message *type, size_t index,
                      const ProtobufCMessage *message)
{
    const ProtobufCFieldDescriptor *field = &type->pb->fields[index];
    size_t n = contract_count(message, field), size = field_item_bytes(field->type);
    const char *items = field_items(message, field);
    buf_put_char(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_put_char(out, ',');
        put_value(out, type, index, items + i * size);
    }
    buf_put_char(out, ']');
}

static void put_key(struct buf *out, const struct contract_message *entry, const void *at)
{
    ProtobufCType type = entry->pb->fields[0].type;
    bool quoted = type == PROTOBUF_C_TYPE_STRING || field_item_bytes(type) == 8;
    if (!quoted)
        buf_put_char(out, '"');
    put_value(out, entry, 0, at);
    if (!quoted)
        buf_put_char(out, '"');
}

static void put_map(struct buf *out, const struct contract_message *entry,
                    const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    size_t n = contract_count(message, field);
    const char *entries = field_items(message, field);
    buf_put_char(out, '{');
    for (size_t i = 0; i < n; i++) {
        const ProtobufCMessage *at = field_message(entries + i * sizeof(void *));
        if (i > 0)
            buf_put_char(out, ',');
        put_key(out, entry, contract_at(at, &entry->pb->fields[0]));
        buf_put_char(out, ':');
        put_value(out, entry, 1, contract_at(at, &entry->pb->fields[1]));
    }
    buf_put_char(out, '}');
}

/* Recurses as deep as the message, which json_read and wire_read bound. */
void json_write(struct buf *out, const struct contract_message *type,
                const ProtobufCMessage *message)
{
    char before = '{';
    for (size_t i = 0; i < type->pb->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->pb->fields[i];
        bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
        if (type->fields[i].grpc_only || (!repeated && contract_count(message, field) == 0))
            continue;
        buf_put_char(out, before);
        before = ',';
        buf_put_char(out, '"');
        buf_put_text(out, type->fields[i].json_name);
        buf_put_text(out, "\":");
        if (type->fields[i].is_map)
            put_map(out, type->fields[i].message, message, field);
        else if (repeated)
            put_items(out, type, i, message);
        else
            put_value(out, type, i, contract_at(message, field));
    }
    if (before == '{')
        buf_put_char(out, '{');
    buf_put_char(out, '}');
}
