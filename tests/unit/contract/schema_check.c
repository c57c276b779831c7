/* The agreement of tables, descriptors and schemas, message by message. See schema_check.h. */
#include "tests/unit/contract/schema_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void check_object(const json_t *schema, const struct contract_message *type);

static double number_at(const json_t *schema, const char *key)
{
    const json_t *value = json_object_get(schema, key);
    if (!json_is_number(value))
        fail_msg("%s is missing", key);
    return json_number_value(value);
}

/* A bound that is zero must not be in the schema. */
static void check_bound(const json_t *schema, const char *key, uint32_t bound)
{
    if (bound == 0)
        assert_null(json_object_get(schema, key));
    else
        assert_int_equal((uint32_t)number_at(schema, key), bound);
}

static void check_type(const json_t *schema, const char *type)
{
    assert_string_equal(json_string_value(json_object_get(schema, "type")), type);
}

static void check_string(const json_t *schema, const struct contract_rules *rules)
{
    uint32_t least = rules->required && rules->min_len == 0 ? 1 : rules->min_len;
    const json_t *in = json_object_get(schema, "enum");
    const char *pattern = json_string_value(json_object_get(schema, "pattern"));
    check_type(schema, "string");
    check_bound(schema, "minLength", least);
    check_bound(schema, "maxLength", rules->max_len);
    assert_int_equal(json_array_size(in), rules->n_in);
    for (size_t i = 0; i < rules->n_in; i++)
        assert_string_equal(json_string_value(json_array_get(in, i)), rules->in[i]);
    assert_int_equal(pattern != NULL, rules->pattern != NULL);
    if (pattern != NULL)
        assert_string_equal(pattern, rules->pattern);
    assert_int_equal(json_object_get(schema, "format") != NULL, rules->uri);
}

static void check_number(const json_t *schema, const struct contract_rules *rules, const char *type)
{
    check_type(schema, type);
    assert_int_equal(json_object_get(schema, "minimum") != NULL, rules->has_gte);
    assert_int_equal(json_object_get(schema, "maximum") != NULL, rules->has_lte);
    if (rules->has_gte)
        assert_true(number_at(schema, "minimum") == rules->gte);
    if (rules->has_lte)
        assert_true(number_at(schema, "maximum") == rules->lte);
}

static void check_enum(const json_t *schema, const ProtobufCEnumDescriptor *descriptor)
{
    const json_t *in = json_object_get(schema, "enum");
    check_type(schema, "string");
    assert_int_equal(json_array_size(in), descriptor->n_values);
    for (size_t i = 0; i < json_array_size(in); i++)
        assert_non_null(protobuf_c_enum_descriptor_get_value_by_name(
            descriptor, json_string_value(json_array_get(in, i))));
}

static void check_value(const json_t *schema, const ProtobufCFieldDescriptor *pb,
                        const struct contract_field *row)
{
    switch (pb->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        check_object(schema, row->message);
        break;
    case PROTOBUF_C_TYPE_STRING:
        check_string(schema, &row->rules);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        check_enum(schema, pb->descriptor);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        check_type(schema, "string");
        break;
    case PROTOBUF_C_TYPE_BOOL:
        check_type(schema, "boolean");
        break;
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        check_number(schema, &row->rules, "number");
        break;
    default:
        check_number(schema, &row->rules, "integer");
    }
}

static void check_member(const json_t *schema, const ProtobufCFieldDescriptor *pb,
                         const struct contract_field *row)
{
    const char *said = json_string_value(json_object_get(schema, "description"));
    assert_string_equal(said != NULL ? said : "", row->description);
    if (row->is_map) {
        check_type(schema, "object");
        check_value(json_object_get(schema, "additionalProperties"), &row->message->pb->fields[1],
                    &row->message->fields[1]);
    } else if (pb->label == PROTOBUF_C_LABEL_REPEATED) {
        check_type(schema, "array");
        check_value(json_object_get(schema, "items"), pb, row);
        check_bound(schema, "minItems", row->rules.min_items);
        check_bound(schema, "maxItems", row->rules.max_items);
    } else {
        check_value(schema, pb, row);
    }
}

static bool lists(const json_t *array, const char *text)
{
    for (size_t i = 0; i < json_array_size(array); i++)
        if (strcmp(json_string_value(json_array_get(array, i)), text) == 0)
            return true;
    return false;
}

