#include "shared/flow/validate.h"

#include "shared/flow/json.h"

#include "tests/unit/flow/shapes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    everything_reset();
    (void)everything_type();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    validate_shutdown();
    arena_fini(&arena);
    return 0;
}

static bool prepare(const char **bad)
{
    const struct contract_method method = {.request = everything_type(),
                                           .response = everything_type()};
    const struct contract contract = {.methods = &method, .n_methods = 1};
    return validate_prepare(&contract, bad);
}

static ProtobufCMessage *message_of(const char *json)
{
    ProtobufCMessage *message = NULL;
    struct json_error error = {0};
    if (json_read(span_of(json), everything_type(), &arena, &message, &error) != JSON_FINE) {
        print_error("%s: %.*s\n", json, (int)error.message.len, error.message.at);
        fail();
    }
    return message;
}

/* Exactly one violation, or none when `rule` is NULL. */
static void assert_violates(const char *json, const char *path, const char *rule,
                            const char *message)
{
    struct violation *found = NULL;
    const char *bad = NULL;
    assert_true(prepare(&bad));
    size_t n = validate_message(everything_type(), message_of(json), &arena, &found);
    bool right = rule == NULL ? n == 0
                              : n == 1 && span_is(found->path, path) &&
                                    span_is(found->rule, rule) && span_is(found->message, message);
    if (!right) {
        print_error("%s has %zu violations\n", json, n);
        for (size_t i = 0; i < n; i++)
            print_error("  %.*s %.*s: %.*s\n", (int)found[i].path.len, found[i].path.at,
                        (int)found[i].rule.len, found[i].rule.at, (int)found[i].message.len,
                        found[i].message.at);
        fail();
    }
}

static void assert_fine(const char *json)
{
    assert_violates(json, NULL, NULL, NULL);
}

static struct contract_rules *rules_of(const char *field)
{
    return &everything_field(field)->rules;
}

static void test_no_rules(void **state)
{
    (void)state;
    assert_fine("{}");
    assert_fine("{\"fNode\":{\"child\":{}},\"rNode\":[{}],\"mNode\":{\"1\":{}},\"fInt32\":-5}");
}

static void test_length_in_characters(void **state)
{
    (void)state;
    rules_of("f_string")->min_len = 2;
    rules_of("f_string")->max_len = 3;
    assert_fine("{\"fString\":\"ab\"}");
    assert_fine("{\"fString\":\"\xc3\xa9\xf0\x9f\x90\xb1\xe2\x82\xac\"}");
    assert_fine("{}"); /* absent, and empty, which means the same */
    assert_fine("{\"fString\":\"\"}");
    assert_violates("{\"fString\":\"abcd\"}", "fString", "string.max_len",
                    "must be at most 3 characters long (got 4)");
    assert_violates("{\"fString\":\"\xc3\xa9\"}", "fString", "string.min_len",
                    "must be at least 2 characters long (got 1)");
    rules_of("f_string")->min_len = 0;
    rules_of("f_string")->max_len = 1;
    assert_violates("{\"fString\":\"ab\"}", "fString", "string.max_len",
                    "must be at most 1 character long (got 2)");
}

