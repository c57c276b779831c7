/* JSON -> message: what is accepted and what it becomes (told by json_write), what is refused and
 * where. Each text is read whole, and cut at every byte, which must never be fine nor crash. */
#include "tests/support/arena_fixture.h"
#include "tests/unit/flow/shapes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct good {
    const char *json;
    const char *member; /* of what is written back */
};

struct bad {
    const char *json;
    enum json_result result;
    const char *rule;
    const char *path; /* JSON_SHAPE */
    size_t offset;    /* JSON_SYNTAX */
};

static void explain(const char *json, enum json_result result, const struct json_error *error)
{
    print_error("%s\n  gave %d, offset %zu, path %.*s, rule %.*s: %.*s\n", json, (int)result,
                error->offset, (int)error->path.len, error->path.at, (int)error->rule.len,
                error->rule.at, (int)error->message.len, error->message.at);
}

static void check_good(const struct good *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ProtobufCMessage *message = NULL;
        struct json_error error = {0};
        arena_reset(&arena);
        enum json_result result = everything_read(span_of(cases[i].json), &arena, &message, &error);
        if (result != JSON_FINE) {
            explain(cases[i].json, result, &error);
            fail();
        }
        const char *json = everything_json(message, &arena);
        if (strstr(json, cases[i].member) == NULL) {
            print_error("%s\n  became %s\n  without %s\n", cases[i].json, json, cases[i].member);
            fail();
        }
        size_t whole = span_trim(span_of(cases[i].json)).len;
        for (size_t cut = 1; cut < whole; cut++)
            assert_int_not_equal(
                everything_read(span_make(cases[i].json, cut), &arena, &message, &error),
                JSON_FINE);
    }
}

static void check_bad(const struct bad *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ProtobufCMessage *message = NULL;
        struct json_error error = {0};
        arena_reset(&arena);
        enum json_result result = everything_read(span_of(cases[i].json), &arena, &message, &error);
        bool right = result == cases[i].result && span_is(error.rule, cases[i].rule) &&
                     error.message.len > 0;
        if (result == JSON_SHAPE)
            right = right && span_is(error.path, cases[i].path);
        if (result == JSON_SYNTAX)
            right = right && error.offset == cases[i].offset;
        if (!right) {
            explain(cases[i].json, result, &error);
            fail();
        }
    }
}

#define CHECK_GOOD(cases) check_good(cases, sizeof(cases) / sizeof((cases)[0]))
#define CHECK_BAD(cases)  check_bad(cases, sizeof(cases) / sizeof((cases)[0]))

