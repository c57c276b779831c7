/* From the model's words to the response, with the flows of the production contract. */
#include "shared/flow/answer.h"

#include "shared/flow/json.h"
#include "shared/flow/validate.h"
#include "tests/support/arena_fixture.h"
#include "tests/support/exact.h"
#include "tests/support/method_named.h"

#include "weir/v1/flows.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int prepare(void **state)
{
    (void)state;
    const char *bad = NULL;
    return validate_prepare(&weir_contract, &bad) ? 0 : -1;
}

static int shut_down(void **state)
{
    (void)state;
    validate_shutdown();
    return 0;
}

static ProtobufCMessage *request_of(const struct contract_method *method, const char *json)
{
    ProtobufCMessage *request = NULL;
    struct json_error error;
    assert_int_equal(json_read(span_of(json), method->request, &arena, &request, &error),
                     JSON_FINE);
    validate_defaults(method->request, request, SPAN_EMPTY);
    return request;
}

struct outcome {
    ProtobufCMessage *response;
    struct violation *violations;
    size_t n;
};

static struct outcome build(const char *rpc, const char *request, struct span text)
{
    const struct contract_method *method = method_named(rpc);
    struct outcome outcome = {NULL, NULL, 0};
    ProtobufCMessage *asked = request_of(method, request);
    size_t budget = arena.budget_bytes;
    struct span copy = exact_copy(text); /* also for a pointer that stays */
    bool fine = answer_build(method, asked, copy, &arena, &outcome.response, &outcome.violations,
                             &outcome.n);
    exact_free(copy);
    assert_int_equal(fine, outcome.response != NULL);
    assert_int_equal(fine, outcome.n == 0);
    assert_int_equal(arena.budget_bytes, budget);
    return outcome;
}

static void assert_answers(const char *rpc, const char *request, const char *text,
                           const char *expected)
{
    struct outcome outcome = build(rpc, request, span_of(text));
    struct buf json;
    for (size_t i = 0; i < outcome.n; i++)
        print_error("%.*s: %.*s\n", (int)outcome.violations[i].path.len,
                    outcome.violations[i].path.at, (int)outcome.violations[i].message.len,
                    outcome.violations[i].message.at);
    assert_non_null(outcome.response);
    buf_init(&json, &arena, 1 << 20);
    json_write(&json, method_named(rpc)->response, outcome.response);
    buf_put_char(&json, '\0');
    assert_string_equal(json.at, expected);
}

static void assert_refuses(const char *rpc, const char *text, const char *path, const char *rule)
{
    struct outcome outcome = build(rpc, "{}", span_of(text));
    if (outcome.n != 1 || !span_is(outcome.violations->path, path) ||
        !span_is(outcome.violations->rule, rule) || outcome.violations->message.len == 0) {
        print_error("%s: %zu violations\n", text, outcome.n);
        for (size_t i = 0; i < outcome.n; i++)
            print_error("  %.*s: %.*s\n", (int)outcome.violations[i].path.len,
                        outcome.violations[i].path.at, (int)outcome.violations[i].rule.len,
                        outcome.violations[i].rule.at);
        fail();
    }
}

static void test_plain_text(void **state)
{
    (void)state;
    assert_answers("TellJoke", "{}", "Why?\n", "{\"joke\":\"Why?\\n\",\"username\":\"\"}");
    assert_answers("TellJoke", "{\"username\":\"ada\"}", "Why?",
                   "{\"joke\":\"Why?\",\"username\":\"ada\"}");
    assert_answers("PirateChat", "{}", "{\"answer\":\"Arr\"}",
                   "{\"answer\":\"{\\\"answer\\\":\\\"Arr\\\"}\",\"persona\":\"pirate captain\"}");
    assert_answers("DescribeImage", "{\"image_url\":\"https://example.com/cat.png\"}", "A cat.",
                   "{\"description\":\"A cat.\",\"image_url\":\"https://example.com/cat.png\"}");
}

static void test_no_text_is_no_answer(void **state)
{
    (void)state;
    assert_refuses("TellJoke", "", "joke", "required");
    assert_refuses("TellJoke", " \n", "joke", "required");
    assert_refuses("PirateChat", "", "answer", "required");
}

static void test_health_needs_no_model(void **state)
{
    (void)state;
    assert_answers("Health", "{}", "", "{\"status\":\"ok\"}");
}

