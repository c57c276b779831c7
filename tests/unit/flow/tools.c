/* Tools by themselves: what they answer, and what they make of arguments that a model made up. */
#include "shared/flow/tools.h"

#include "shared/flow/tool_schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct tool_scope scope = {.unix_s = 1700000000};

static bool answer(const char *name, const char *arguments, bool offered, char text[512])
{
    const struct chat_tool *offer = tools_find(span_of("get_current_time"));
    struct chat_part call = {
        .kind = CHAT_TOOL_CALL, .name = span_of(name), .text = span_of(arguments)};
    struct buf out;
    assert_non_null(offer);
    buf_init(&out, NULL, 511);
    bool fine = tools_answer(&offer, offered ? 1 : 0, &call, &scope, &out);
    assert_false(out.overflow);
    memcpy(text, out.at, out.len);
    text[out.len] = '\0';
    buf_fini(&out);
    return fine;
}

static void the_time(void **state)
{
    char text[512];
    (void)state;
    assert_true(answer("get_current_time", "{}", true, text));
    assert_string_equal(text, "{\"time\":\"2023-11-14T22:13:20Z\"}");
    assert_true(answer("get_current_time", "", true, text));
    assert_true(answer("get_current_time", " \n", true, text));
}

static void made_up_calls(void **state)
{
    static const char *const bad[] = {"[]",   "null",      "{",      "{}{}",
                                      "time", "{\"a\":1}", "\"{}\"", "{\"a\":1,\"a\":2}"};
    char text[512];
    (void)state;
    assert_false(answer("get_current_tim", "{}", true, text));
    assert_string_equal(text, "{\"error\":\"there is no tool of this name\"}");
    assert_false(answer("", "{}", true, text));
    assert_false(answer("get_current_time", "{}", false, text)); /* exists, but not on offer here */
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (answer("get_current_time", bad[i], true, text))
            fail_msg("%s was taken", bad[i]);
        assert_ptr_equal(strstr(text, "{\"error\":\""), text);
        assert_null(strstr(text, "\"a\"")); /* nothing of the model's own is in it */
    }
}

static void names(void **state)
{
    (void)state;
    assert_null(tools_find(SPAN_EMPTY));
    assert_null(tools_find(span_of("get_current_time ")));
    const struct chat_tool *tool = tools_find(span_of("get_current_time"));
    json_t *schema = json_loads(tool->schema, JSON_REJECT_DUPLICATES, NULL);
    assert_true(json_is_object(schema));
    json_decref(schema);
}

/* --- schemas --- */

static const char everything[] =
    "{\"type\":\"object\",\"required\":[\"city\"],\"additionalProperties\":false,\"properties\":{"
    "\"city\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":4},"
    "\"unit\":{\"type\":\"string\",\"enum\":[\"C\",\"F\"]},"
    "\"days\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":7},"
    "\"share\":{\"type\":\"number\",\"maximum\":1.5},"
    "\"now\":{\"type\":\"boolean\"},"
    "\"tags\":{\"type\":\"array\",\"maxItems\":2,\"items\":{\"type\":\"object\",\"properties\":{"
    "\"a\":{\"type\":\"string\"}}}}}}";

static void schemas(void **state)
{
    static const struct {
        const char *value, *problem; /* "": it fits */
    } samples[] = {
        {"{\"city\":\"Rome\"}", ""},
        {"{\"city\":\"R\\u00f6m\",\"unit\":\"C\",\"days\":7,\"share\":1.5,\"now\":true,\"tags\":[]"
         "}",
         ""},
        {"{\"city\":\"Rome\",\"share\":1,\"tags\":[{\"a\":\"b\"},{}]}", ""},
        {"[]", "arguments must be of the type object"},
        {"{}", "arguments.city is missing"},
        {"{\"city\":1}", "arguments.city must be of the type string"},
        {"{\"city\":null}", "arguments.city must be of the type string"},
        {"{\"city\":\"\"}", "arguments.city is too short"},
        {"{\"city\":\"Paris\"}", "arguments.city is too long"},
        {"{\"city\":\"Rome\",\"unit\":\"K\"}",
         "arguments.unit is none of the values that it may have"},
        {"{\"city\":\"Rome\",\"days\":0}", "arguments.days is too small"},
        {"{\"city\":\"Rome\",\"days\":8}", "arguments.days is too large"},
        {"{\"city\":\"Rome\",\"days\":1.5}", "arguments.days must be of the type integer"},
        {"{\"city\":\"Rome\",\"days\":\"1\"}", "arguments.days must be of the type integer"},
        {"{\"city\":\"Rome\",\"share\":1.6}", "arguments.share is too large"},
        {"{\"city\":\"Rome\",\"now\":1}", "arguments.now must be of the type boolean"},
        {"{\"city\":\"Rome\",\"tags\":{}}", "arguments.tags must be of the type array"},
        {"{\"city\":\"Rome\",\"tags\":[{},{},{}]}", "arguments.tags has too many items"},
        {"{\"city\":\"Rome\",\"tags\":[{},{\"a\":2}]}",
         "arguments.tags[1].a must be of the type string"},
        {"{\"city\":\"Rome\",\"Ci\\nty\":1}", "arguments has a member that the tool does not know"},
    };
    json_t *schema = json_loads(everything, JSON_REJECT_DUPLICATES, NULL);
    (void)state;
    assert_non_null(schema);
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        json_t *value = json_loads(samples[i].value, 0, NULL);
        struct buf problem;
        buf_init(&problem, NULL, 256);
        assert_non_null(value);
        bool fits = tool_schema_fits(schema, value, &problem);
        buf_put_char(&problem, '\0');
        if (fits != (samples[i].problem[0] == '\0') || strcmp(problem.at, samples[i].problem) != 0)
            fail_msg("%s: \"%s\"", samples[i].value, problem.at);
        buf_fini(&problem);
        json_decref(value);
    }
    json_decref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_time), cmocka_unit_test(made_up_calls),
                                       cmocka_unit_test(names), cmocka_unit_test(schemas)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