static void test_whole_numbers(void **state)
{
    (void)state;
    static const struct good good[] = {
        {"{\"fInt32\":2147483647}", "\"fInt32\":2147483647"},
        {"{\"fInt32\":-2147483648}", "\"fInt32\":-2147483648"},
        {"{\"fInt32\":\"-12\"}", "\"fInt32\":-12"},
        {"{\"fInt32\":1e3}", "\"fInt32\":1000"},
        {"{\"fInt32\":1.0}", "\"fInt32\":1,"},
        {"{\"fInt32\":\"1e3\"}", "\"fInt32\":1000"},
        {"{\"fInt32\":-0}", "\"fInt32\":0"},
        {"{\"fInt32\":100000.000}", "\"fInt32\":100000"},
        {"{\"fSint32\":-7}", "\"fSint32\":-7"},
        {"{\"fSfixed32\":-7}", "\"fSfixed32\":-7"},
        {"{\"fUint32\":4294967295}", "\"fUint32\":4294967295"},
        {"{\"fFixed32\":\"4294967295\"}", "\"fFixed32\":4294967295"},
        {"{\"fInt64\":\"-9223372036854775808\"}", "\"fInt64\":\"-9223372036854775808\""},
        {"{\"fInt64\":-9223372036854775808}", "\"fInt64\":\"-9223372036854775808\""},
        {"{\"fInt64\":9223372036854775807}", "\"fInt64\":\"9223372036854775807\""},
        {"{\"fSint64\":1e18}", "\"fSint64\":\"1000000000000000000\""},
        {"{\"fSfixed64\":\"-1\"}", "\"fSfixed64\":\"-1\""},
        {"{\"fUint64\":\"18446744073709551615\"}", "\"fUint64\":\"18446744073709551615\""},
        {"{\"fUint64\":18446744073709551615}", "\"fUint64\":\"18446744073709551615\""},
        {"{\"fFixed64\":18446744073709551615 }", "\"fFixed64\":\"18446744073709551615\""},
        {"{\"fUint64\":12345678901234567}", "\"fUint64\":\"12345678901234567\""},
    };
    static const struct bad bad[] = {
        {"{\"fInt32\":2147483648}", JSON_SHAPE, "range", "fInt32", 0},
        {"{\"fInt32\":-2147483649}", JSON_SHAPE, "range", "fInt32", 0},
        {"{\"fInt32\":1e10}", JSON_SHAPE, "range", "fInt32", 0},
        {"{\"fInt32\":1e300}", JSON_SHAPE, "range", "fInt32", 0},
        {"{\"fInt32\":1e999}", JSON_SHAPE, "range", "fInt32", 0},
        {"{\"fInt32\":1.5}", JSON_SHAPE, "type", "fInt32", 0},
        {"{\"fInt32\":\"1.5\"}", JSON_SHAPE, "type", "fInt32", 0},
        {"{\"fInt32\":\"\"}", JSON_SHAPE, "type", "fInt32", 0},
        {"{\"fInt32\":\" 1\"}", JSON_SHAPE, "type", "fInt32", 0},
        {"{\"fInt32\":\"1 \"}", JSON_SHAPE, "type", "fInt32", 0},
        {"{\"fInt32\":\"+1\"}", JSON_SHAPE, "type", "fInt32", 0},
        {"{\"fInt32\":\"01\"}", JSON_SHAPE, "type", "fInt32", 0},
        {"{\"fInt32\":\"0x10\"}", JSON_SHAPE, "type", "fInt32", 0},
        {"{\"fInt32\":\"1.\"}", JSON_SHAPE, "type", "fInt32", 0},
        {"{\"fInt32\":\"1e\"}", JSON_SHAPE, "type", "fInt32", 0},
        {"{\"fInt32\":\"NaN\"}", JSON_SHAPE, "type", "fInt32", 0},
        {"{\"fInt32\":true}", JSON_SHAPE, "type", "fInt32", 0},
        {"{\"fInt32\":[1]}", JSON_SHAPE, "type", "fInt32", 0},
        {"{\"fInt32\":{}}", JSON_SHAPE, "type", "fInt32", 0},
        {"{\"fInt32\":9999999999999999999999}", JSON_SHAPE, "range", "fInt32", 0},
        {"{\"fUint32\":-1}", JSON_SHAPE, "range", "fUint32", 0},
        {"{\"fUint32\":4294967296}", JSON_SHAPE, "range", "fUint32", 0},
        {"{\"fInt64\":9223372036854775808}", JSON_SHAPE, "range", "fInt64", 0},
        {"{\"fInt64\":\"-9223372036854775809\"}", JSON_SHAPE, "range", "fInt64", 0},
        {"{\"fUint64\":18446744073709551616}", JSON_SHAPE, "range", "fUint64", 0},
        {"{\"fUint64\":\"-1\"}", JSON_SHAPE, "range", "fUint64", 0},
        {"{\"fUint64\":1.8446744073709552e19}", JSON_SHAPE, "range", "fUint64", 0},
        {"{\"fInt32\":01}", JSON_SYNTAX, "syntax", NULL, 10},
        {"{\"fInt32\":00000000000000000001}", JSON_SYNTAX, "syntax", NULL, 10},
        {"{\"fInt32\":+1}", JSON_SYNTAX, "syntax", NULL, 10},
        {"{\"fInt32\":.5}", JSON_SYNTAX, "syntax", NULL, 10},
        {"{\"fInt32\":NaN}", JSON_SYNTAX, "syntax", NULL, 10},
    };
    CHECK_GOOD(good);
    CHECK_BAD(bad);
}

