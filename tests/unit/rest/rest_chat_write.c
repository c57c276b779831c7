/* OpenAI's chat completions: answers, streams, models and errors as they are written. */
#include "rest/rest_chat.h"
#include "tests/support/arena_fixture.h"

#include "weir/v1/chat.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>

static const struct rest_chat_head head = {
    .request_id = "id-1", .created_s = 1700000000, .model = SPAN_LITERAL("m\"x")};

static json_t *parsed(struct span text)
{
    json_error_t error;
    json_t *tree = json_loadb(text.at, text.len, JSON_REJECT_DUPLICATES, &error);
    if (tree == NULL)
        fail_msg("%s: %.*s", error.text, (int)text.len, text.at);
    return tree;
}

static void assert_same(struct span text, const char *expected)
{
    json_t *got = parsed(text), *want = parsed(span_of(expected));
    if (!json_equal(got, want))
        fail_msg("%.*s", (int)text.len, text.at);
    json_decref(got);
    json_decref(want);
}

static void the_answer(void **state)
{
    Weir__V1__ChatUsage usage;
    Weir__V1__ChatResponse answer;
    char content[] = "a\n\"b\"", reason[] = "length";
    struct buf out;
    (void)state;
    weir__v1__chat_usage__init(&usage);
    weir__v1__chat_response__init(&answer);
    usage.prompt_tokens = 3;
    usage.completion_tokens = 4;
    answer.content = content;
    answer.finish_reason = reason;
    answer.usage = &usage;
    buf_init(&out, &arena, 4096);
    rest_chat_write(&out, &head, &answer);
    assert_same(
        buf_span(&out),
        "{\"id\":\"chatcmpl-id-1\",\"object\":\"chat.completion\",\"created\":1700000000,"
        "\"model\":\"m\\\"x\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
        "\"content\":\"a\\n\\\"b\\\"\",\"refusal\":null},\"logprobs\":null,"
        "\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":3,"
        "\"completion_tokens\":4,\"total_tokens\":7}}");
}

/* The next event of `rest`, which is moved behind it. */
static struct span next_event(struct span *rest)
{
    static const char begin[] = "data: ";
    assert_true(span_starts_with(*rest, begin));
    struct span data = span_from(*rest, sizeof begin - 1);
    const char *end = memmem(data.at, data.len, "\n\n", 2);
    assert_non_null(end);
    size_t len = (size_t)(end - data.at);
    *rest = span_from(data, len + 2);
    return span_make(data.at, len);
}

static void assert_chunk(struct span *rest, const char *tail)
{
    char expected[512];
    (void)snprintf(expected, sizeof expected,
                   "{\"id\":\"chatcmpl-id-1\",\"object\":\"chat.completion.chunk\","
                   "\"created\":1700000000,\"model\":\"m\\\"x\",%s}",
                   tail);
    assert_same(next_event(rest), expected);
}

static void a_stream(void **state)
{
    Weir__V1__ChatUsage usage;
    Weir__V1__ChatChunk last;
    char reason[] = "stop";
    struct buf out, start;
    (void)state;
    weir__v1__chat_usage__init(&usage);
    weir__v1__chat_chunk__init(&last);
    buf_init(&start, &arena, 4096);
    rest_chat_write_chunk_head(&start, &head);
    usage.completion_tokens = 2;
    last.finish_reason = reason;
    last.usage = &usage;
    for (int with_usage = 0; with_usage < 2; with_usage++) {
        buf_init(&out, &arena, 4096);
        rest_chat_write_begin(&out, buf_span(&start));
        rest_chat_write_piece(&out, buf_span(&start), span_of("x\n"));
        rest_chat_write_end(&out, buf_span(&start), &last, with_usage != 0);
        struct span rest = buf_span(&out);
        assert_chunk(&rest, "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
                            "\"content\":\"\"},\"finish_reason\":null}]");
        assert_chunk(&rest, "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\\n\"},"
                            "\"finish_reason\":null}]");
        assert_chunk(&rest, "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]");
        if (with_usage != 0)
            assert_chunk(&rest, "\"choices\":[],\"usage\":{\"prompt_tokens\":0,"
                                "\"completion_tokens\":2,\"total_tokens\":2}");
        assert_true(span_is(next_event(&rest), "[DONE]"));
        assert_int_equal(rest.len, 0);
    }
}

