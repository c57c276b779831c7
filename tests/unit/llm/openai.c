/* Request bodies, read back as JSON. */
#include "shared/llm/openai.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* `json` has ' for ". */
static json_t *from_quoted(const char *json)
{
    json_error_t error;
    struct buf text;
    buf_init(&text, NULL, 100000);
    for (size_t i = 0; json[i] != '\0'; i++)
        buf_put_char(&text, json[i] == '\'' ? '"' : json[i]);
    json_t *parsed = json_loadb(text.at, text.len, JSON_DECODE_ANY, &error);
    if (parsed == NULL)
        fail_msg("%s: %s", json, error.text);
    buf_fini(&text);
    return parsed;
}

static void write_to(const struct conversation *what, struct buf *out)
{
    struct buf schema;
    buf_init(&schema, NULL, 100000);
    if (what->schema != NULL)
        dialect_openai.write_schema(what->schema, &schema);
    const struct dialect_request request = {.what = what,
                                            .model = what->model.len > 0 ? what->model
                                                                         : span_of("test-model"),
                                            .schema = buf_span(&schema)};
    dialect_openai.write(&request, out);
    buf_fini(&schema);
}

static void check(const struct conversation *what, const char *expected)
{
    struct buf out;
    buf_init(&out, NULL, 100000);
    write_to(what, &out);
    assert_false(out.overflow);
    json_t *got = json_loadb(out.at, out.len, JSON_REJECT_DUPLICATES, NULL);
    json_t *wanted = from_quoted(expected);
    if (!json_equal(got, wanted))
        fail_msg("%.*s is not %s", (int)out.len, out.at, expected);
    json_decref(got);
    json_decref(wanted);
    buf_fini(&out);
}

static void test_roles_and_texts(void **state)
{
    struct chat_part system = {.kind = CHAT_TEXT, .text = span_of("Be kind.")};
    struct chat_part user = {
        .kind = CHAT_TEXT, .text = span_of("A \"quoted\"\n\\ \x01 line, \xc3\xa9\xf0\x9f\x98\x80")};
    struct chat_part model = {.kind = CHAT_TEXT, .text = span_of("")};
    struct chat_message messages[] = {{CHAT_SYSTEM, &system, 1},
                                      {CHAT_USER, &user, 1},
                                      {CHAT_MODEL, &model, 1},
                                      {CHAT_USER, NULL, 0}};
    struct conversation what = {.messages = messages, .n_messages = 4, .temperature = -1};
    (void)state;
    check(&what, "{'model':'test-model','messages':["
                 "{'role':'system','content':'Be kind.'},"
                 "{'role':'user','content':'A \\\"quoted\\\"\\n\\\\ \\u0001 line, "
                 "\xc3\xa9\xf0\x9f\x98\x80'},"
                 "{'role':'assistant','content':''},{'role':'user','content':''}]}");
}

static void test_images_and_settings(void **state)
{
    struct chat_part parts[] = {
        {.kind = CHAT_TEXT, .text = span_of("What is this?")},
        {.kind = CHAT_IMAGE, .text = span_of("https://example.com/a.png?x=\"1\"")}};
    struct chat_part image = {.kind = CHAT_IMAGE, .text = span_of("https://example.com/b.png")};
    struct chat_message messages[] = {{CHAT_USER, parts, 2}, {CHAT_USER, &image, 1}};
    struct conversation what = {.messages = messages,
                                .n_messages = 2,
                                .model = span_of("other \"model\""),
                                .temperature = 0.9,
                                .max_output_tokens = 300,
                                .stream = true};
    (void)state;
    check(&what,
          "{'model':'other \\\"model\\\"','messages':[{'role':'user','content':["
          "{'type':'text','text':'What is this?'},"
          "{'type':'image_url','image_url':{'url':'https://example.com/a.png?x=\\\"1\\\"'}}]},"
          "{'role':'user','content':["
          "{'type':'image_url','image_url':{'url':'https://example.com/b.png'}}]}],"
          "'temperature':0.9,'max_tokens':300,'stream':true,"
          "'stream_options':{'include_usage':true}}");
    what = (struct conversation){.messages = messages, .temperature = 0};
    check(&what, "{'model':'test-model','messages':[],'temperature':0}");
    const struct span stop[] = {span_of("a\"b"), span_of("END")};
    what = (struct conversation){.temperature = -1, .stop = stop, .n_stop = 2};
    check(&what, "{'model':'test-model','messages':[],'stop':['a\\\"b','END']}");
}