static void test_reals(void **state)
{
    (void)state;
    static const struct good good[] = {
        {"{\"fDouble\":1.5}", "\"fDouble\":1.5"},
        {"{\"fDouble\":3}", "\"fDouble\":3"},
        {"{\"fDouble\":\"-2.5e-3\"}", "\"fDouble\":-0.0025"},
        {"{\"fDouble\":0.1}", "\"fDouble\":0.1,"},
        {"{\"fDouble\":-0.0}", "\"fDouble\":-0.0"},
        {"{\"fDouble\":1e-400}", "\"fDouble\":0,"},
        {"{\"fDouble\":5e-324}", "\"fDouble\":4.94065645841247e-324"},
        {"{\"fDouble\":1.7976931348623157e308}", "\"fDouble\":1.7976931348623157e+308"},
        {"{\"fDouble\":100000000000000000000}", "\"fDouble\":1e+20"},
        {"{\"fDouble\":\"NaN\"}", "\"fDouble\":\"NaN\""},
        {"{\"fDouble\":\"Infinity\"}", "\"fDouble\":\"Infinity\""},
        {"{\"fDouble\":\"-Infinity\"}", "\"fDouble\":\"-Infinity\""},
        {"{\"fFloat\":0.1}", "\"fFloat\":0.1,"},
        {"{\"fFloat\":16777217}", "\"fFloat\":16777216"},
        {"{\"fFloat\":3.4028235e+38}", "\"fFloat\":3.4028235e+38"},
        {"{\"fFloat\":\"-Infinity\"}", "\"fFloat\":\"-Infinity\""},
    };
    static const struct bad bad[] = {
        {"{\"fFloat\":3.5e38}", JSON_SHAPE, "range", "fFloat", 0},
        {"{\"fFloat\":\"-3.5e38\"}", JSON_SHAPE, "range", "fFloat", 0},
        {"{\"fDouble\":1.9e308}", JSON_SHAPE, "range", "fDouble", 0},
        {"{\"fDouble\":\"1.9e308\"}", JSON_SHAPE, "range", "fDouble", 0},
        {"{\"fDouble\":\"inf\"}", JSON_SHAPE, "type", "fDouble", 0},
        {"{\"fDouble\":\"nan\"}", JSON_SHAPE, "type", "fDouble", 0},
        {"{\"fDouble\":\"+Infinity\"}", JSON_SHAPE, "type", "fDouble", 0},
        {"{\"fDouble\":\"0x1p3\"}", JSON_SHAPE, "type", "fDouble", 0},
        {"{\"fDouble\":\"\"}", JSON_SHAPE, "type", "fDouble", 0},
        {"{\"fDouble\":false}", JSON_SHAPE, "type", "fDouble", 0},
    };
    CHECK_GOOD(good);
    CHECK_BAD(bad);
}

