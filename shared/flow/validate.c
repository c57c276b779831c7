/* The contract's rules over one message: defaults in, violations out. */
#include "shared/flow/validate.h"

#include "shared/base/buf.h"
#include "shared/base/utf8.h"
#include "shared/flow/field.h"
#include "shared/flow/path.h"
#include "shared/flow/patterns.h"
#include "shared/flow/uri.h"

#include <stdarg.h>
#include <stdio.h>

struct checker {
    struct arena *arena;
    struct violation *violations;
    size_t n;
};

bool validate_prepare(const struct contract *contract, const char **bad)
{
    return patterns_prepare(contract, bad);
}

void validate_shutdown(void)
{
    patterns_shutdown();
}

/* --- defaults --- */

static void default_string(const struct contract_field *field, const ProtobufCFieldDescriptor *pb,
                           ProtobufCMessage *message, struct span subject)
{
    const char *value = field->default_value;
    /* Nobody is refused for a name of their own that is longer than the field takes. */
    uint32_t most = field->rules.max_len;
    if (field->default_subject && subject.len > 0 && (most == 0 || utf8_length(subject) <= most))
        value = subject.at;
    if (value != NULL && contract_count(message, pb) > 0 && contract_string(message, pb).len == 0)
        *(const char **)contract_at(message, pb) = value;
}

void validate_defaults(const struct contract_message *type, ProtobufCMessage *message,
                       struct span subject)
{
    for (size_t i = 0; i < type->pb->n_fields; i++) {
        const ProtobufCFieldDescriptor *pb = &type->pb->fields[i];
        const struct contract_field *field = &type->fields[i];
        bool repeated = pb->label == PROTOBUF_C_LABEL_REPEATED;
        if (pb->type == PROTOBUF_C_TYPE_STRING && !repeated)
            default_string(field, pb, message, subject);
        if (pb->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        size_t n = contract_count(message, pb);
        const char *at = repeated ? field_items(message, pb) : contract_at(message, pb);
        for (size_t j = 0; j < n; j++)
            if (field_message(at + j * sizeof(void *)) != NULL)
                validate_defaults(field->message, field_message(at + j * sizeof(void *)), subject);
    }
}

/* --- rules --- */

__attribute__((format(printf, 4, 5))) static void
add(struct checker *checker, const struct path *at, const char *rule, const char *format, ...)
{
    if (checker->n == VALIDATE_MOST_VIOLATIONS)
        return;
    if (checker->violations == NULL)
        checker->violations =
            arena_alloc(checker->arena, VALIDATE_MOST_VIOLATIONS * sizeof(struct violation));
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    must(len >= 0);
    char *text = arena_alloc(checker->arena, (size_t)len + 1);
    va_start(arguments, format);
    (void)vsnprintf(text, (size_t)len + 1, format, arguments);
    va_end(arguments);
    checker->violations[checker->n++] = (struct violation){.path = path_text(at, checker->arena),
                                                           .rule = span_of(rule),
                                                           .message = span_make(text, (size_t)len)};
}

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

static void check_in(struct checker *checker, const struct contract_rules *rules, struct span text,
                     const struct path *at)
{
    struct buf list;
    for (size_t i = 0; i < rules->n_in; i++)
        if (span_is(text, rules->in[i]))
            return;
    buf_init(&list, checker->arena, SIZE_MAX / 4);
    for (size_t i = 0; i < rules->n_in; i++) {
        buf_put_text(&list, i > 0 ? ", " : "");
        buf_put_json_string(&list, span_of(rules->in[i]));
    }
    add(checker, at, "string.in", "must be one of %.*s", (int)list.len, list.at);
}

static void check_text(struct checker *checker, const struct contract_field *field,
                       struct span text, const struct path *at)
{
    const struct contract_rules *rules = &field->rules;
    size_t length = utf8_length(text);
    if (length < rules->min_len) {
        add(checker, at, "string.min_len", "must be at least %u character%s long (got %zu)",
            rules->min_len, plural(rules->min_len), length);
        return;
    }
    if (rules->max_len > 0 && length > rules->max_len) {
        /* Nothing more is said: the other rules need not look at a text of any length. */
        add(checker, at, "string.max_len", "must be at most %u character%s long (got %zu)",
            rules->max_len, plural(rules->max_len), length);
        return;
    }
    if (rules->n_in > 0)
        check_in(checker, rules, text, at);
    if (rules->pattern != NULL && !patterns_match(field, text.at))
        add(checker, at, "string.pattern", "must match the pattern %s", rules->pattern);
    if (rules->uri && !uri_is_http(text))
        add(checker, at, "string.uri", "must be an absolute http or https URL");
}

/* Exact for every 64-bit integer where long double has 64 bits of fraction, as on x86-64. */
static long double number_of(ProtobufCType type, const void *at)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return *(const int32_t *)at;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return *(const uint32_t *)at;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return *(const int64_t *)at;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return *(const uint64_t *)at;
    case PROTOBUF_C_TYPE_FLOAT:
        return (long double)*(const float *)at;
    default:
        must(type == PROTOBUF_C_TYPE_DOUBLE);
        return *(const double *)at;
    }
}

