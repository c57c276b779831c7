/* The test contract as the generated tables have it: every kind of field, beside the sample flows.
 */
#include "tests/unit/contract/schema_check.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum shape { ONE, MANY, MAP, CHOICE };

static const struct field_row {
    const char *name, *json_name;
    uint32_t number;
    ProtobufCType type; /* of maps: of the value */
    enum shape shape;
    const char *message; /* of MESSAGE fields, and of values that are messages */
    ProtobufCType key;   /* of maps */
} request_rows[] = {
    {"shop", "shop", 1, PROTOBUF_C_TYPE_STRING, ONE, NULL, 0},
    {"items", "items", 2, PROTOBUF_C_TYPE_MESSAGE, MANY, "weir_test.v1.Item", 0},
    {"counts", "counts", 3, PROTOBUF_C_TYPE_INT32, MAP, NULL, PROTOBUF_C_TYPE_STRING},
    {"shelf", "shelf", 4, PROTOBUF_C_TYPE_MESSAGE, MAP, "weir_test.v1.Item",
     PROTOBUF_C_TYPE_STRING},
    {"quality", "quality", 5, PROTOBUF_C_TYPE_ENUM, ONE, NULL, 0},
    {"big", "big", 6, PROTOBUF_C_TYPE_INT64, ONE, NULL, 0},
    {"bigger", "bigger", 7, PROTOBUF_C_TYPE_UINT64, ONE, NULL, 0},
    {"small", "small", 8, PROTOBUF_C_TYPE_SINT32, ONE, NULL, 0},
    {"fixed", "fixed", 9, PROTOBUF_C_TYPE_FIXED64, ONE, NULL, 0},
    {"signed_fixed", "signedFixed", 10, PROTOBUF_C_TYPE_SFIXED32, ONE, NULL, 0},
    {"picture", "picture", 11, PROTOBUF_C_TYPE_BYTES, ONE, NULL, 0},
    {"weight", "weight", 12, PROTOBUF_C_TYPE_FLOAT, ONE, NULL, 0},
    {"price", "price", 13, PROTOBUF_C_TYPE_DOUBLE, ONE, NULL, 0},
    {"open", "open", 14, PROTOBUF_C_TYPE_BOOL, ONE, NULL, 0},
    {"numbers", "numbers", 15, PROTOBUF_C_TYPE_INT32, MANY, NULL, 0},
    {"mail", "mail", 16, PROTOBUF_C_TYPE_STRING, CHOICE, NULL, 0},
    {"phone", "phone", 17, PROTOBUF_C_TYPE_INT32, CHOICE, NULL, 0},
    {"gift", "gift", 18, PROTOBUF_C_TYPE_MESSAGE, CHOICE, "weir_test.v1.Item", 0},
    {"names", "names", 19, PROTOBUF_C_TYPE_STRING, MAP, NULL, PROTOBUF_C_TYPE_INT32},
    {"natural", "natural", 20, PROTOBUF_C_TYPE_UINT32, ONE, NULL, 0},
    {"prices", "prices", 21, PROTOBUF_C_TYPE_DOUBLE, MANY, NULL, 0},
    {"qualities", "qualities", 22, PROTOBUF_C_TYPE_ENUM, MANY, NULL, 0},
    {"pictures", "pictures", 23, PROTOBUF_C_TYPE_BYTES, MANY, NULL, 0},
};

enum { N_FIELDS = sizeof request_rows / sizeof request_rows[0] };

