/* What is JSON and what is not, and what the views find. The fuzzer of the same name compares with
 * jansson. */
#include "shared/base/json_view.h"
#include "tests/support/exact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool is_json(const char *text)
{
    struct span copy = exact_copy(span_of(text));
    bool good = json_view_is_there(json_view_parse(copy));
    exact_free(copy);
    return good;
}

static void test_takes_json(void **state)
{
    static const char *const good[] = {"{}",
                                       "[]",
                                       " \t\r\n[ ] ",
                                       "{\"a\":{\"b\":[1,2.5,-0,1e9,1E-9,0.1e+2]}}",
                                       "[true,false,null,\"\"]",
                                       "{\"\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"}",
                                       "[\"\\ud83d\\ude00\",\"\xf0\x9f\x98\x80\"]",
                                       "[9223372036854775807,-9223372036854775808,1e308]"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(is_json(good[i]));
}

static void test_refuses_the_rest(void **state)
{
    static const char *const bad[] = {"",
                                      "1",
                                      "\"a\"",
                                      "null",
                                      "{",
                                      "[",
                                      "]",
                                      "[1",
                                      "[1,",
                                      "[1,]",
                                      "[,1]",
                                      "[1 2]",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{1:1}",
                                      "{\"a\" 1}",
                                      "[}",
                                      "{]",
                                      "[1]]",
                                      "[1]x",
                                      "[01]",
                                      "[-]",
                                      "[+1]",
                                      "[1.]",
                                      "[.5]",
                                      "[1e]",
                                      "[1e+]",
                                      "[0x1]",
                                      "[1e309]",
                                      "[-1e309]",
                                      "[1e99999]",
                                      "[tru]",
                                      "[truex]",
                                      "[nul",
                                      "[\"",
                                      "[\"a",
                                      "[\"\\",
                                      "[\"\\x\"]",
                                      "[\"\\u12\"]",
                                      "[\"\\u00zz\"]",
                                      "[\"\n\"]",
                                      "[\"\x01\"]",
                                      "[\"\\u0000\"]",
                                      "[\"\xc3\"]",
                                      "[\xa0]",
                                      "[\"\\ud800\"]",
                                      "[\"\\udc00\"]",
                                      "[\"\\ud800\\u0041\"]",
                                      "[9223372036854775808]",
                                      "[-9223372036854775809]",
                                      "[1",
                                      "[1e400"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(is_json(bad[i]));
}

static void test_bounds_depth(void **state)
{
    char text[2 * JSON_VIEW_LEVELS + 3] = "";
    (void)state;
    memset(text, '[', JSON_VIEW_LEVELS);
    memset(text + JSON_VIEW_LEVELS, ']', JSON_VIEW_LEVELS);
    assert_true(is_json(text));
    memset(text, '[', JSON_VIEW_LEVELS + 1);
    memset(text + JSON_VIEW_LEVELS + 1, ']', JSON_VIEW_LEVELS + 1);
    assert_false(is_json(text));
}

static void test_finds_members(void **state)
{
    struct json_view root = json_view_parse(span_of(
        " {\"a\" : {\"x\":1} , \"b\":\"}\\\"]\",\"\\u0063\":[ 7 ,\"eight\",null ],\"a\":2}"));
    struct json_view list = json_view_get(root, "c"), item = json_view_first(list);
    int64_t number = 0;
    (void)state;
    assert_true(json_view_integer(json_view_get(root, "a"), &number));
    assert_int_equal(number, 2); /* the last one */
    assert_true(json_view_is(json_view_get(root, "b"), span_of("}\"]")));
    assert_true(json_view_integer(item, &number) && number == 7);
    item = json_view_after(list, item);
    assert_true(json_view_is(item, span_of("eight")));
    item = json_view_after(list, item);
    assert_true(json_view_is_null(item));
    assert_false(json_view_is_there(json_view_after(list, item)));
    assert_false(json_view_is_there(json_view_get(root, "d")));
}

static void test_finds_several_members(void **state)
{
    struct json_view root =
        json_view_parse(span_of("{\"b\":1,\"bb\":2,\"\\u0061\":3,\"\\n\":4,\"c\":5,\"c\":6}"));
    struct json_member members[] = {{.name = SPAN_LITERAL("a")},
                                    {.name = SPAN_LITERAL("b")},
                                    {.name = SPAN_LITERAL("c")},
                                    {.name = SPAN_LITERAL("\\n")},
                                    {.name = SPAN_LITERAL("d"), .value = root}};
    int64_t number = 0;
    (void)state;
    json_view_find(root, members, 5);
    assert_true(json_view_integer(members[0].value, &number) && number == 3);
    assert_true(json_view_integer(members[1].value, &number) && number == 1);
    assert_true(json_view_integer(members[2].value, &number) && number == 6);
    assert_false(json_view_is_there(members[3].value)); /* a backslash and an n, not a newline */
    assert_false(json_view_is_there(members[4].value));
    json_view_find(members[0].value, members, 5);
    assert_false(json_view_is_there(members[1].value));
}

static void test_answers_no_about_others(void **state)
{
    struct json_view root = json_view_parse(span_of("{\"text\":\"x\",\"real\":1.5,\"none\":[]}"));
    struct json_view text = json_view_get(root, "text");
    struct span plain = SPAN_EMPTY;
    int64_t number = 3;
    struct buf out;
    (void)state;
    buf_init(&out, NULL, 10);
    assert_false(json_view_is_there(json_view_get(json_view_get(text, "a"), "b")));
    assert_false(json_view_is_there(json_view_first(text)));
    assert_false(json_view_is_there(json_view_first(json_view_get(root, "none"))));
    assert_false(json_view_integer(text, &number));
    assert_false(json_view_integer(json_view_get(root, "real"), &number));
    assert_false(json_view_plain(root, &plain) || json_view_is(root, SPAN_EMPTY));
    json_view_put(root, &out);
    assert_int_equal(number, 3);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

static void test_resolves_escapes(void **state)
{
    static const char want[] = "a\"\\/\b\f\n\r\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
    struct json_view root = json_view_parse(
        span_of("[\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\\ud83d\\uDE00z\",\"plain\"]"));
    struct json_view first = json_view_first(root);
    struct span plain;
    struct buf out;
    (void)state;
    buf_init(&out, NULL, 100);
    json_view_put(first, &out);
    assert_true(span_is(buf_span(&out), want));
    assert_true(json_view_is(first, span_of(want)));
    assert_false(json_view_is(first, span_of("a\"\\/\b\f\n\r\t\xc3\xa9")));
    assert_false(json_view_plain(first, &plain));
    assert_true(json_view_plain(json_view_after(root, first), &plain));
    assert_true(span_is(plain, "plain"));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_takes_json),
                                       cmocka_unit_test(test_refuses_the_rest),
                                       cmocka_unit_test(test_bounds_depth),
                                       cmocka_unit_test(test_finds_members),
                                       cmocka_unit_test(test_finds_several_members),
                                       cmocka_unit_test(test_answers_no_about_others),
                                       cmocka_unit_test(test_resolves_escapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
