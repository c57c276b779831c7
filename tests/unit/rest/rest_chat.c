/* OpenAI's chat completions: what is read, and what is refused and how. */
#include "rest/rest_chat.h"

#include "weir/v1/chat.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { BUDGET = 1 << 20 };

static struct arena arena;
static Weir__V1__ChatRequest *chat;
static struct rest_chat_form form;
static struct verdict verdict;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, BUDGET);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static enum verdict_code read_body(const char *body)
{
    return rest_chat_read(span_of(body), &arena, &chat, &form, &verdict);
}

/* A body with one turn, and `more` behind it. */
static enum verdict_code read_with(const char *more)
{
    char body[1024];
    (void)snprintf(body, sizeof body,
                   "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]%s%s}",
                   more[0] != '\0' ? "," : "", more);
    return read_body(body);
}

static void assert_refused(const char *code, const char *path)
{
    assert_int_equal(verdict.code, VERDICT_BAD_MESSAGE);
    assert_int_equal(verdict.n_violations, 1);
    const struct violation *wrong = verdict.violations;
    if (!span_is(wrong->rule, code) || !span_is(wrong->path, path))
        fail_msg("%.*s at %.*s, not %s at %s", (int)wrong->rule.len, wrong->rule.at,
                 (int)wrong->path.len, wrong->path.at, code, path);
    assert_true(wrong->message.len > 0);
}

static void the_least_there_can_be(void **state)
{
    (void)state;
    assert_int_equal(read_with(""), VERDICT_OK);
    assert_string_equal(chat->model, "m");
    assert_int_equal(chat->n_messages, 1);
    assert_string_equal(chat->messages[0]->role, "user");
    assert_int_equal(chat->messages[0]->n_content, 1);
    assert_string_equal(chat->messages[0]->content[0]->text, "hi");
    assert_int_equal(chat->sampling_case, WEIR__V1__CHAT_REQUEST__SAMPLING__NOT_SET);
    assert_int_equal(chat->max_completion_tokens, 0);
    assert_int_equal(chat->n_stop, 0);
    assert_string_equal(chat->schema, "");
    assert_false(form.stream || form.include_usage || chat->cache);
}

static void everything_there_is(void **state)
{
    (void)state;
    assert_int_equal(
        read_with("\"temperature\":0.25,\"max_tokens\":5,\"max_completion_tokens\":7,"
                  "\"stop\":[\"a\",\"\\n\"],\"stream\":true,"
                  "\"stream_options\":{\"include_usage\":true},"
                  "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"N\","
                  "\"strict\":true,\"schema\":{\"type\":\"object\"}}}"),
        VERDICT_OK);
    assert_int_equal(chat->sampling_case, WEIR__V1__CHAT_REQUEST__SAMPLING_TEMPERATURE);
    assert_true(chat->temperature > 0.24 && chat->temperature < 0.26);
    assert_int_equal(chat->max_completion_tokens, 7);
    assert_int_equal(chat->n_stop, 2);
    assert_string_equal(chat->stop[0], "a");
    assert_string_equal(chat->stop[1], "\n");
    assert_true(form.stream && form.include_usage);
    assert_string_equal(chat->schema_name, "N");
    assert_string_equal(chat->schema, "{\"type\":\"object\"}");
    assert_int_equal(read_with("\"stop\":\"x\",\"response_format\":{\"type\":\"json_object\"}"),
                     VERDICT_OK);
    assert_int_equal(chat->n_stop, 1);
    assert_string_equal(chat->schema, "{\"type\":\"object\"}");
}