static void check_row(const struct contract_message *type, size_t i, const struct field_row *row)
{
    const struct contract_field *field = &type->fields[i];
    const ProtobufCFieldDescriptor *pb = &type->pb->fields[i];
    assert_string_equal(pb->name, row->name);
    assert_string_equal(field->json_name, row->json_name);
    assert_int_equal(pb->id, row->number);
    assert_int_equal(field->is_map, row->shape == MAP);
    assert_int_equal(pb->label == PROTOBUF_C_LABEL_REPEATED,
                     row->shape == MANY || row->shape == MAP);
    assert_int_equal((pb->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0, row->shape == CHOICE);
    if (row->shape == MAP) {
        const struct contract_message *entry = field->message;
        assert_int_equal(entry->pb->n_fields, 2);
        assert_string_equal(entry->pb->fields[0].name, "key");
        assert_int_equal(entry->pb->fields[0].type, row->key);
        assert_string_equal(entry->pb->fields[1].name, "value");
        pb = &entry->pb->fields[1];
        field = &entry->fields[1];
    }
    assert_int_equal(pb->type, row->type);
    assert_int_equal(field->message != NULL, row->message != NULL);
    if (row->message != NULL)
        assert_string_equal(field->message->pb->name, row->message);
}

static void a_request_may_have_every_kind_of_field(void **state)
{
    (void)state;
    const struct contract_message *type = method_named("TakeStock")->request;
    assert_int_equal(type->pb->n_fields, N_FIELDS);
    for (size_t i = 0; i < N_FIELDS; i++)
        check_row(type, i, &request_rows[i]);
}

static void rules_are_where_the_proto_has_them(void **state)
{
    (void)state;
    const struct contract_message *request = method_named("TakeStock")->request;
    const struct contract_message *response = method_named("TakeStock")->response;
    const struct contract_message *item = field_named(request, "items")->message;
    const struct contract_rules *width =
        &field_named(field_named(item, "box")->message, "width")->rules;
    const struct contract_rules *weight = &field_named(request, "weight")->rules;
    assert_string_equal(field_named(request, "shop")->default_value, "the corner shop");
    assert_null(field_named(request, "mail")->default_value);
    assert_int_equal(field_named(request, "items")->rules.max_items, 3);
    assert_int_equal(field_named(request, "items")->rules.min_items, 0);
    assert_int_equal(field_named(request, "pictures")->rules.max_items, 0);
    assert_int_equal(field_named(item, "name")->rules.max_len, 20);
    assert_true(width->has_gte && width->gte == 1);
    assert_true(width->has_lte && width->lte == 100);
    assert_true(weight->has_gte && weight->gte == 0);
    assert_false(weight->has_lte);
    assert_false(field_named(request, "price")->rules.has_gte);
    assert_int_equal(field_named(response, "items")->rules.min_items, 1);
    assert_int_equal(field_named(response, "items")->rules.max_items, 5);
    assert_int_equal(field_named(response, "shop")->source, CONTRACT_FROM_REQUEST);
    assert_string_equal(field_named(response, "shop")->source_request, "shop");
    assert_int_equal(field_named(response, "picture")->source, CONTRACT_FROM_MODEL);
}

/* One table of a message, wherever it is used. */
static void messages_are_shared(void **state)
{
    (void)state;
    const struct contract_message *request = method_named("TakeStock")->request;
    const struct contract_message *item = field_named(request, "items")->message;
    assert_ptr_equal(field_named(request, "gift")->message, item);
    assert_ptr_equal(field_named(request, "shelf")->message->fields[1].message, item);
    assert_ptr_equal(field_named(method_named("PraiseStock")->request, "items")->message, item);
    assert_ptr_equal(field_named(method_named("TakeStock")->response, "items")->message, item);
}

static void a_second_service_stands_beside_the_first(void **state)
{
    (void)state;
    const struct contract_method *take = method_named("TakeStock");
    const struct contract_method *praise = method_named("PraiseStock");
    assert_int_equal(weir_contract.n_methods, 16);
    assert_string_equal(method_named("TellJoke")->rpc_path, "/weir.v1.FlowService/TellJoke");
    assert_string_equal(take->rpc_path, "/weir_test.v1.EverythingService/TakeStock");
    assert_string_equal(take->flow, "take_stock");
    assert_string_equal(take->prompt, "take_stock");
    assert_int_equal(take->kind, CONTRACT_STRUCTURED);
    assert_int_equal(take->cache, CONTRACT_CACHE_STORE);
    assert_int_equal(take->n_routes, 1);
    assert_string_equal(take->routes[0].verb, "POST");
    assert_string_equal(take->routes[0].path, "/take-stock");
    assert_false(take->streams);
    assert_string_equal(praise->rpc_path, "/weir_test.v1.EverythingService/PraiseStock");
    assert_int_equal(praise->kind, CONTRACT_TEXT);
    assert_int_equal(praise->cache, CONTRACT_CACHE_STORE);
    assert_int_equal(praise->limit, CONTRACT_LIMIT_DEFAULT);
    assert_string_equal(praise->routes[0].path, "/praise-stock");
    assert_true(praise->streams);
    assert_string_equal(praise->stream_result, "praise");
    assert_int_equal(praise->text_field, 0);
}

static void tables_agree_with_descriptors_and_schemas(void **state)
{
    (void)state;
    assert_int_equal(contract_check(&weir_contract), 5);
}

static void the_schema_has_every_kind_of_member(void **state)
{
    (void)state;
    static const char quality[] =
        "{\"type\":\"string\","
        "\"enum\":[\"QUALITY_UNSPECIFIED\",\"QUALITY_POOR\",\"QUALITY_FINE\"]}";
    json_t *schema = schema_of("TakeStock");
    const json_t *members = json_object_get(schema, "properties");
    const json_t *item = json_object_get(json_object_get(members, "items"), "items");
    assert_null(json_object_get(members, "shop")); /* copied from the request */
    assert_json(json_object_get(members, "counts"),
                "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}}");
    assert_json(json_object_get(members, "quality"), quality);
    assert_json(json_object_get(members, "big"), "{\"type\":\"integer\"}");
    assert_json(json_object_get(members, "bigger"), "{\"type\":\"integer\"}");
    assert_json(json_object_get(members, "picture"),
                "{\"type\":\"string\",\"contentEncoding\":\"base64\"}");
    assert_json(json_object_get(members, "weight"), "{\"type\":\"number\"}");
    assert_json(json_object_get(members, "open"), "{\"type\":\"boolean\"}");
    assert_json(json_object_get(json_object_get(item, "properties"), "quality"), quality);
    assert_json(json_object_get(json_object_get(item, "properties"), "box"),
                "{\"type\":\"object\",\"properties\":{"
                "\"width\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":100},"
                "\"labels\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}},"
                "\"required\":[\"width\",\"labels\"],\"additionalProperties\":false}");
    /* Of a oneof nothing is required: at most one member is given. */
    assert_json(json_object_get(schema, "required"),
                "[\"items\",\"counts\",\"quality\",\"big\",\"bigger\",\"picture\",\"weight\","
                "\"price\",\"open\"]");
    assert_non_null(json_object_get(members, "mail"));
    json_decref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_may_have_every_kind_of_field),
        cmocka_unit_test(rules_are_where_the_proto_has_them),
        cmocka_unit_test(messages_are_shared),
        cmocka_unit_test(a_second_service_stands_beside_the_first),
        cmocka_unit_test(tables_agree_with_descriptors_and_schemas),
        cmocka_unit_test(the_schema_has_every_kind_of_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