/* Exactly the members that the model fills in; all required but those of a oneof. */
static void check_object(const json_t *schema, const struct contract_message *type)
{
    const json_t *members = json_object_get(schema, "properties");
    const json_t *required = json_object_get(schema, "required");
    size_t n = 0, n_required = 0;
    check_type(schema, "object");
    assert_true(json_is_object(members));
    assert_true(json_is_array(required));
    assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
    for (size_t i = 0; i < type->pb->n_fields; i++) {
        const struct contract_field *row = &type->fields[i];
        const ProtobufCFieldDescriptor *pb = &type->pb->fields[i];
        const json_t *member = json_object_get(members, row->json_name);
        if (row->source != CONTRACT_FROM_MODEL) {
            assert_null(member);
            continue;
        }
        bool chosen = (pb->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        if (member == NULL)
            fail_msg("%s.%s is not in the schema", type->pb->name, pb->name);
        check_member(member, pb, row);
        assert_int_equal(lists(required, row->json_name), !chosen);
        n++;
        n_required += chosen ? 0 : 1;
    }
    assert_int_equal(json_object_size(members), n);
    assert_int_equal(json_array_size(required), n_required);
}

/* fields[i] is pb->fields[i]: seen by the JSON name, the kind of the field and its message. */
static void check_fields(const struct contract_message *type)
{
    for (size_t i = 0; i < type->pb->n_fields; i++) {
        const ProtobufCFieldDescriptor *pb = &type->pb->fields[i];
        const struct contract_field *row = &type->fields[i];
        char squeezed[2][128] = {"", ""};
        const char *names[2] = {pb->name, row->json_name};
        for (size_t j = 0; j < 2; j++)
            for (const char *at = names[j]; *at != '\0'; at++) {
                size_t len = strlen(squeezed[j]);
                assert_true(len + 1 < sizeof squeezed[j]);
                if (*at != '_')
                    squeezed[j][len] = (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
            }
        assert_string_equal(squeezed[0], squeezed[1]);
        assert_int_equal(contract_field_find(type, pb->name), i);
        assert_true(i == 0 || type->pb->fields[i - 1].id < pb->id);
        assert_non_null(row->description);
        assert_int_equal(pb->type == PROTOBUF_C_TYPE_MESSAGE, row->message != NULL);
        if (row->message == NULL)
            continue;
        assert_ptr_equal(row->message->pb, pb->descriptor);
        check_fields(row->message);
    }
    assert_int_equal(contract_field_find(type, "no_such_field"), SIZE_MAX);
}

size_t contract_check(const struct contract *contract)
{
    size_t n_structured = 0;
    for (size_t i = 0; i < contract->n_methods; i++) {
        const struct contract_method *method = &contract->methods[i];
        assert_int_equal(method->index, i);
        bool chat = method->kind == CONTRACT_CHAT;
        assert_true(method->n_routes > 0 || (chat && method->streams));
        check_fields(method->request);
        check_fields(method->response);
        assert_int_equal(method->text_field != SIZE_MAX, method->kind == CONTRACT_TEXT || chat);
        assert_int_equal(method->stream_result != NULL, method->streams && !chat);
        bool own = method->kind == CONTRACT_HEALTH || method->kind == CONTRACT_MODELS;
        assert_int_equal(method->prompt != NULL, !own && !chat);
        assert_non_null(method->scope);
        if (method->prompt != NULL)
            assert_non_null(contract_prompt_find(contract, method->prompt));
        if (method->kind != CONTRACT_STRUCTURED) {
            assert_null(method->response->answer_schema);
            continue;
        }
        json_t *schema = schema_of(method->rpc_name);
        check_object(schema, method->response);
        json_decref(schema);
        n_structured++;
    }
    return n_structured;
}

const struct contract_field *field_named(const struct contract_message *type, const char *name)
{
    size_t index = contract_field_find(type, name);
    if (index == SIZE_MAX)
        fail_msg("%s has no field %s", type->pb->name, name);
    return &type->fields[index];
}

json_t *schema_of(const char *rpc)
{
    json_error_t error;
    const char *text = method_named(rpc)->response->answer_schema;
    if (text == NULL)
        fail_msg("%s has no schema", rpc);
    json_t *schema = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (schema == NULL)
        fail_msg("the schema of %s: %s", rpc, error.text);
    return schema;
}

void assert_json(const json_t *got, const char *want)
{
    json_error_t error;
    json_t *wanted = json_loads(want, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    char *text = got != NULL ? json_dumps(got, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    assert_non_null(wanted);
    if (!json_equal(got, wanted))
        fail_msg("got %s, want %s", text != NULL ? text : "nothing", want);
    free(text);
    json_decref(wanted);
}
