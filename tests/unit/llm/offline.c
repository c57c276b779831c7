/* The built-in model: its texts, and answers that fit every schema of the contract. */
#include "shared/llm/offline.h"

#include "shared/base/arena.h"
#include "shared/base/utf8.h"
#include "shared/flow/answer.h"
#include "shared/flow/contract.h"
#include "shared/flow/validate.h"
#include "shared/llm/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct offline offline;

static struct buf say(struct conversation *what)
{
    struct buf out;
    buf_init(&out, NULL, 100000);
    offline_write(&offline, what, &out);
    assert_false(out.overflow);
    return out;
}

/* What the model says when the user said `text` last. */
static struct buf say_to(const char *text, bool stream, long most_tokens)
{
    struct chat_part system = {.kind = CHAT_TEXT, .text = span_of("You are a system prompt.")};
    struct chat_part parts[] = {{.kind = CHAT_TEXT, .text = span_of(text)},
                                {.kind = CHAT_IMAGE, .text = span_of("http://x/y")}};
    struct chat_message messages[] = {{CHAT_SYSTEM, &system, 1}, {CHAT_USER, parts, 2}};
    struct conversation what = {.flow = "some_flow",
                                .messages = messages,
                                .n_messages = 2,
                                .temperature = -1,
                                .max_output_tokens = most_tokens,
                                .stream = stream};
    return say(&what);
}

static bool contains(const struct buf *text, const char *part)
{
    return memmem(text->at, text->len, part, strlen(part)) != NULL;
}

static void test_says_what_it_is_and_what_it_heard(void **state)
{
    (void)state;
    struct buf text = say_to(" \n Tell a joke about Mittens. \nIt is for Ada.", false, 300);
    assert_true(contains(&text, "weir's offline model"));
    assert_true(contains(&text, "\"Tell a joke about Mittens.\""));
    assert_false(contains(&text, "Ada"));
    assert_false(contains(&text, "system prompt"));
    buf_fini(&text);
    text = say_to("", false, 0);
    assert_true(contains(&text, "offline model"));
    buf_fini(&text);
}

static void test_quotes_whole_characters(void **state)
{
    struct buf long_text;
    (void)state;
    buf_init(&long_text, NULL, 10000);
    for (int i = 0; i < 200; i++)
        buf_put_text(&long_text, "\xf0\x9f\x98\x80");
    buf_put_char(&long_text, '\0');
    struct buf text = say_to(long_text.at, false, 0);
    assert_true(utf8_valid(buf_span(&text)));
    assert_true(text.len < 60 * 4 + 200 && text.len > 60 * 4);
    buf_fini(&text);
    text = say_to("broken \xff text", false, 0);
    assert_true(utf8_valid(buf_span(&text)) && contains(&text, "\"broken\""));
    buf_fini(&text);
    buf_fini(&long_text);
}

static unsigned words_of(const struct buf *text)
{
    struct span rest = buf_span(text), all = SPAN_EMPTY;
    unsigned words = 0;
    all.at = rest.at;
    while (rest.len > 0) {
        struct span word = offline_word(rest);
        assert_true(word.len > 0 && word.at == rest.at);
        rest = span_from(rest, word.len);
        all.len += word.len;
        words++;
    }
    assert_true(span_equal(all, buf_span(text)));
    return words;
}

static void test_streams_of_a_story_are_longer(void **state)
{
    (void)state;
    struct buf story = say_to("Tell a story.", true, 1500), joke = say_to("A joke.", true, 300);
    unsigned words = words_of(&story);
    assert_in_range(words, 70, 120);
    assert_in_range(words_of(&joke), 10, 30);
    assert_true(contains(&story, ".\n\n"));
    struct buf again = say_to("Tell a story.", true, 1500);
    assert_true(span_equal(buf_span(&story), buf_span(&again)));
    buf_fini(&again);
    buf_fini(&story);
    buf_fini(&joke);
}

/* Read strictly and checked against the rules of the response, as a real model's answer is. */
static void test_fits_every_schema_of_the_contract(void **state)
{
    const char *bad;
    unsigned structured = 0;
    (void)state;
    assert_true(validate_prepare(&weir_contract, &bad));
    for (size_t i = 0; i < weir_contract.n_methods; i++) {
        const struct contract_method *method = &weir_contract.methods[i];
        if (method->response->answer_schema == NULL)
            continue;
        struct conversation what = {.schema = method->response->answer_schema};
        struct buf text = say(&what), again = say(&what);
        struct arena arena;
        struct violation *violations = NULL;
        size_t n = 0;
        ProtobufCMessage *answer = NULL;
        arena_init(&arena, 1 << 20);
        ProtobufCMessage *request = arena_zero(&arena, method->request->pb->sizeof_message);
        protobuf_c_message_init(method->request->pb, request);
        validate_defaults(method->request, request, SPAN_EMPTY);
        if (!answer_build(method, request, buf_span(&text), &arena, &answer, &violations, &n))
            fail_msg("%s: %.*s: %.*s", method->flow, (int)text.len, text.at,
                     n > 0 ? (int)violations[0].message.len : 0, violations[0].message.at);
        assert_true(span_equal(buf_span(&text), buf_span(&again)));
        assert_true(contains(&text, "offline"));
        arena_fini(&arena);
        buf_fini(&text);
        buf_fini(&again);
        structured++;
    }
    assert_int_equal(structured, 5);
    validate_shutdown();
}