static void test_texts_bools_enums_and_bytes(void **state)
{
    (void)state;
    static const struct good good[] = {
        {"{\"fString\":\"\\u00e9\\ud83d\\udc31\\n\\/\\\"\"}",
         "\"fString\":\"\xc3\xa9\xf0\x9f\x90\xb1\\n/\\\"\""},
        {"{\"fString\":\"\"}", "\"fString\":\"\""},
        {"{\"fString\":\"\x7f\"}", "\"fString\":\"\\u007f\""},
        {"{\"fBool\":true}", "\"fBool\":true"},
        {"{\"fBool\":false}", "\"fBool\":false"},
        {"{\"fColor\":\"COLOR_RED\"}", "\"fColor\":\"COLOR_RED\""},
        {"{\"fColor\":1}", "\"fColor\":\"COLOR_RED\""},
        {"{\"fColor\":1.0}", "\"fColor\":\"COLOR_RED\""},
        {"{\"fBytes\":\"AAECAw==\"}", "\"fBytes\":\"AAECAw==\""},
        {"{\"fBytes\":\"-_-_\"}", "\"fBytes\":\"+/+/\""},
        {"{\"fBytes\":\"AAECAw\"}", "\"fBytes\":\"AAECAw==\""},
        {"{\"fBytes\":\"\"}", "\"fBytes\":\"\""},
    };
    static const struct bad bad[] = {
        {"{\"fString\":1}", JSON_SHAPE, "type", "fString", 0},
        {"{\"fString\":12345678901234567890}", JSON_SHAPE, "type", "fString", 0},
        {"{\"fString\":true}", JSON_SHAPE, "type", "fString", 0},
        {"{\"fString\":[\"a\"]}", JSON_SHAPE, "type", "fString", 0},
        {"{\"fString\":\"a\\u0000b\"}", JSON_SHAPE, "utf8", "fString", 0},
        {"{\"rString\":[\"a\",\"\\u0000\"]}", JSON_SHAPE, "utf8", "rString[1]", 0},
        {"{\"mString\":{\"a\\u0000\":\"\"}}", JSON_SHAPE, "utf8", "mString[\"a\\\\u0000\"]", 0},
        {"{\"fInt64\":\"\\u00001234567890123456789\"}", JSON_SHAPE, "utf8", "fInt64", 0},
        {"{\"fString\":\"\\ud83d\"}", JSON_SYNTAX, "syntax", NULL, 12},
        {"{\"fString\":\"\\udc31\\ud83d\"}", JSON_SYNTAX, "syntax", NULL, 12},
        {"{\"fString\":\"\\x\"}", JSON_SYNTAX, "syntax", NULL, 12},
        {"{\"fString\":\"a\nb\"}", JSON_SYNTAX, "syntax", NULL, 13},
        {"{\"fString\":\"\xff\"}", JSON_SYNTAX, "utf8", NULL, 12},
        {"{\"fString\":\"\xed\xa0\x80\"}", JSON_SYNTAX, "utf8", NULL, 12},
        {"{\"fString\":\"\xc0\x80\"}", JSON_SYNTAX, "utf8", NULL, 12},
        {"{\"fBool\":\"true\"}", JSON_SHAPE, "type", "fBool", 0},
        {"{\"fBool\":1}", JSON_SHAPE, "type", "fBool", 0},
        {"{\"fColor\":\"COLOR_NONE\"}", JSON_SHAPE, "enum", "fColor", 0},
        {"{\"fColor\":\"color_red\"}", JSON_SHAPE, "enum", "fColor", 0},
        {"{\"fColor\":\"1\"}", JSON_SHAPE, "enum", "fColor", 0},
        {"{\"fColor\":99}", JSON_SHAPE, "enum", "fColor", 0},
        {"{\"fColor\":4294967297}", JSON_SHAPE, "enum", "fColor", 0},
        {"{\"fColor\":18446744073709551617}", JSON_SHAPE, "enum", "fColor", 0},
        {"{\"fColor\":0.5}", JSON_SHAPE, "type", "fColor", 0},
        {"{\"fColor\":[]}", JSON_SHAPE, "type", "fColor", 0},
        {"{\"fBytes\":\"A\"}", JSON_SHAPE, "base64", "fBytes", 0},
        {"{\"fBytes\":\"AA=\"}", JSON_SHAPE, "base64", "fBytes", 0},
        {"{\"fBytes\":\"A A=\"}", JSON_SHAPE, "base64", "fBytes", 0},
        {"{\"fBytes\":\"!!!!\"}", JSON_SHAPE, "base64", "fBytes", 0},
        {"{\"fBytes\":5}", JSON_SHAPE, "type", "fBytes", 0},
    };
    CHECK_GOOD(good);
    CHECK_BAD(bad);
}