static void test_translate(void **state)
{
    (void)state;
    static const char expected[] =
        "{\"original_text\":\"Good day\",\"translated_text\":\"Bonjour\","
        "\"target_language\":\"French\",\"confidence\":\"high\"}";
    static const char *const answers[] = {
        "{\"translated_text\":\"Bonjour\",\"confidence\":\"high\"}",
        " \n{\"translatedText\":\"nothing\",\"translated_text\":\"Bonjour\","
        "\"confidence\":\"high\"}\n",
        "```json\n{\"translated_text\":\"Bonjour\",\"confidence\":\"high\"}\n```",
        "\n```\n{\"translated_text\":\"Bonjour\",\"confidence\":\"high\"}```\n",
        /* What was not asked for is passed over, whatever its type. */
        "{\"translated_text\":\"Bonjour\",\"confidence\":\"high\",\"note\":{\"a\":[1]}}",
        "{\"translated_text\":\"Bonjour\",\"confidence\":\"high\",\"original_text\":5,"
        "\"target_language\":\"Klingon\"}",
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        assert_answers("TranslateText", "{\"text\":\"Good day\"}", answers[i], expected);
}

static void test_translate_refuses(void **state)
{
    (void)state;
    assert_refuses("TranslateText", "", "", "syntax");
    assert_refuses("TranslateText", "Bonjour", "", "syntax");
    assert_refuses("TranslateText", "{\"translated_text\":\"Bon", "", "syntax");
    assert_refuses("TranslateText", "```json\n```", "", "syntax");
    assert_refuses("TranslateText", "``````", "", "syntax");
    assert_refuses("TranslateText", "```", "", "syntax");
    assert_refuses("TranslateText",
                   "Here: ```json\n{\"translated_text\":\"a\",\"confidence\":\"low\"}\n```", "",
                   "syntax");
    assert_refuses("TranslateText", "[]", "", "type");
    assert_refuses("TranslateText", "{\"translated_text\":\"Bonjour\"}", "confidence", "required");
    assert_refuses("TranslateText", "{\"translated_text\":null,\"confidence\":\"low\"}",
                   "translated_text", "required");
    assert_refuses("TranslateText", "{\"translated_text\":\"\",\"confidence\":\"low\"}",
                   "translated_text", "required");
    assert_refuses("TranslateText", "{\"translated_text\":\"a\",\"confidence\":\"sure\"}",
                   "confidence", "string.in");
    assert_refuses("TranslateText", "{\"translated_text\":5,\"confidence\":\"low\"}",
                   "translated_text", "type");
    assert_refuses("TranslateText", "{\"translated_text\":\"a\\u0000\",\"confidence\":\"low\"}",
                   "translated_text", "utf8");
    assert_refuses("TranslateText",
                   "{\"confidence\":\"low\",\"translated_text\":\"a\",\"confidence\":\"low\"}",
                   "confidence", "duplicate_field");
}

static void test_text_that_is_no_text(void **state)
{
    (void)state;
    static const char *const rpcs[] = {"TellJoke", "TranslateText"};
    for (size_t i = 0; i < 2; i++) {
        struct outcome outcome = build(rpcs[i], "{}", span_make("a\0b", 3));
        assert_int_equal(outcome.n, 1);
        assert_true(span_is(outcome.violations->rule, "utf8"));
        outcome = build(rpcs[i], "{}", span_of("a\xff"));
        assert_int_equal(outcome.n, 1);
        assert_true(span_is(outcome.violations->rule, "utf8"));
    }
}

static void test_character(void **state)
{
    (void)state;
    assert_answers("GenerateCharacter", "{}",
                   "{\"name\":\"Luna\",\"backStory\":\"Born.\",\"abilities\":[\"a\",\"b\",\"c\"],"
                   "\"skills\":{\"strength\":7,\"charisma\":\"80\",\"endurance\":100.0}}",
                   "{\"name\":\"Luna\",\"backStory\":\"Born.\",\"abilities\":[\"a\",\"b\",\"c\"],"
                   "\"skills\":{\"strength\":7,\"charisma\":80,\"endurance\":100}}");
    assert_refuses("GenerateCharacter",
                   "{\"name\":\"Luna\",\"backStory\":\"Born.\",\"abilities\":[\"a\"]}", "skills",
                   "required");
    assert_refuses("GenerateCharacter",
                   "{\"name\":\"Luna\",\"backStory\":\"Born.\",\"abilities\":[\"a\",\"\"],"
                   "\"skills\":{}}",
                   "abilities[1]", "string.min_len");
    assert_refuses("GenerateCharacter",
                   "{\"name\":\"Luna\",\"back_story\":\"Born.\",\"abilities\":[],\"skills\":{}}",
                   "abilities", "repeated.min_items");
    assert_refuses("GenerateCharacter",
                   "{\"name\":\"Luna\",\"backStory\":\"Born.\",\"abilities\":[\"a\"],"
                   "\"skills\":{\"strength\":101}}",
                   "skills.strength", "number.lte");
    assert_refuses("GenerateCharacter",
                   "{\"name\":\"Luna\",\"backStory\":\"Born.\",\"abilities\":[\"a\"],"
                   "\"skills\":{\"strength\":7.5}}",
                   "skills.strength", "type");
    struct outcome outcome = build("GenerateCharacter", "{}", span_of("{}"));
    assert_int_equal(outcome.n, 4);
}

/* V4: gRPC has the whole review as JSON text besides its fields, the same text as REST's body. */
static void test_review(void **state)
{
    (void)state;
    static const char review[] =
        "{\"summary\":\"Fine \\\"code\\\"\",\"issues\":[{\"severity\":\"info\",\"line\":1,"
        "\"message\":\"m\",\"suggestion\":\"\"}],\"score\":90,\"language\":\"python\"}";
    assert_answers("ReviewCode", "{}", review, review);
    struct outcome outcome = build("ReviewCode", "{}", span_of(review));
    const Weir__V1__ReviewCodeResponse *response =
        (const Weir__V1__ReviewCodeResponse *)(const void *)outcome.response;
    assert_string_equal(response->review, review);
    assert_int_equal(response->score, 90);
    assert_refuses("ReviewCode",
                   "{\"summary\":\"s\",\"issues\":[{\"severity\":\"info\",\"message\":\"m\"},"
                   "{\"severity\":\"fatal\",\"message\":\"m\"}]}",
                   "issues[1].severity", "string.in");
    assert_refuses("ReviewCode",
                   "{\"summary\":\"s\",\"issues\":[{\"severity\":\"info\",\"line\":\"one\"}]}",
                   "issues[0].line", "type");
    /* The model does not fill in `review`. */
    assert_answers("ReviewCode", "{}", "{\"summary\":\"s\",\"review\":7}",
                   "{\"summary\":\"s\",\"issues\":[],\"score\":0,\"language\":\"\"}");
}

static void test_a_long_answer_has_a_budget_of_its_own(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, NULL, 1 << 20);
    buf_put_text(&text, "{\"language\":\"c\",\"code\":\"");
    for (size_t i = 0; i < 500000; i++)
        buf_put_char(&text, 'x');
    buf_put_text(&text, "\"}");
    struct outcome outcome;
    arena.budget_bytes = 4096; /* what a small request may have */
    outcome = build("GenerateCode", "{}", buf_span(&text));
    assert_non_null(outcome.response);
    buf_fini(&text);
}

