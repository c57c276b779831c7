/* The generated tables under json_read, wire_read and validate: what the compiler wrote is what the
 * code reads. Every kind of field goes there and back. */
#include "shared/flow/json.h"
#include "shared/flow/validate.h"
#include "shared/flow/wire.h"
#include "tests/support/method_named.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    const char *bad = NULL;
    arena_init(&arena, 1 << 20);
    return validate_prepare(&weir_contract, &bad) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    validate_shutdown();
    arena_fini(&arena);
    return 0;
}

static const struct contract_message *request_type(const char *rpc)
{
    return method_named(rpc)->request;
}

static const char *written(const struct contract_message *type, const ProtobufCMessage *message)
{
    struct buf out;
    buf_init(&out, &arena, 1 << 20);
    json_write(&out, type, message);
    buf_put_char(&out, '\0');
    return out.at;
}

static const char stock[] =
    "{\"shop\":\"S\",\"items\":[{\"name\":\"tea\",\"quality\":\"QUALITY_FINE\",\"box\":{\"width\":"
    "3,"
    "\"labels\":[\"a\",\"b\"]}}],\"counts\":{\"tea\":2,\"\":-1},\"shelf\":{\"top\":{\"name\":\"t\","
    "\"quality\":\"QUALITY_UNSPECIFIED\"}},\"quality\":\"QUALITY_POOR\","
    "\"big\":\"-9223372036854775808\",\"bigger\":\"18446744073709551615\",\"small\":-5,"
    "\"fixed\":\"7\",\"signedFixed\":-8,\"picture\":\"AP8=\",\"weight\":0.1,\"price\":1e+100,"
    "\"open\":true,\"numbers\":[1,-2],\"gift\":{\"name\":\"g\",\"quality\":\"QUALITY_FINE\"},"
    "\"names\":{\"-3\":\"x\"},\"natural\":4294967295,\"prices\":[0.5],"
    "\"qualities\":[\"QUALITY_POOR\"],\"pictures\":[\"\",\"AA==\"]}";

static void test_there_and_back(void **state)
{
    (void)state;
    const struct contract_message *type = request_type("TakeStock");
    ProtobufCMessage *message = NULL;
    struct json_error error;
    struct wire_error wire_error;
    struct violation *violations;
    assert_int_equal(json_read(span_of(stock), type, &arena, &message, &error), JSON_FINE);
    assert_string_equal(written(type, message), stock);
    assert_int_equal(validate_message(type, message, &arena, &violations), 0);
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *wire = arena_alloc(&arena, len);
    assert_int_equal(protobuf_c_message_pack(message, wire), len);
    assert_int_equal(
        wire_read(span_make((const char *)wire, len), type, &arena, &message, &wire_error),
        WIRE_FINE);
    assert_string_equal(written(type, message), stock);
}

static void test_both_spellings(void **state)
{
    (void)state;
    static const struct {
        const char *rpc, *json;
        enum json_result result;
    } cases[] = {
        {"TakeStock", "{\"signedFixed\":1}", JSON_FINE},
        {"TakeStock", "{\"signed_fixed\":1}", JSON_FINE},
        {"TakeStock", "{\"signed_fixed\":1,\"signedFixed\":1}", JSON_SHAPE},
        {"DescribeImage", "{\"image_url\":\"x\"}", JSON_FINE},
        {"DescribeImage", "{\"imageUrl\":\"x\"}", JSON_FINE},
        {"DescribeImage", "{\"imageUrl\":\"x\",\"image_url\":null}", JSON_SHAPE},
        {"DescribeImage", "{\"ImageUrl\":\"x\"}", JSON_SHAPE},
        {"DescribeImage", "{\"imageurl\":\"x\"}", JSON_SHAPE},
        {"DescribeImage", "{\"imageUrl_\":\"x\"}", JSON_SHAPE},
        {"DescribeImage", "{\"image\":\"x\"}", JSON_SHAPE},
        {"TakeStock", "{\"mail\":\"\",\"phone\":1}", JSON_SHAPE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ProtobufCMessage *message;
        struct json_error error;
        assert_int_equal(
            json_read(span_of(cases[i].json), request_type(cases[i].rpc), &arena, &message, &error),
            cases[i].result);
    }
}

/* V2: the rules of the sample flows, one step within and one beyond. */
static void test_rules_and_defaults_of_the_flows(void **state)
{
    (void)state;
    static const struct {
        const char *rpc, *field;
        size_t max_len;
    } cases[] = {
        {"TellJoke", "name", 200},
        {"TellJoke", "username", 200},
        {"TellJokeStream", "name", 200},
        {"TellStory", "topic", 1000},
        {"TranslateText", "text", 10000},
        {"TranslateText", "target_language", 100},
        {"GenerateCharacter", "name", 200},
        {"PirateChat", "question", 5000},
        {"GenerateCode", "description", 10000},
        {"GenerateCode", "language", 50},
        {"ReviewCode", "code", 50000},
        {"ReviewCode", "language", 50},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct contract_message *type = request_type(cases[i].rpc);
        for (size_t beyond = 0; beyond <= 1; beyond++) {
            struct buf json;
            ProtobufCMessage *message = NULL;
            struct json_error error;
            struct violation *violations = NULL;
            buf_init(&json, &arena, 1 << 20);
            buf_printf(&json, "{\"%s\":\"", cases[i].field);
            for (size_t n = 0; n < cases[i].max_len + beyond; n++)
                buf_put_char(&json, 'x');
            buf_put_text(&json, "\"}");
            arena.budget_bytes = SIZE_MAX / 4;
            assert_int_equal(json_read(buf_span(&json), type, &arena, &message, &error), JSON_FINE);
            validate_defaults(type, message, SPAN_EMPTY);
            assert_int_equal(validate_message(type, message, &arena, &violations), beyond);
            if (beyond == 0)
                continue;
            assert_true(span_is(violations->path, cases[i].field));
            assert_true(span_is(violations->rule, "string.max_len"));
        }
    }
}

static void test_an_empty_body_is_valid_for_every_flow(void **state)
{
    (void)state;
    for (size_t i = 0; i < weir_contract.n_methods; i++) {
        const struct contract_message *type = weir_contract.methods[i].request;
        ProtobufCMessage *message = NULL;
        struct json_error error;
        struct violation *violations = NULL;
        if (strcmp(weir_contract.methods[i].scope, "chat_completions") == 0)
            continue; /* a caller has to say something */
        assert_int_equal(json_read(span_of("{}"), type, &arena, &message, &error), JSON_FINE);
        validate_defaults(type, message, SPAN_EMPTY);
        assert_int_equal(validate_message(type, message, &arena, &violations), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_there_and_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_both_spellings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rules_and_defaults_of_the_flows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_empty_body_is_valid_for_every_flow, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