/* Not a number is neither large nor small enough. */
static void check_number(struct checker *checker, const struct contract_rules *rules,
                         ProtobufCType type, const void *value, const struct path *at)
{
    if (!rules->has_gte && !rules->has_lte)
        return;
    long double number = number_of(type, value);
    int digits = type == PROTOBUF_C_TYPE_FLOAT ? 7 : type == PROTOBUF_C_TYPE_DOUBLE ? 15 : 20;
    if (rules->has_gte && !(number >= (long double)rules->gte))
        add(checker, at, "number.gte", "must be at least %.15g (got %.*Lg)", rules->gte, digits,
            number);
    if (rules->has_lte && !(number <= (long double)rules->lte))
        add(checker, at, "number.lte", "must be at most %.15g (got %.*Lg)", rules->lte, digits,
            number);
}

static void check_message(struct checker *checker, const struct contract_message *type,
                          const ProtobufCMessage *message, const struct path *up);

/* A singular value that is there, or an item. */
static void check_value(struct checker *checker, const struct contract_field *field,
                        const ProtobufCFieldDescriptor *pb, const void *value,
                        const struct path *at)
{
    if (pb->type == PROTOBUF_C_TYPE_STRING)
        check_text(checker, field, span_of(*(const char *const *)value), at);
    else if (pb->type == PROTOBUF_C_TYPE_MESSAGE)
        check_message(checker, field->message, field_message(value), at);
    else if (pb->type != PROTOBUF_C_TYPE_BYTES && pb->type != PROTOBUF_C_TYPE_BOOL &&
             pb->type != PROTOBUF_C_TYPE_ENUM)
        check_number(checker, &field->rules, pb->type, value, at);
}

static void check_entry(struct checker *checker, const struct contract_message *entry,
                        const ProtobufCMessage *message, const struct path *up)
{
    const ProtobufCFieldDescriptor *key = &entry->pb->fields[0], *value = &entry->pb->fields[1];
    struct buf name;
    if (value->type != PROTOBUF_C_TYPE_MESSAGE || contract_count(message, value) == 0)
        return;
    buf_init(&name, checker->arena, SIZE_MAX / 4);
    if (key->type == PROTOBUF_C_TYPE_STRING)
        buf_put_span(&name, contract_string(message, key));
    else if (key->type == PROTOBUF_C_TYPE_BOOL)
        buf_put_text(&name, *(protobuf_c_boolean *)contract_at(message, key) ? "true" : "false");
    else
        buf_printf(&name, "%.0Lf", number_of(key->type, contract_at(message, key)));
    struct path at = path_key(up, buf_span(&name));
    check_value(checker, &entry->fields[1], value, contract_at(message, value), &at);
}

static void check_repeated(struct checker *checker, const struct contract_field *field,
                           const ProtobufCFieldDescriptor *pb, const ProtobufCMessage *message,
                           const struct path *up)
{
    const struct contract_rules *rules = &field->rules;
    size_t n = contract_count(message, pb), size = field_item_bytes(pb->type);
    const char *items = field_items(message, pb);
    if (rules->required && n == 0)
        add(checker, up, "required", "must not be empty");
    else if (n < rules->min_items)
        add(checker, up, "repeated.min_items", "must have at least %u item%s (got %zu)",
            rules->min_items, plural(rules->min_items), n);
    if (rules->max_items > 0 && n > rules->max_items)
        add(checker, up, "repeated.max_items", "must have at most %u item%s (got %zu)",
            rules->max_items, plural(rules->max_items), n);
    for (size_t i = 0; i < n && checker->n < VALIDATE_MOST_VIOLATIONS; i++) {
        struct path at = path_item(up, i);
        if (field->is_map)
            check_entry(checker, field->message, field_message(items + i * size), up);
        else
            check_value(checker, field, pb, items + i * size, &at);
    }
}

/* Is there anything to it? Absent, empty, 0 and false are all the same in proto3. */
static bool is_empty(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *pb)
{
    static const char zeros[sizeof(uint64_t)];
    if (contract_count(message, pb) == 0)
        return true;
    if (pb->type == PROTOBUF_C_TYPE_STRING)
        return contract_string(message, pb).len == 0;
    if (pb->type == PROTOBUF_C_TYPE_BYTES)
        return ((ProtobufCBinaryData *)contract_at(message, pb))->len == 0;
    return pb->type != PROTOBUF_C_TYPE_MESSAGE && !field_is_oneof(pb) &&
           memcmp(contract_at(message, pb), zeros, field_item_bytes(pb->type)) == 0;
}

static void check_field(struct checker *checker, const struct contract_field *field,
                        const ProtobufCFieldDescriptor *pb, const ProtobufCMessage *message,
                        const struct path *up)
{
    struct path at = path_field(up, field->json_name);
    if (pb->label == PROTOBUF_C_LABEL_REPEATED) {
        check_repeated(checker, field, pb, message, &at);
        return;
    }
    bool empty = is_empty(message, pb);
    if (empty && field->rules.required) {
        add(checker, &at, "required", "must be given");
        return;
    }
    /* An empty text is an absent one; numbers have no such value. */
    bool absent = contract_count(message, pb) == 0;
    if (!absent && !(empty && pb->type == PROTOBUF_C_TYPE_STRING))
        check_value(checker, field, pb, contract_at(message, pb), &at);
}

static void check_message(struct checker *checker, const struct contract_message *type,
                          const ProtobufCMessage *message, const struct path *up)
{
    for (size_t i = 0; i < type->pb->n_fields && checker->n < VALIDATE_MOST_VIOLATIONS; i++)
        check_field(checker, &type->fields[i], &type->pb->fields[i], message, up);
}

size_t validate_message(const struct contract_message *type, const ProtobufCMessage *message,
                        struct arena *arena, struct violation **violations)
{
    struct checker checker = {.arena = arena};
    check_message(&checker, type, message, NULL);
    *violations = checker.violations;
    return checker.n;
}
