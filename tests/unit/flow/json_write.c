/* Message -> JSON, and the way round: JSON -> message -> wire -> message -> JSON. */
#include "shared/flow/json.h"
#include "shared/flow/wire.h"

#include "tests/unit/flow/shapes.h"
#include "tests/unit/rounds.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, SIZE_MAX / 4);
    everything_reset();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static const char empty_json[] =
    "{\"fInt32\":0,\"fSint32\":0,\"fSfixed32\":0,\"fUint32\":0,\"fFixed32\":0,\"fInt64\":\"0\","
    "\"fSint64\":\"0\",\"fSfixed64\":\"0\",\"fUint64\":\"0\",\"fFixed64\":\"0\",\"fFloat\":0,"
    "\"fDouble\":0,\"fBool\":false,\"fString\":\"\",\"fBytes\":\"\","
    "\"fColor\":\"COLOR_UNSPECIFIED\",\"rInt32\":[],\"rString\":[],\"rNode\":[],\"rBytes\":[],"
    "\"rColor\":[],\"rDouble\":[],\"rBool\":[],\"rUint64\":[],\"mString\":{},\"mInt32\":{},"
    "\"mBool\":{},\"mNode\":{},\"mBytes\":{}}";

static void test_defaults_are_written(void **state)
{
    (void)state;
    WeirShapes__Everything message;
    weir_shapes__everything__init(&message);
    assert_string_equal(everything_json(&message.base, &arena), empty_json);
}

static void test_grpc_only_fields_are_left_out(void **state)
{
    (void)state;
    WeirShapes__Node message;
    weir_shapes__node__init(&message);
    const struct contract_message *type = everything_field("f_node")->message;
    struct buf out;
    buf_init(&out, &arena, 1000);
    everything_field("f_node.children")->grpc_only = true;
    json_write(&out, type, &message.base);
    assert_true(span_is(buf_span(&out), "{\"name\":\"\",\"named\":{}}"));
    everything_field("f_node.name")->grpc_only = true;
    everything_field("f_node.named")->grpc_only = true;
    buf_clear(&out);
    json_write(&out, type, &message.base);
    assert_true(span_is(buf_span(&out), "{}"));
}

static void test_json_names_are_the_contract_s(void **state)
{
    (void)state;
    WeirShapes__Everything message;
    weir_shapes__everything__init(&message);
    ProtobufCMessage *back;
    struct json_error error;
    everything_field("f_int32")->json_name = "f_int32";
    assert_non_null(strstr(everything_json(&message.base, &arena), "\"f_int32\":0"));
    assert_int_equal(
        json_read(span_of("{\"f_int32\":1}"), everything_type(), &arena, &back, &error), JSON_FINE);
    assert_int_equal(json_read(span_of("{\"fInt32\":1}"), everything_type(), &arena, &back, &error),
                     JSON_FINE);
    everything_field("f_int32")->grpc_only = true;
    assert_int_equal(
        json_read(span_of("{\"f_int32\":1}"), everything_type(), &arena, &back, &error),
        JSON_SHAPE);
    assert_true(span_is(error.rule, "unknown_field"));
}

static void test_enum_numbers_without_a_name(void **state)
{
    (void)state;
    WeirShapes__Everything message;
    weir_shapes__everything__init(&message);
    message.f_color = (WeirShapes__Color)77;
    assert_non_null(strstr(everything_json(&message.base, &arena), "\"fColor\":77,"));
    message.f_color = WEIR_SHAPES__COLOR__COLOR_BLUE;
    assert_non_null(strstr(everything_json(&message.base, &arena), "\"fColor\":\"COLOR_BLUE\""));
}

static void test_a_full_buffer_is_noticed(void **state)
{
    (void)state;
    WeirShapes__Everything message;
    weir_shapes__everything__init(&message);
    for (size_t limit = 0; limit < sizeof empty_json; limit++) {
        struct buf out;
        buf_init(&out, NULL, limit);
        json_write(&out, everything_type(), &message.base);
        assert_int_equal(out.overflow, limit < sizeof empty_json - 1);
        buf_fini(&out);
    }
}