static void test_messages_and_names(void **state)
{
    (void)state;
    static const struct good good[] = {
        {"{}", "\"fInt32\":0"},
        {"{ \r\n\t} \n", "\"fInt32\":0"},
        {"{\"f_int32\":5}", "\"fInt32\":5"},
        {"{\"fNode\":{}}", "\"fNode\":{\"name\":\"\""},
        {"{\"fNode\":{\"child\":{\"name\":\"x\"}}}", "\"child\":{\"name\":\"x\""},
        {"{\"fInt32\":null,\"fString\":null,\"rInt32\":null,\"mString\":null}", "\"mString\":{}"},
        {"{\"fInt32\":5,\"fNode\":null}", "\"fInt32\":5"},
    };
    static const struct bad bad[] = {
        {"{\"nope\":1}", JSON_SHAPE, "unknown_field", "nope", 0},
        {"{\"FInt32\":1}", JSON_SHAPE, "unknown_field", "FInt32", 0},
        {"{\"\":1}", JSON_SHAPE, "unknown_field", "[\"\"]", 0},
        {"{\"nope\":null}", JSON_SHAPE, "unknown_field", "nope", 0},
        {"{\"fNode\":{\"child\":{\"nope\":1}}}", JSON_SHAPE, "unknown_field", "fNode.child.nope",
         0},
        {"{\"fInt32\":1,\"fInt32\":1}", JSON_SHAPE, "duplicate_field", "fInt32", 0},
        {"{\"fInt32\":1,\"f_int32\":1}", JSON_SHAPE, "duplicate_field", "fInt32", 0},
        {"{\"f_int32\":null,\"fInt32\":1}", JSON_SHAPE, "duplicate_field", "fInt32", 0},
        {"{\"rNode\":[{},{\"name\":\"a\",\"name\":\"b\"}]}", JSON_SHAPE, "duplicate_field",
         "rNode[1].name", 0},
        {"{\"fInt32\":1,\"f\\u0049nt32\":1}", JSON_SHAPE, "duplicate_field", "[\"f\\\\u0049nt32\"]",
         0},
        {"{\"fNode\":5}", JSON_SHAPE, "type", "fNode", 0},
        {"{\"fNode\":[]}", JSON_SHAPE, "type", "fNode", 0},
        {"[]", JSON_SHAPE, "type", "", 0},
        {"null", JSON_SHAPE, "type", "", 0},
        {"\"x\"", JSON_SHAPE, "type", "", 0},
        {"7", JSON_SHAPE, "type", "", 0},
    };
    CHECK_GOOD(good);
    CHECK_BAD(bad);
    ProtobufCMessage *message = NULL;
    struct json_error error;
    assert_int_equal(everything_read(SPAN_EMPTY, &arena, &message, &error), JSON_FINE);
    assert_int_equal(protobuf_c_message_get_packed_size(message), 0);
    assert_int_equal(everything_read(span_make("{}\0", 3), &arena, &message, &error), JSON_SYNTAX);
    assert_in_range(error.offset, 2, 3);
}