static void test_required(void **state)
{
    (void)state;
    static const struct {
        const char *field, *json_name, *fine, *empty, *message;
    } cases[] = {
        {"f_string", "fString", "{\"fString\":\"x\"}", "{\"fString\":\"\"}", "must be given"},
        {"f_bytes", "fBytes", "{\"fBytes\":\"AA==\"}", "{}", "must be given"},
        {"f_node", "fNode", "{\"fNode\":{}}", "{}", "must be given"},
        {"f_int32", "fInt32", "{\"fInt32\":1}", "{\"fInt32\":0}", "must be given"},
        {"f_double", "fDouble", "{\"fDouble\":0.1}", "{}", "must be given"},
        {"f_bool", "fBool", "{\"fBool\":true}", "{}", "must be given"},
        {"f_color", "fColor", "{\"fColor\":1}", "{}", "must be given"},
        {"c_int64", "cInt64", "{\"cInt64\":0}", "{\"cBool\":true}", "must be given"},
        {"c_string", "cString", "{\"cString\":\"x\"}", "{\"cString\":\"\"}", "must be given"},
        {"r_int32", "rInt32", "{\"rInt32\":[0]}", "{\"rInt32\":[]}", "must not be empty"},
        {"m_int32", "mInt32", "{\"mInt32\":{\"1\":1}}", "{}", "must not be empty"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rules_of(cases[i].field)->required = true;
        rules_of(cases[i].field)->min_len = strcmp(cases[i].field, "f_string") == 0;
        assert_fine(cases[i].fine);
        assert_violates(cases[i].empty, cases[i].json_name, "required", cases[i].message);
        rules_of(cases[i].field)->required = false;
    }
}

static void test_one_of_a_list(void **state)
{
    (void)state;
    static const char *const list[] = {"high", "me\"dium"};
    rules_of("f_string")->in = list;
    rules_of("f_string")->n_in = 2;
    assert_fine("{\"fString\":\"high\"}");
    assert_fine("{\"fString\":\"\"}");
    assert_violates("{\"fString\":\"hig\"}", "fString", "string.in",
                    "must be one of \"high\", \"me\\\"dium\"");
}

static void test_patterns(void **state)
{
    (void)state;
    rules_of("f_string")->pattern = "^[a-zA-Z#+]+$";
    rules_of("r_string")->pattern = "^x";
    assert_fine("{\"fString\":\"C#\"}");
    assert_fine("{\"fString\":\"\"}");
    assert_violates("{\"fString\":\"c 99\"}", "fString", "string.pattern",
                    "must match the pattern ^[a-zA-Z#+]+$");
    assert_violates("{\"fString\":\"c\\n\"}", "fString", "string.pattern",
                    "must match the pattern ^[a-zA-Z#+]+$");
    assert_violates("{\"rString\":[\"x\",\"y\"]}", "rString[1]", "string.pattern",
                    "must match the pattern ^x");
}

static void test_a_bad_pattern_is_named(void **state)
{
    (void)state;
    const char *bad = NULL;
    rules_of("f_string")->pattern = "^x";
    rules_of("f_node.child")->pattern = NULL;
    rules_of("f_node.name")->pattern = "[";
    assert_false(prepare(&bad));
    assert_string_equal(bad, "[");
    rules_of("f_node.name")->pattern = NULL;
    assert_true(prepare(&bad));
    assert_null(bad);
}

static void test_urls(void **state)
{
    (void)state;
    rules_of("f_string")->uri = true;
    assert_fine("{\"fString\":\"https://example.com/a.png\"}");
    assert_fine("{}");
    assert_violates("{\"fString\":\"ftp://example.com\"}", "fString", "string.uri",
                    "must be an absolute http or https URL");
}

static void test_numbers(void **state)
{
    (void)state;
    static const char *const fields[] = {"f_int32",   "f_sint32",  "f_sfixed32", "f_uint32",
                                         "f_fixed32", "f_int64",   "f_sint64",   "f_sfixed64",
                                         "f_uint64",  "f_fixed64", "f_float",    "f_double"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char json[64];
        struct contract_field *field = everything_field(fields[i]);
        field->rules =
            (struct contract_rules){.has_gte = true, .has_lte = true, .gte = 1, .lte = 100};
        (void)snprintf(json, sizeof json, "{\"%s\":1}", field->json_name);
        assert_fine(json);
        (void)snprintf(json, sizeof json, "{\"%s\":100}", field->json_name);
        assert_fine(json);
        (void)snprintf(json, sizeof json, "{\"%s\":101}", field->json_name);
        assert_violates(json, field->json_name, "number.lte", "must be at most 100 (got 101)");
        assert_violates("{}", field->json_name, "number.gte", "must be at least 1 (got 0)");
        field->rules = (struct contract_rules){0};
    }
}

static void test_numbers_at_their_ends(void **state)
{
    (void)state;
    *rules_of("f_uint64") = (struct contract_rules){.has_lte = true, .lte = 18446744073709549568.0};
    assert_fine("{\"fUint64\":\"18446744073709549568\"}");
    assert_violates("{\"fUint64\":\"18446744073709549569\"}", "fUint64", "number.lte",
                    "must be at most 1.84467440737095e+19 (got 18446744073709549569)");
    *rules_of("f_uint64") = (struct contract_rules){0};
    *rules_of("f_double") = (struct contract_rules){.has_gte = true, .gte = 0};
    assert_fine("{\"fDouble\":\"Infinity\"}");
    assert_violates("{\"fDouble\":\"NaN\"}", "fDouble", "number.gte",
                    "must be at least 0 (got nan)");
    *rules_of("f_double") = (struct contract_rules){0};
    *rules_of("r_int32") = (struct contract_rules){.has_gte = true, .gte = -1};
    assert_fine("{\"rInt32\":[-1,0]}");
    assert_violates("{\"rInt32\":[0,-2]}", "rInt32[1]", "number.gte",
                    "must be at least -1 (got -2)");
    *rules_of("r_int32") = (struct contract_rules){0};
    *rules_of("c_int64") = (struct contract_rules){.has_gte = true, .gte = 5};
    assert_fine("{}"); /* not chosen, so not held against it */
    assert_violates("{\"cInt64\":0}", "cInt64", "number.gte", "must be at least 5 (got 0)");
}

static void test_items(void **state)
{
    (void)state;
    *rules_of("r_string") = (struct contract_rules){.min_items = 1, .max_items = 2, .min_len = 1};
    assert_fine("{\"rString\":[\"a\"]}");
    assert_fine("{\"rString\":[\"a\",\"b\"]}");
    assert_violates("{}", "rString", "repeated.min_items", "must have at least 1 item (got 0)");
    assert_violates("{\"rString\":[\"a\",\"b\",\"c\"]}", "rString", "repeated.max_items",
                    "must have at most 2 items (got 3)");
    assert_violates("{\"rString\":[\"a\",\"\"]}", "rString[1]", "string.min_len",
                    "must be at least 1 character long (got 0)");
    *rules_of("r_string") = (struct contract_rules){0};
    *rules_of("m_string") = (struct contract_rules){.max_items = 1};
    assert_violates("{\"mString\":{\"a\":\"\",\"b\":\"\"}}", "mString", "repeated.max_items",
                    "must have at most 1 item (got 2)");
}

static void test_nested_messages(void **state)
{
    (void)state;
    static const char message[] = "must be at most 1 character long (got 2)";
    rules_of("f_node.name")->max_len = 1;
    assert_violates("{\"fNode\":{\"name\":\"ab\"}}", "fNode.name", "string.max_len", message);
    assert_violates("{\"fNode\":{\"child\":{\"child\":{\"name\":\"ab\"}}}}",
                    "fNode.child.child.name", "string.max_len", message);
    assert_violates("{\"rNode\":[{},{\"children\":[{\"name\":\"ab\"}]}]}",
                    "rNode[1].children[0].name", "string.max_len", message);
    assert_violates("{\"mNode\":{\"7\":{\"name\":\"ab\"}}}", "mNode[\"7\"].name", "string.max_len",
                    message);
    assert_violates("{\"fNode\":{\"named\":{\"k.\":{\"name\":\"ab\"}}}}",
                    "fNode.named[\"k.\"].name", "string.max_len", message);
    assert_violates("{\"cNode\":{\"name\":\"ab\"}}", "cNode.name", "string.max_len", message);
}

static void test_violations_are_bounded(void **state)
{
    (void)state;
    struct violation *found = NULL;
    struct buf json;
    buf_init(&json, &arena, 1 << 16);
    *rules_of("r_int32") = (struct contract_rules){.has_gte = true, .gte = 5};
    buf_put_text(&json, "{\"rInt32\":[0");
    for (size_t i = 0; i < 1000; i++)
        buf_put_text(&json, ",0");
    buf_put_text(&json, "]}");
    buf_put_char(&json, '\0');
    assert_int_equal(validate_message(everything_type(), message_of(json.at), &arena, &found),
                     VALIDATE_MOST_VIOLATIONS);
    assert_true(span_is(found[31].path, "rInt32[31]"));
    /* Three for each item, so that the bound falls within one. */
    static const char *const list[] = {"a"};
    const char *bad = NULL;
    *rules_of("r_string") =
        (struct contract_rules){.in = list, .n_in = 1, .pattern = "^a", .uri = true};
    assert_true(prepare(&bad));
    buf_clear(&json);
    buf_put_text(&json, "{\"rString\":[\"x\"");
    for (size_t i = 0; i < 20; i++)
        buf_put_text(&json, ",\"x\"");
    buf_put_text(&json, "]}");
    buf_put_char(&json, '\0');
    assert_int_equal(validate_message(everything_type(), message_of(json.at), &arena, &found),
                     VALIDATE_MOST_VIOLATIONS);
    assert_true(span_is(found[31].path, "rString[10]"));
}

static void test_defaults(void **state)
{
    (void)state;
    everything_field("f_string")->default_value = "Mittens";
    everything_field("f_node.name")->default_value = "node";
    everything_field("c_string")->default_value = "chosen";
    ProtobufCMessage *message = message_of("{\"rNode\":[{},{\"name\":\"own\"}],\"fNode\":{},"
                                           "\"mNode\":{\"1\":{}},\"rString\":[\"\"]}");
    validate_defaults(everything_type(), message, SPAN_EMPTY);
    const char *json = everything_json(message, &arena);
    assert_non_null(strstr(json, "\"fString\":\"Mittens\""));
    assert_non_null(strstr(json, "\"fNode\":{\"name\":\"node\""));
    assert_non_null(strstr(json, "\"rNode\":[{\"name\":\"node\""));
    assert_non_null(strstr(json, "{\"name\":\"own\""));
    assert_non_null(strstr(json, "\"mNode\":{\"1\":{\"name\":\"node\""));
    assert_non_null(strstr(json, "\"rString\":[\"\"]"));
    assert_null(strstr(json, "chosen"));
    message = message_of("{\"cInt64\":5}");
    validate_defaults(everything_type(), message, SPAN_EMPTY);
    assert_non_null(strstr(everything_json(message, &arena), "\"cInt64\":\"5\""));
    message = message_of("{\"fString\":\"x\",\"cString\":\"\"}");
    validate_defaults(everything_type(), message, SPAN_EMPTY);
    json = everything_json(message, &arena);
    assert_non_null(strstr(json, "\"fString\":\"x\""));
    assert_non_null(strstr(json, "\"cString\":\"chosen\""));
}

static void test_the_subject_fills_in(void **state)
{
    (void)state;
    struct contract_field *field = everything_field("f_string");
    static const char *const expected[] = {"\"fString\":\"\"", "\"fString\":\"ada\"",
                                           "\"fString\":\"anybody\"", "\"fString\":\"ada\""};
    field->default_subject = true;
    for (size_t i = 0; i < 4; i++) {
        field->default_value = i >= 2 ? "anybody" : NULL;
        ProtobufCMessage *message = message_of("{}");
        validate_defaults(everything_type(), message, i % 2 == 1 ? span_of("ada") : SPAN_EMPTY);
        assert_non_null(strstr(everything_json(message, &arena), expected[i]));
    }
    ProtobufCMessage *message = message_of("{\"fString\":\"own\"}");
    validate_defaults(everything_type(), message, span_of("ada"));
    assert_non_null(strstr(everything_json(message, &arena), "\"fString\":\"own\""));
    /* A subject that breaks the field's own rule is left out. */
    for (uint32_t most = 2; most <= 3; most++) {
        field->rules.max_len = most;
        message = message_of("{}");
        validate_defaults(everything_type(), message, span_of("ada"));
        assert_non_null(strstr(everything_json(message, &arena), expected[most == 2 ? 2 : 1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_rules, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_length_in_characters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_required, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_of_a_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_patterns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_bad_pattern_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_urls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_numbers_at_their_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_items, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nested_messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_violations_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_defaults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_subject_fills_in, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