#define QUOTED_SCHEMA                                                                              \
    "{'type':'object','properties':{'a':{'type':'string','minLength':1}},'required':['a'],"        \
    "'additionalProperties':false}"

static void test_schema(void **state)
{
    static const char schema[] = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\","
                                 "\"minLength\":1}},\"required\":[\"a\"],"
                                 "\"additionalProperties\":false}";
    struct conversation what = {
        .temperature = -1, .schema = schema, .schema_name = "TranslateTextResponse"};
    (void)state;
    for (int i = 0; i < 2; i++)
        check(&what, "{'model':'test-model','messages':[],'response_format':{'type':'json_schema',"
                     "'json_schema':{'name':'TranslateTextResponse','strict':true,"
                     "'schema':" QUOTED_SCHEMA "}}}");
}

static void check_schema(const char *schema, bool strict, const char *expected)
{
    struct buf out;
    json_t *input = from_quoted(schema);
    char *text = json_dumps(input, 0);
    buf_init(&out, NULL, 10000);
    buf_put_char(&out, '{');
    openai_write_schema(text, &out);
    buf_put_char(&out, '}');
    json_t *got = json_loadb(out.at, out.len, 0, NULL);
    json_t *wanted = from_quoted(expected);
    if (!json_equal(json_object_get(got, "schema"), wanted))
        fail_msg("%.*s is not %s", (int)out.len, out.at, expected);
    assert_true(json_is_boolean(json_object_get(got, "strict")));
    assert_int_equal(json_is_true(json_object_get(got, "strict")), strict);
    json_decref(got);
    json_decref(wanted);
    json_decref(input);
    free(text);
    buf_fini(&out);
}

static void test_what_the_strict_mode_takes(void **state)
{
    (void)state;
    check_schema(QUOTED_SCHEMA, true, QUOTED_SCHEMA);
    check_schema("{'type':'object','properties':{'format':{'type':'string','format':'uri'},"
                 "'list':{'type':'array','items':{'type':'string','contentEncoding':'base64'}}},"
                 "'required':['list','format'],'additionalProperties':false}",
                 true,
                 "{'type':'object','properties':{'format':{'type':'string'},"
                 "'list':{'type':'array','items':{'type':'string'}}},"
                 "'required':['list','format'],'additionalProperties':false}");
    static const char *const loose[] = {
        "{'type':'object','properties':{'a':{'type':'string'}},'required':[],"
        "'additionalProperties':false}",
        "{'type':'object','properties':{'a':{'type':'string'}},'required':['a']}",
        "{'type':'object','properties':{'a':{'type':'object','additionalProperties':"
        "{'type':'integer'}}},'required':['a'],'additionalProperties':false}",
        "{'type':'object','properties':{'a':{'type':'array','items':{'type':'object',"
        "'properties':{'b':{'type':'string'}}}}},'required':['a'],'additionalProperties':false}",
    };
    for (size_t i = 0; i < sizeof loose / sizeof loose[0]; i++)
        check_schema(loose[i], false, loose[i]);
}

static void test_too_large(void **state)
{
    struct chat_part part = {.kind = CHAT_TEXT,
                             .text = span_of("0123456789012345678901234567890123456789")};
    struct chat_message message = {CHAT_USER, &part, 1};
    struct conversation what = {.messages = &message, .n_messages = 1, .temperature = -1};
    struct buf out;
    (void)state;
    buf_init(&out, NULL, 80);
    write_to(&what, &out);
    assert_true(out.overflow);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roles_and_texts), cmocka_unit_test(test_images_and_settings),
        cmocka_unit_test(test_schema),          cmocka_unit_test(test_what_the_strict_mode_takes),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