static void test_repeated_maps_and_oneof(void **state)
{
    (void)state;
    static const struct good good[] = {
        {"{\"rInt32\":[1,\"2\",3e0]}", "\"rInt32\":[1,2,3]"},
        {"{\"rInt32\":[]}", "\"rInt32\":[]"},
        {"{\"rString\":[\"\",\"a\"]}", "\"rString\":[\"\",\"a\"]"},
        {"{\"rNode\":[{\"name\":\"a\"},{}]}", "\"rNode\":[{\"name\":\"a\""},
        {"{\"rBytes\":[\"AA\",\"\"]}", "\"rBytes\":[\"AA==\",\"\"]"},
        {"{\"rColor\":[1,\"COLOR_RED\"]}", "\"rColor\":[\"COLOR_RED\",\"COLOR_RED\"]"},
        {"{\"rDouble\":[0.5,\"NaN\"]}", "\"rDouble\":[0.5,\"NaN\"]"},
        {"{\"rBool\":[true,false]}", "\"rBool\":[true,false]"},
        {"{\"rUint64\":[1,18446744073709551615]}", "\"rUint64\":[\"1\",\"18446744073709551615\"]"},
        {"{\"mString\":{\"b\":\"1\",\"a\":\"\",\"\":\"2\"}}",
         "\"mString\":{\"b\":\"1\",\"a\":\"\",\"\":\"2\"}"},
        {"{\"mInt32\":{\"-5\":\"7\",\"0\":1}}", "\"mInt32\":{\"-5\":\"7\",\"0\":\"1\"}"},
        {"{\"mBool\":{\"true\":1,\"false\":0}}", "\"mBool\":{\"true\":\"COLOR_RED\",\"false\":"},
        {"{\"mNode\":{\"18446744073709551615\":{}}}", "\"18446744073709551615\":{\"name\":\"\""},
        {"{\"mString\":{\"fInt32\":\"x\"}}", "\"mString\":{\"fInt32\":\"x\"}"},
        {"{\"cString\":\"\"}", "\"cString\":\"\""},
        {"{\"cInt64\":5}", "\"cInt64\":\"5\""},
        {"{\"cNode\":{}}", "\"cNode\":{\"name\":\"\""},
        {"{\"cBool\":false,\"cString\":null}", "\"cBool\":false"},
    };
    static const struct bad bad[] = {
        {"{\"rInt32\":5}", JSON_SHAPE, "type", "rInt32", 0},
        {"{\"rInt32\":{}}", JSON_SHAPE, "type", "rInt32", 0},
        {"{\"rInt32\":[1,null]}", JSON_SHAPE, "null", "rInt32[1]", 0},
        {"{\"rInt32\":[1,2,\"x\"]}", JSON_SHAPE, "type", "rInt32[2]", 0},
        {"{\"rInt32\":[[1]]}", JSON_SHAPE, "type", "rInt32[0]", 0},
        {"{\"rNode\":[{},{\"children\":[{},{\"name\":5}]}]}", JSON_SHAPE, "type",
         "rNode[1].children[1].name", 0},
        {"{\"mString\":[]}", JSON_SHAPE, "type", "mString", 0},
        {"{\"mString\":{\"a\":null}}", JSON_SHAPE, "null", "mString[\"a\"]", 0},
        {"{\"mString\":{\"a\":1}}", JSON_SHAPE, "type", "mString[\"a\"]", 0},
        {"{\"mString\":{\"a\":\"\",\"a\":\"\"}}", JSON_SHAPE, "duplicate_field", "mString.a", 0},
        {"{\"mInt32\":{\"x\":1}}", JSON_SHAPE, "type", "mInt32[\"x\"]", 0},
        {"{\"mInt32\":{\"01\":1}}", JSON_SHAPE, "type", "mInt32[\"01\"]", 0},
        {"{\"mInt32\":{\"-0\":1}}", JSON_SHAPE, "type", "mInt32[\"-0\"]", 0},
        {"{\"mInt32\":{\"1.0\":1}}", JSON_SHAPE, "type", "mInt32[\"1.0\"]", 0},
        {"{\"mInt32\":{\"\":1}}", JSON_SHAPE, "type", "mInt32[\"\"]", 0},
        {"{\"mInt32\":{\"2147483648\":1}}", JSON_SHAPE, "range", "mInt32[\"2147483648\"]", 0},
        {"{\"mInt32\":{\"99999999999999999999\":1}}", JSON_SHAPE, "range",
         "mInt32[\"99999999999999999999\"]", 0},
        {"{\"mBool\":{\"True\":1}}", JSON_SHAPE, "type", "mBool[\"True\"]", 0},
        {"{\"mNode\":{\"7\":{\"nope\":1}}}", JSON_SHAPE, "unknown_field", "mNode[\"7\"].nope", 0},
        {"{\"mNode\":{\"-1\":{}}}", JSON_SHAPE, "range", "mNode[\"-1\"]", 0},
        {"{\"cString\":\"\",\"cInt64\":0}", JSON_SHAPE, "oneof", "cInt64", 0},
        {"{\"cNode\":{},\"cBool\":false}", JSON_SHAPE, "oneof", "cBool", 0},
    };
    CHECK_GOOD(good);
    CHECK_BAD(bad);
}

