#include "shared/flow/json_scalar.h"

#include "shared/flow/base64.h"

#include <math.h>
#include <stdlib.h>

static enum json_result refuse(struct json_error *error, const char *rule, const char *message)
{
    error->rule = span_of(rule);
    error->message = span_of(message);
    return JSON_SHAPE;
}

static enum json_result no_memory(struct json_error *error)
{
    error->rule = span_of("size");
    error->message = span_of("The message needs more memory than it may have.");
    return JSON_MEMORY;
}

static struct span text_of(const json_t *value)
{
    return span_make(json_string_value(value), json_string_length(value));
}

/* --- numbers --- */

/* A whole number of up to 64 bits and a sign. */
struct whole {
    bool negative;
    uint64_t magnitude;
};

enum number_form { NUMBER_NONE, NUMBER_INTEGER, NUMBER_REAL };

static size_t skip_digits(struct span text, size_t i)
{
    while (i < text.len && text.at[i] >= '0' && text.at[i] <= '9')
        i++;
    return i;
}

/* Is the whole of `text` a number as RFC 8259, section 6, has it? */
static enum number_form number_form(struct span text)
{
    enum number_form form = NUMBER_INTEGER;
    size_t i = text.len > 0 && text.at[0] == '-';
    size_t from = i;
    i = skip_digits(text, i);
    if (i == from || (text.at[from] == '0' && i - from > 1))
        return NUMBER_NONE;
    if (i < text.len && text.at[i] == '.') {
        form = NUMBER_REAL;
        from = ++i;
        i = skip_digits(text, i);
        if (i == from)
            return NUMBER_NONE;
    }
    if (i < text.len && (text.at[i] == 'e' || text.at[i] == 'E')) {
        form = NUMBER_REAL;
        i++;
        i += i < text.len && (text.at[i] == '+' || text.at[i] == '-');
        from = i;
        i = skip_digits(text, i);
        if (i == from)
            return NUMBER_NONE;
    }
    return i == text.len ? form : NUMBER_NONE;
}

static bool whole_from_digits(struct span digits, struct whole *whole)
{
    *whole = (struct whole){digits.at[0] == '-', 0};
    for (size_t i = whole->negative; i < digits.len; i++) {
        uint64_t digit = (uint64_t)(digits.at[i] - '0');
        if (whole->magnitude > (UINT64_MAX - digit) / 10)
            return false;
        whole->magnitude = whole->magnitude * 10 + digit;
    }
    return true;
}

static const char not_whole[] = "The value must be a whole number.";
static const char out_of_range[] = "The number is out of range.";

static enum json_result whole_from_real(double real, struct whole *whole, struct json_error *error)
{
    double size = fabs(real);
    if (!(size < 18446744073709551616.0)) /* 2^64: whole, but too large */
        return refuse(error, "range", out_of_range);
    *whole = (struct whole){real < 0, (uint64_t)size};
    return (double)whole->magnitude == size ? JSON_FINE : refuse(error, "type", not_whole);
}

static enum json_result read_whole(const json_t *value, struct whole *whole,
                                   struct json_error *error)
{
    struct span digits;
    double real;
    if (json_is_integer(value)) {
        json_int_t number = json_integer_value(value);
        *whole = (struct whole){number < 0, number < 0 ? 0 - (uint64_t)number : (uint64_t)number};
        return JSON_FINE;
    }
    if (json_is_real(value)) {
        real = json_real_value(value);
    } else {
        if (!json_text_number(value, &digits)) {
            if (!json_is_string(value))
                return refuse(error, "type", not_whole);
            digits = text_of(value);
        }
        enum number_form form = number_form(digits);
        if (form == NUMBER_NONE)
            return refuse(error, "type", not_whole);
        if (form == NUMBER_INTEGER)
            return whole_from_digits(digits, whole) ? JSON_FINE
                                                    : refuse(error, "range", out_of_range);
        real = strtod(digits.at, NULL);
    }
    return whole_from_real(real, whole, error);
}

static enum json_result store_whole(struct whole whole, ProtobufCType type, void *to,
                                    struct json_error *error)
{
    bool small = type == PROTOBUF_C_TYPE_INT32 || type == PROTOBUF_C_TYPE_SINT32 ||
                 type == PROTOBUF_C_TYPE_SFIXED32 || type == PROTOBUF_C_TYPE_UINT32 ||
                 type == PROTOBUF_C_TYPE_FIXED32;
    bool sign = type != PROTOBUF_C_TYPE_UINT32 && type != PROTOBUF_C_TYPE_FIXED32 &&
                type != PROTOBUF_C_TYPE_UINT64 && type != PROTOBUF_C_TYPE_FIXED64;
    uint64_t most = (small ? UINT32_MAX : UINT64_MAX) >> sign;
    if (whole.negative && whole.magnitude > 0) {
        if (!sign || whole.magnitude > most + 1)
            return refuse(error, "range", out_of_range);
    } else if (whole.magnitude > most) {
        return refuse(error, "range", out_of_range);
    }
    /* Two's complement, also for the lower half. */
    uint64_t bits = whole.negative ? 0 - whole.magnitude : whole.magnitude;
    uint32_t small_bits = (uint32_t)bits;
    if (small)
        memcpy(to, &small_bits, sizeof small_bits);
    else
        memcpy(to, &bits, sizeof bits);
    return JSON_FINE;
}