static void test_a_model_that_sends_depth_and_amounts(void **state)
{
    (void)state;
    static char text[300000];
    memset(text, '[', sizeof text - 1);
    assert_refuses("ReviewCode", text,
                   "[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]"
                   "[0][0][0][0][0][0][0][0][0][0][0][0][0]",
                   "depth");
    for (size_t i = 1; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "0,", 2);
    assert_refuses("ReviewCode", text, "", "size");
}

static void test_pieces(void **state)
{
    (void)state;
    static const char *const rpcs[] = {"TellJokeStream", "TellStory"};
    for (size_t i = 0; i < 2; i++) {
        const struct contract_method *method = method_named(rpcs[i]);
        struct buf json;
        ProtobufCMessage *piece = answer_piece(method, "Once \"upon\"", &arena);
        buf_init(&json, &arena, 1000);
        json_write(&json, method->response, piece);
        assert_true(span_is(buf_span(&json), "{\"text\":\"Once \\\"upon\\\"\"}"));
        assert_int_equal(protobuf_c_message_get_packed_size(piece), 13);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plain_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_text_is_no_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_health_needs_no_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_translate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_translate_refuses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_text_that_is_no_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_character, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_review, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_long_answer_has_a_budget_of_its_own, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_model_that_sends_depth_and_amounts, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_pieces, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, prepare, shut_down);
}