static void roles_and_parts(void **state)
{
    (void)state;
    assert_int_equal(
        read_body(
            "{\"model\":\"m\",\"messages\":["
            "{\"role\":\"developer\",\"content\":\"d\"},{\"role\":\"system\",\"content\":\"\"},"
            "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"t\"},"
            "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/y\",\"detail\":\"low\"}},"
            "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AA==\"}}]},"
            "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[]},"
            "{\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"no\"}]}]}"),
        VERDICT_OK);
    static const char *const roles[] = {"system", "system", "user", "assistant", "assistant"};
    assert_int_equal(chat->n_messages, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(chat->messages[i]->role, roles[i]);
    Weir__V1__ChatPart **parts = chat->messages[2]->content;
    assert_int_equal(chat->messages[2]->n_content, 3);
    assert_int_equal(parts[1]->part_case, WEIR__V1__CHAT_PART__PART_IMAGE_URL);
    assert_string_equal(parts[1]->image_url, "https://x/y");
    assert_int_equal(parts[2]->part_case, WEIR__V1__CHAT_PART__PART_IMAGE_DATA);
    assert_int_equal(chat->messages[3]->n_content, 0);
    assert_string_equal(chat->messages[4]->content[0]->text, "no");
}

static void what_means_nothing_is_tolerated(void **state)
{
    static const char *const rows[] = {
        "\"unknown\":{\"a\":[1,2,{}]}",
        "\"user\":\"u\",\"seed\":1,\"store\":false,\"metadata\":{},\"service_tier\":\"auto\"",
        "\"n\":1,\"top_p\":1.0,\"frequency_penalty\":0,\"presence_penalty\":0.0",
        "\"tool_choice\":\"none\",\"function_call\":\"auto\",\"parallel_tool_calls\":true",
        "\"tools\":[],\"functions\":[],\"logprobs\":false,\"logit_bias\":{}",
        "\"n\":null,\"top_p\":null,\"tools\":null,\"stop\":null,\"temperature\":null",
        "\"stream\":null,\"stream_options\":null,\"response_format\":null,\"max_tokens\":null",
        "\"modalities\":[\"text\"],\"response_format\":{\"type\":\"text\"}",
        "\"stop\":[]",
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (read_with(rows[i]) != VERDICT_OK)
            fail_msg("%s: %.*s", rows[i], (int)verdict.violations[0].path.len,
                     verdict.violations[0].path.at);
}

static void what_would_change_the_answer_is_refused(void **state)
{
    static const struct {
        const char *more, *path;
    } rows[] = {
        {"\"tools\":[{}]", "tools"},
        {"\"tools\":true", "tools"},
        {"\"tool_choice\":\"required\"", "tool_choice"},
        {"\"tool_choice\":{\"type\":\"function\"}", "tool_choice"},
        {"\"functions\":[{}]", "functions"},
        {"\"function_call\":{\"name\":\"f\"}", "function_call"},
        {"\"n\":2", "n"},
        {"\"n\":\"1\"", "n"},
        {"\"top_p\":0.9", "top_p"},
        {"\"frequency_penalty\":0.1", "frequency_penalty"},
        {"\"presence_penalty\":-1", "presence_penalty"},
        {"\"logprobs\":true", "logprobs"},
        {"\"top_logprobs\":2", "top_logprobs"},
        {"\"logit_bias\":{\"1\":2}", "logit_bias"},
        {"\"audio\":{}", "audio"},
        {"\"prediction\":{}", "prediction"},
        {"\"web_search_options\":{}", "web_search_options"},
        {"\"modalities\":[\"text\",\"audio\"]", "modalities"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(read_with(rows[i].more), VERDICT_BAD_MESSAGE);
        assert_refused("unsupported_parameter", rows[i].path);
    }
}

static void other_shapes_are_refused(void **state)
{
    static const struct {
        const char *body, *code, *path;
    } rows[] = {
        {"[]", "invalid_type", ""},
        {"{}", "missing_required_parameter", "model"},
        {"{\"model\":\"\"}", "missing_required_parameter", "model"},
        {"{\"model\":1}", "invalid_type", "model"},
        {"{\"model\":12345678901234567890}", "invalid_type", "model"},
        {"{\"model\":\"m\"}", "missing_required_parameter", "messages"},
        {"{\"model\":\"m\",\"messages\":{}}", "invalid_type", "messages"},
        {"{\"model\":\"m\",\"messages\":[1]}", "unsupported_value", "messages[0].role"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"tool\",\"content\":\"x\"}]}",
         "unsupported_value", "messages[0].role"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}", "invalid_type",
         "messages[0].content"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[1]}]}",
         "unsupported_value", "messages[0].content[0].type"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]}",
         "invalid_type", "messages[0].content[0].text"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}"
         "]}",
         "missing_required_parameter", "messages[0].content[0].image_url.url"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{}]}]}",
         "unsupported_parameter", "messages[0].tool_calls"},
    };
    static const struct {
        const char *more, *code, *path;
    } more[] = {
        {"\"temperature\":\"1\"", "invalid_type", "temperature"},
        {"\"max_tokens\":1.5", "invalid_type", "max_tokens"},
        {"\"max_tokens\":0", "invalid_value", "max_tokens"},
        {"\"max_completion_tokens\":2147483648", "invalid_value", "max_completion_tokens"},
        {"\"stop\":1", "invalid_type", "stop"},
        {"\"stop\":[\"a\",1]", "invalid_type", "stop[1]"},
        {"\"stream\":1", "invalid_type", "stream"},
        {"\"stream_options\":[]", "invalid_type", "stream_options"},
        {"\"response_format\":\"json\"", "invalid_value", "response_format.type"},
        {"\"response_format\":{\"type\":\"json_schema\"}", "missing_required_parameter",
         "response_format.json_schema"},
        {"\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\"}}",
         "missing_required_parameter", "response_format.json_schema.schema"},
        {"\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":"
         "{\"maximum\":9223372036854775807}}}",
         "invalid_value", "response_format.json_schema.schema"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(read_body(rows[i].body), VERDICT_BAD_MESSAGE);
        assert_refused(rows[i].code, rows[i].path);
    }
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        assert_int_equal(read_with(more[i].more), VERDICT_BAD_MESSAGE);
        assert_refused(more[i].code, more[i].path);
    }
    assert_int_equal(read_body(""), VERDICT_BAD_JSON);
    assert_int_equal(read_body("{\"model\":"), VERDICT_BAD_JSON);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    arena.budget_bytes = arena.used_bytes + 64;
    assert_int_equal(read_with(""), VERDICT_TOO_LARGE);
    assert_int_equal(verdict.code, VERDICT_TOO_LARGE);
}

static void names_in_paths(void **state)
{
    static const struct {
        const char *path, *name; /* NULL: it is none */
    } rows[] = {{"gpt-4o", "gpt-4o"},   {"a/b", "a/b"},           {"a%2Fb%2f", "a/b/"},
                {"a%20+b", "a +b"},     {"%41%7a", "Az"},         {"100%", "100%"},
                {"%4", "%4"},           {"%zz%4g", "%zz%4g"},     {"%25%32%35", "%25"},
                {"%C3%BC", "\xc3\xbc"}, {"\xc3\xbc", "\xc3\xbc"}, {"%C3", NULL},
                {"a%00", NULL},         {"\xff", NULL},           {"%", "%"}};
    char *name = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool fine = rest_chat_read_name(span_of(rows[i].path), &arena, &name);
        assert_int_equal(fine, rows[i].name != NULL);
        if (fine)
            assert_string_equal(name, rows[i].name);
    }
    arena.budget_bytes = arena.used_bytes;
    assert_false(rest_chat_read_name(span_of("gpt-4o"), &arena, &name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_least_there_can_be, set_up, tear_down),
        cmocka_unit_test_setup_teardown(everything_there_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(roles_and_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_means_nothing_is_tolerated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_would_change_the_answer_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_shapes_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_in_paths, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