static void test_samples(void **state)
{
    static const struct {
        const char *schema;
        const char *value;
    } rows[] = {
        {"{\"type\":\"string\"}", "\"offline model: answer\""},
        {"{\"type\":\"string\",\"maxLength\":7}", "\"offline\""},
        {"{\"type\":\"string\",\"minLength\":25}", "\"offline model: answer....\""},
        {"{\"type\":\"string\",\"pattern\":\"^[a-zA-Z#+]+$\"}", "\"offline\""},
        {"{\"type\":\"string\",\"pattern\":\"^[0-9]{4}-[0-9]{2}-[0-9]{2}$\"}", "\"2000-01-01\""},
        {"{\"type\":\"string\",\"pattern\":\"(\"}", "\"offline\""},
        {"{\"type\":\"string\",\"format\":\"uri\"}", "\"https://example.com/offline-model\""},
        {"{\"type\":\"string\",\"contentEncoding\":\"base64\"}", "\"b2ZmbGluZSBtb2RlbA==\""},
        {"{\"type\":\"string\",\"enum\":[\"high\",\"low\"]}", "\"high\""},
        {"{\"type\":\"string\",\"enum\":[\"A_UNSPECIFIED\",\"A_B\",\"A_C\"]}", "\"A_B\""},
        {"{\"type\":\"string\",\"enum\":[\"A_UNSPECIFIED\"]}", "\"A_UNSPECIFIED\""},
        {"{\"type\":\"integer\"}", "1"},
        {"{\"type\":\"integer\",\"minimum\":0,\"maximum\":100}", "50"},
        {"{\"type\":\"integer\",\"minimum\":7}", "7"},
        {"{\"type\":\"integer\",\"maximum\":-3}", "-3"},
        {"{\"type\":\"integer\",\"minimum\":1,\"maximum\":2}", "1"},
        {"{\"type\":\"integer\",\"minimum\":1.5,\"maximum\":2}", "2"},
        {"{\"type\":\"number\",\"minimum\":0,\"maximum\":1}", "0.5"},
        {"{\"type\":\"boolean\"}", "true"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}", "[1,1,1]"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"boolean\"},\"maxItems\":2}", "[true,true]"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"boolean\"},\"maxItems\":0}", "[]"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":4}", "[1,1,1,1]"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{\"type\":"
         "\"boolean\"}},\"required\":[\"b\"],\"additionalProperties\":false}",
         "{\"b\":true}"},
        {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}}",
         "{\"offline\":1}"},
        {"{\"type\":\"object\",\"properties\":{\"k\":{\"type\":\"array\",\"items\":{\"type\":"
         "\"string\"},\"maxItems\":1}}}",
         "{\"k\":[\"offline model: k 1\"]}"},
        {"[]", ""},
        {"not JSON", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out;
        buf_init(&out, NULL, 1000);
        sample_write(rows[i].schema, &out);
        if (!span_is(buf_span(&out), rows[i].value))
            fail_msg("%s: %.*s", rows[i].schema, (int)out.len, out.at);
        buf_fini(&out);
    }
}

/* A schema is ours, but a bounded walk costs nothing. */
static void test_deep_schemas_end(void **state)
{
    struct buf schema, out;
    (void)state;
    buf_init(&schema, NULL, 100000);
    buf_init(&out, NULL, 100000);
    for (int i = 0; i < 1000; i++)
        buf_put_text(&schema, "{\"type\":\"array\",\"maxItems\":1,\"items\":");
    buf_put_text(&schema, "{}");
    for (int i = 0; i < 1000; i++)
        buf_put_char(&schema, '}');
    buf_put_char(&schema, '\0');
    sample_write(schema.at, &out);
    assert_true(out.len > 0 && out.len < 200);
    buf_fini(&schema);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says_what_it_is_and_what_it_heard),
        cmocka_unit_test(test_quotes_whole_characters),
        cmocka_unit_test(test_streams_of_a_story_are_longer),
        cmocka_unit_test(test_fits_every_schema_of_the_contract),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_deep_schemas_end),
    };
    offline_init(&offline);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    offline_fini(&offline);
    return failed;
}