static void every_error_has_its_members(void **state)
{
    (void)state;
    for (int code = 0; code < VERDICT_COUNT; code++) {
        struct verdict end = verdict_of((enum verdict_code)code);
        int status = verdict_row(end.code)->http_status;
        struct buf out;
        buf_init(&out, &arena, 4096);
        rest_chat_write_error(&out, &end);
        json_t *body = parsed(buf_span(&out));
        const json_t *error = json_object_get(body, "error");
        assert_int_equal(json_object_size(body), 1);
        assert_int_equal(json_object_size(error), 4);
        assert_true(json_is_null(json_object_get(error, "param")));
        assert_true(json_string_length(json_object_get(error, "code")) > 0);
        assert_int_equal(rest_chat_status(&end), status == 422 ? 400 : status);
        assert_string_equal(json_string_value(json_object_get(error, "message")),
                            verdict_row(end.code)->detail);
        assert_string_equal(json_string_value(json_object_get(error, "type")),
                            status >= 500   ? "server_error"
                            : status == 429 ? "rate_limit_error"
                                            : "invalid_request_error");
        json_decref(body);
    }
}

static void the_models(void **state)
{
    static char id[] = "a\"b", other[] = "c", owner[] = "weir";
    Weir__V1__ChatModel first, second, *all[] = {&first, &second};
    Weir__V1__ListModelsResponse list;
    Weir__V1__GetModelResponse one;
    struct buf out;
    (void)state;
    weir__v1__chat_model__init(&first);
    weir__v1__chat_model__init(&second);
    weir__v1__list_models_response__init(&list);
    weir__v1__get_model_response__init(&one);
    first = (Weir__V1__ChatModel){.base = first.base, .id = id, .created = 7, .owned_by = owner};
    second = (Weir__V1__ChatModel){.base = first.base, .id = other, .owned_by = owner};
    buf_init(&out, &arena, 4096);
    rest_chat_write_models(&out, &list.base);
    assert_same(buf_span(&out), "{\"object\":\"list\",\"data\":[]}");
    list.models = all;
    list.n_models = 2;
    buf_init(&out, &arena, 4096);
    rest_chat_write_models(&out, &list.base);
    assert_same(buf_span(&out),
                "{\"object\":\"list\",\"data\":["
                "{\"id\":\"a\\\"b\",\"object\":\"model\",\"created\":7,\"owned_by\":\"weir\"},"
                "{\"id\":\"c\",\"object\":\"model\",\"created\":0,\"owned_by\":\"weir\"}]}");
    one.model = &first;
    buf_init(&out, &arena, 4096);
    rest_chat_write_models(&out, &one.base);
    assert_same(buf_span(&out), "{\"id\":\"a\\\"b\",\"object\":\"model\",\"created\":7,"
                                "\"owned_by\":\"weir\"}");
}

/* The fields have other names in OpenAI's JSON, and there is no 422. */
static void breaches_of_rules_are_bad_requests(void **state)
{
    static const struct {
        const char *path, *param;
    } rows[] = {{"temperature", "temperature"},
                {"schema", "response_format.json_schema.schema"},
                {"schema_name", "response_format.json_schema.name"},
                {"messages[0].role", "messages[0].role"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct violation wrong = {span_of(rows[i].path), span_of("string.max_len"),
                                        span_of("is no good")};
        struct verdict end = {.code = VERDICT_INVALID, .violations = &wrong, .n_violations = 1};
        char expected[256];
        struct buf out;
        buf_init(&out, &arena, 4096);
        assert_int_equal(rest_chat_status(&end), 400);
        rest_chat_write_error(&out, &end);
        (void)snprintf(expected, sizeof expected,
                       "{\"error\":{\"message\":\"%s: is no good\",\"type\":"
                       "\"invalid_request_error\",\"param\":\"%s\",\"code\":\"invalid_value\"}}",
                       rows[i].param, rows[i].param);
        assert_same(buf_span(&out), expected);
    }
}

static void errors_name_what_is_wrong(void **state)
{
    const struct violation wrong = {span_of("n"), span_of("unsupported_parameter"),
                                    span_of("no \"n\"")};
    struct verdict end = {.code = VERDICT_BAD_MESSAGE, .violations = &wrong, .n_violations = 1};
    struct buf out;
    (void)state;
    buf_init(&out, &arena, 4096);
    rest_chat_write_error(&out, &end);
    assert_same(buf_span(&out), "{\"error\":{\"message\":\"n: no \\\"n\\\"\",\"type\":"
                                "\"invalid_request_error\",\"param\":\"n\","
                                "\"code\":\"unsupported_parameter\"}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stream, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_models, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_error_has_its_members, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errors_name_what_is_wrong, set_up, tear_down),
        cmocka_unit_test_setup_teardown(breaches_of_rules_are_bad_requests, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