static enum json_result read_real(const json_t *value, double *real, struct json_error *error)
{
    struct span digits;
    if (json_is_number(value)) {
        *real = json_number_value(value);
        return JSON_FINE;
    }
    if (!json_text_number(value, &digits)) {
        if (!json_is_string(value))
            return refuse(error, "type", "The value must be a number.");
        digits = text_of(value);
    }
    if (span_is(digits, "NaN"))
        *real = (double)NAN;
    else if (span_is(digits, "Infinity"))
        *real = HUGE_VAL;
    else if (span_is(digits, "-Infinity"))
        *real = -HUGE_VAL;
    else if (number_form(digits) == NUMBER_NONE)
        return refuse(error, "type", "The value must be a number.");
    else {
        *real = strtod(digits.at, NULL);
        if (isinf(*real))
            return refuse(error, "range", out_of_range);
    }
    return JSON_FINE;
}

static enum json_result store_real(double real, ProtobufCType type, void *to,
                                   struct json_error *error)
{
    if (type == PROTOBUF_C_TYPE_DOUBLE) {
        memcpy(to, &real, sizeof real);
        return JSON_FINE;
    }
    float small = (float)real; /* IEC 60559: what is too large becomes an infinity */
    if (isinf(small) && !isinf(real))
        return refuse(error, "range", out_of_range);
    memcpy(to, &small, sizeof small);
    return JSON_FINE;
}

/* --- the rest --- */

static enum json_result store_text(struct span text, struct arena *arena, void *to,
                                   struct json_error *error)
{
    char *copy = arena_try(arena, text.len + 1);
    if (copy == NULL)
        return no_memory(error);
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    memcpy(to, &copy, sizeof copy);
    return JSON_FINE;
}

static enum json_result store_bytes(struct span text, struct arena *arena, void *to,
                                    struct json_error *error)
{
    ProtobufCBinaryData bytes = {0, NULL};
    if (text.len > 0) {
        bytes.data = arena_try(arena, base64_decoded_most(text.len));
        if (bytes.data == NULL)
            return no_memory(error);
    }
    if (!base64_decode(text, bytes.data, &bytes.len))
        return refuse(error, "base64", "The value must be base64.");
    memcpy(to, &bytes, sizeof bytes);
    return JSON_FINE;
}

static enum json_result read_enum(const json_t *value, const ProtobufCEnumDescriptor *type,
                                  void *to, struct json_error *error)
{
    static const char unknown[] = "The value is not one of the enum's.";
    const ProtobufCEnumValue *known = NULL;
    struct span digits;
    if (json_is_string(value) && !json_text_number(value, &digits)) {
        known = protobuf_c_enum_descriptor_get_value_by_name(type, json_string_value(value));
    } else {
        struct whole whole;
        int32_t number;
        enum json_result result = read_whole(value, &whole, error);
        if (result != JSON_FINE && span_is(error->rule, "type"))
            return refuse(error, "type", "The value must be an enum's name or number.");
        if (result == JSON_FINE &&
            store_whole(whole, PROTOBUF_C_TYPE_INT32, &number, error) == JSON_FINE)
            known = protobuf_c_enum_descriptor_get_value(type, number);
    }
    if (known == NULL)
        return refuse(error, "enum", unknown);
    int32_t number = known->value;
    memcpy(to, &number, sizeof number);
    return JSON_FINE;
}

enum json_result json_scalar_read(const json_t *value, const ProtobufCFieldDescriptor *field,
                                  struct arena *arena, void *to, struct json_error *error)
{
    enum json_result result;
    struct whole whole;
    struct span digits;
    double real;
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        if (!json_is_boolean(value))
            return refuse(error, "type", "The value must be true or false.");
        *(protobuf_c_boolean *)to = json_is_true(value);
        return JSON_FINE;
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        result = read_real(value, &real, error);
        return result == JSON_FINE ? store_real(real, field->type, to, error) : result;
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(value, field->descriptor, to, error);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
        if (!json_is_string(value) || json_text_number(value, &digits))
            return refuse(error, "type", "The value must be a string.");
        return field->type == PROTOBUF_C_TYPE_STRING
                   ? store_text(text_of(value), arena, to, error)
                   : store_bytes(text_of(value), arena, to, error);
    default:
        result = read_whole(value, &whole, error);
        return result == JSON_FINE ? store_whole(whole, field->type, to, error) : result;
    }
}

enum json_result json_scalar_read_key(struct span key, const ProtobufCFieldDescriptor *field,
                                      struct arena *arena, void *to, struct json_error *error)
{
    struct whole whole;
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return store_text(key, arena, to, error);
    case PROTOBUF_C_TYPE_BOOL:
        if (!span_is(key, "true") && !span_is(key, "false"))
            return refuse(error, "type", "The key must be true or false.");
        *(protobuf_c_boolean *)to = span_is(key, "true");
        return JSON_FINE;
    default:
        /* One spelling a number, so that no key can be given twice. */
        if (number_form(key) != NUMBER_INTEGER || span_is(key, "-0"))
            return refuse(error, "type", "The key must be a whole number.");
        if (!whole_from_digits(key, &whole))
            return refuse(error, "range", out_of_range);
        return store_whole(whole, field->type, to, error);
    }
}