static void test_syntax_errors_say_where(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {" ", JSON_SYNTAX, "syntax", NULL, 1},
        {"{", JSON_SYNTAX, "syntax", NULL, 1},
        {"}", JSON_SYNTAX, "syntax", NULL, 0},
        {"{\"fInt32\"}", JSON_SYNTAX, "syntax", NULL, 9},
        {"{\"fInt32\":}", JSON_SYNTAX, "syntax", NULL, 10},
        {"{\"fInt32\":1,}", JSON_SYNTAX, "syntax", NULL, 12},
        {"{\"fInt32\":1 \"fBool\":true}", JSON_SYNTAX, "syntax", NULL, 12},
        {"{\"rInt32\":[1,]}", JSON_SYNTAX, "syntax", NULL, 13},
        {"{\"rInt32\":[1}", JSON_SYNTAX, "syntax", NULL, 12},
        {"{\"fBool\":tru}", JSON_SYNTAX, "syntax", NULL, 9},
        {"{} x", JSON_SYNTAX, "syntax", NULL, 3},
        {"{}{}", JSON_SYNTAX, "syntax", NULL, 2},
        {"{'fInt32':1}", JSON_SYNTAX, "syntax", NULL, 1},
        {"{/**/}", JSON_SYNTAX, "syntax", NULL, 1},
        {"\xef\xbb\xbf{}", JSON_SYNTAX, "syntax", NULL, 0},
        /* Inside a string: the byte that breaks it. */
        {"{\"fString\":\"a", JSON_SYNTAX, "syntax", NULL, 13},
        {"{\"fString\":\"", JSON_SYNTAX, "syntax", NULL, 12},
        {"{\"fString\":\"a\\", JSON_SYNTAX, "syntax", NULL, 13},
        {"{\"fString\":\"\\\\ \\u00e", JSON_SYNTAX, "syntax", NULL, 15},
        {"{\"fString\":\"\\u00eg\"}", JSON_SYNTAX, "syntax", NULL, 12},
        {"{\"fString\":\"\\ud83d\\ude00 \\ud83d\\u0041\"}", JSON_SYNTAX, "syntax", NULL, 25},
        {"{\"fString\":\"\\\" \\a\"}", JSON_SYNTAX, "syntax", NULL, 15},
        {"{\"fString\" \"a\"}", JSON_SYNTAX, "syntax", NULL, 11},
        /* Tokens that are too long for jansson to repeat. */
        {"{\"fString\":\"1234567890123456789012345\tb\"}", JSON_SYNTAX, "syntax", NULL, 37},
        {"{\"fString\":\"1234567890123456789012345", JSON_SYNTAX, "syntax", NULL, 37},
        {"{\"fString\":\"a\" \"1234567890123456789012345\"}", JSON_SYNTAX, "syntax", NULL, 15},
        {"{\"fBool\":truetruetruetruetruetruetrue}", JSON_SYNTAX, "syntax", NULL, 9},
        /* Long integers are rewritten before the parse: offsets are still the caller's. */
        {"{\"fUint64\":12345678901234567890,\"fString\":\"\\a\"}", JSON_SYNTAX, "syntax", NULL, 43},
        {"{\"fUint64\":12345678901234567890,}", JSON_SYNTAX, "syntax", NULL, 32},
        {"{\"rUint64\":[12345678901234567890,12345678901234567891 7]}", JSON_SYNTAX, "syntax", NULL,
         54},
    };
    CHECK_BAD(bad);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_whole_numbers),
        CASE(test_reals),
        CASE(test_texts_bools_enums_and_bytes),
        CASE(test_messages_and_names),
        CASE(test_repeated_maps_and_oneof),
        CASE(test_syntax_errors_say_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