/* Every double reads back as the same number, and floats as the same float. */
static void test_reals_read_back(void **state)
{
    (void)state;
    uint64_t bits = 88172645463325252U;
    for (unsigned i = 0; i < ROUNDS_OF(20000); i++) {
        WeirShapes__Everything message;
        weir_shapes__everything__init(&message);
        ProtobufCMessage *back;
        struct json_error error;
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        uint32_t half = (uint32_t)bits;
        memcpy(&message.f_double, &bits, sizeof bits);
        memcpy(&message.f_float, &half, sizeof half);
        if (i % 2 == 0) /* short ones too */
            message.f_double = (double)(int32_t)half / 1000;
        arena_reset(&arena);
        const char *json = everything_json(&message.base, &arena);
        assert_int_equal(json_read(span_of(json), everything_type(), &arena, &back, &error),
                         JSON_FINE);
        const WeirShapes__Everything *read = (const WeirShapes__Everything *)(const void *)back;
        if (isnan(message.f_double))
            assert_true(isnan(read->f_double));
        else
            assert_memory_equal(&read->f_double, &message.f_double, sizeof(double));
        if (isnan(message.f_float))
            assert_true(isnan(read->f_float));
        else
            assert_memory_equal(&read->f_float, &message.f_float, sizeof(float));
    }
}

static void test_there_and_back(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"fInt32\":-1,\"fSint32\":-2147483648,\"fSfixed32\":-3,\"fUint32\":4294967295,"
        "\"fFixed32\":7,\"fInt64\":\"-9223372036854775808\",\"fSint64\":\"-5\","
        "\"fSfixed64\":\"9223372036854775807\",\"fUint64\":18446744073709551615,"
        "\"fFixed64\":\"1\",\"fFloat\":0.1,\"fDouble\":-1e-300,\"fBool\":true,"
        "\"fString\":\"h\xc3\xa9 \\u0001\\\"\",\"fBytes\":\"AP8=\",\"fColor\":\"COLOR_BLUE\"}",
        "{\"fNode\":{\"name\":\"a\",\"child\":{\"child\":{\"name\":\"c\"}},"
        "\"children\":[{},{\"name\":\"x\",\"children\":[{}]}],\"named\":{\"k\":{\"name\":\"v\"},"
        "\"\":{}}}}",
        "{\"rInt32\":[1,-2,0],\"rString\":[\"\",\"a\"],\"rNode\":[{},{\"name\":\"n\"}],"
        "\"rBytes\":[\"\",\"AA==\"],\"rColor\":[0,1,-2],\"rDouble\":[\"NaN\",\"Infinity\",1.5],"
        "\"rBool\":[true,false],\"rUint64\":[\"0\",\"18446744073709551615\"]}",
        "{\"mString\":{\"z\":\"1\",\"a\":\"\",\"\":\"e\"},\"mInt32\":{\"-7\":\"5\",\"0\":\"0\"},"
        "\"mBool\":{\"true\":1,\"false\":0},\"mNode\":{\"0\":{},\"18446744073709551615\":{}},"
        "\"mBytes\":{\"b\":\"/w==\"}}",
        "{\"cString\":\"\"}",
        "{\"cInt64\":\"0\"}",
        "{\"cNode\":{\"name\":\"x\"}}",
        "{\"cBool\":false}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        ProtobufCMessage *message = NULL, *again = NULL;
        struct json_error error;
        struct wire_error wire_error;
        assert_int_equal(json_read(span_of(texts[i]), everything_type(), &arena, &message, &error),
                         JSON_FINE);
        const char *json = everything_json(message, &arena);
        size_t len = protobuf_c_message_get_packed_size(message);
        uint8_t *wire = arena_alloc(&arena, len);
        assert_int_equal(protobuf_c_message_pack(message, wire), len);
        assert_int_equal(wire_read(span_make((const char *)wire, len), everything_type(), &arena,
                                   &again, &wire_error),
                         WIRE_FINE);
        assert_string_equal(everything_json(again, &arena), json);
        assert_int_equal(json_read(span_of(json), everything_type(), &arena, &again, &error),
                         JSON_FINE);
        assert_string_equal(everything_json(again, &arena), json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults_are_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_grpc_only_fields_are_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_json_names_are_the_contract_s, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_enum_numbers_without_a_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_full_buffer_is_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reals_read_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_there_and_back, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
