/* The walk of a request over the production contract, with a fake port, model and clock: what is
 * asked of the model, what is answered, what is refused. */
#include "tests/unit/pipeline/walk_kit.h"

#include "shared/policy/authenticator.h"

static int set_up_group(void **state)
{
    (void)walk_set_up_group(state);
    walk.core.authenticator->required = false;
    return 0;
}

/* --- unary --- */

static void a_unary_flow_asks_once_and_answers(void **state)
{
    (void)state;
    walk_begin("TellJoke", "{\"name\":\"Ada\"}");
    assert_int_equal(model.calls, 1);
    assert_non_null(strstr(model.asked, "Ada"));
    assert_false(model.stream);
    assert_null(model.schema);
    assert_int_equal(walk.finishes, 0);
    model_says("A joke about Ada.");
    assert_ended(VERDICT_OK);
    assert_int_equal(walk.sends, 1);
    assert_string_equal(walk.sent, "A joke about Ada.");
    assert_int_equal(model.cancels, 0);
}

static void an_empty_body_takes_the_defaults(void **state)
{
    (void)state;
    walk_begin("TellJoke", "");
    assert_non_null(strstr(model.asked, "Mittens"));
    assert_non_null(strstr(model.asked, "anonymous"));
    model_says("x");
    assert_ended(VERDICT_OK);
}

static void protobuf_bytes_take_the_same_way(void **state)
{
    (void)state;
    struct request *request = walk_make("TellJoke", "\x0a\x03"
                                                    "Ada");
    request->given.encoding = REQUEST_PROTOBUF;
    request_begin(request);
    assert_non_null(strstr(model.asked, "Ada"));
    model_says("x");
    assert_ended(VERDICT_OK);
}

static void a_structured_flow_gives_the_model_its_schema(void **state)
{
    (void)state;
    walk_begin("TranslateText", "{\"text\":\"Hello\"}");
    assert_non_null(model.schema);
    model_says("{\"translated_text\":\"Bonjour\",\"confidence\":\"high\"}");
    assert_ended(VERDICT_OK);
}

static void a_model_that_answers_nonsense_is_named_as_such(void **state)
{
    (void)state;
    walk_begin("TranslateText", "{\"text\":\"Hello\"}");
    model_says("Certainly! Here is your translation.");
    assert_int_equal(walk.finishes, 0);
    assert_int_equal(model.calls, 2);
    assert_non_null(
        strstr(model.asked, "Certainly! Here is your translation.That answer cannot be used"));
    model_says("Here it is once more.");
    assert_ended(VERDICT_UPSTREAM_INVALID);
    assert_int_equal(walk.account.answer_retries, 1);
    assert_int_equal(walk.account.attempts, 2);
    assert_int_equal(walk.sends, 0);
}

static void a_model_that_is_told_its_mistake_may_mend_it(void **state)
{
    (void)state;
    walk_begin("TranslateText", "{\"text\":\"Hello\"}");
    model_says("{\"translated_text\":\"Bonjour\",\"confidence\":\"certain\"}");
    assert_non_null(strstr(model.asked, "- confidence: "));
    model_says("{\"translated_text\":\"Bonjour\",\"confidence\":\"high\"}");
    assert_ended(VERDICT_OK);
    assert_int_equal(walk.sends, 1);
    assert_int_equal(model.calls, 2);
}

static void model_calls(const char *tool)
{
    const struct chat_part call = {
        .kind = CHAT_TOOL_CALL, .name = span_of(tool), .text = span_of("{}"), .id = span_of("c1")};
    const struct llm_result result = {
        .end = LLM_DONE,
        .calls = &call,
        .n_calls = 1,
        .account = {.provider = "fake", .attempts = 1, .usage = {.output_tokens = 10}}};
    model_call_ends(model.calls - 1, &result);
}

static void a_model_may_call_tools_in_between(void **state)
{
    (void)state;
    walk_begin("TranslateText", "{\"text\":\"Hello\"}");
    assert_int_equal(model.tools, 1);
    model_calls("get_current_time");
    assert_non_null(strstr(model.asked, "{\"time\":\"2001-09-09T01:46:40Z\"}"));
    model_calls("rm");
    assert_non_null(strstr(model.asked, "{\"error\":\"there is no tool of this name\"}"));
    model_says("{\"translated_text\":\"Bonjour\",\"confidence\":\"high\"}");
    assert_ended(VERDICT_OK);
    assert_int_equal(model.calls, 3);
    assert_int_equal(walk.account.tool_rounds, 2);
    assert_int_equal(walk.account.attempts, 3);
    assert_true(walk.account.usage.output_tokens >= 20);
}

static void a_model_that_calls_tools_for_ever_is_stopped(void **state)
{
    (void)state;
    walk_begin("TranslateText", "{\"text\":\"Hello\"}");
    for (unsigned i = 1; i <= DIALOGUE_ROUNDS; i++) {
        model_calls("get_current_time");
        assert_int_equal(model.calls, 1 + i);
    }
    model_calls("get_current_time");
    assert_ended(VERDICT_UPSTREAM_INVALID);
    assert_int_equal(model.calls, 1 + DIALOGUE_ROUNDS);
    struct request *joke = walk_begin("TellJoke", "{}"); /* offers none */
    assert_int_equal(model.tools, 0);
    request_abandon(joke);
}

static void images_at_private_addresses_are_refused(void **state)
{
    (void)state;
    walk_begin("DescribeImage", "{\"image_url\":\"http://169.254.169.254/latest/meta-data\"}");
    assert_ended(VERDICT_INVALID);
    assert_int_equal(model.calls, 0);
    struct request *fine =
        walk_begin("DescribeImage", "{\"image_url\":\"https://example.com/a.png\"}");
    assert_int_equal(model.calls, 1); /* passed on as it is */
    request_abandon(fine);
}

static void health_needs_no_model(void **state)
{
    (void)state;
    walk_begin("Health", "");
    assert_ended(VERDICT_OK);
    assert_int_equal(walk.sends, 1);
    assert_int_equal(model.calls, 0);
}

/* --- refusals --- */

static void bad_bodies_are_refused_before_the_model_is_asked(void **state)
{
    (void)state;
    char large[1026];
    memset(large, ' ', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    const struct {
        const char *body;
        enum verdict_code code;
        const char *path;
    } rows[] = {
        {"{\"name\":", VERDICT_BAD_JSON, NULL},
        {"{\"nmae\":\"x\"}", VERDICT_BAD_MESSAGE, "nmae"},
        {"{\"name\":1}", VERDICT_BAD_MESSAGE, "name"},
        {"[]", VERDICT_BAD_MESSAGE, ""},
        {large, VERDICT_TOO_LARGE, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        walk.finishes = 0;
        walk_begin("TellJoke", rows[i].body);
        assert_ended(rows[i].code);
        if (rows[i].path != NULL) {
            assert_int_equal(walk.ended.n_violations, 1);
            assert_true(span_is(walk.violation.path, rows[i].path));
            (void)walk_tear_down(NULL);
        }
    }
    assert_int_equal(model.calls, 0);
}

static void a_broken_rule_names_its_field(void **state)
{
    (void)state;
    walk_begin("GenerateCode", "{\"language\":\"c;rm\"}");
    assert_ended(VERDICT_INVALID);
    assert_int_equal(walk.ended.n_violations, 1);
    assert_true(span_is(walk.violation.path, "language"));
    assert_int_equal(model.calls, 0);
}

static void a_transports_refusal_ends_the_request(void **state)
{
    (void)state;
    struct request *request = walk_make("TellJoke", "");
    request->given.method = NULL;
    struct verdict verdict = verdict_of(VERDICT_NO_ROUTE);
    request_refuse(request, &verdict);
    assert_ended(VERDICT_NO_ROUTE);
}

/* --- streams --- */

static void a_stream_sends_its_pieces_then_the_whole(void **state)
{
    (void)state;
    walk_begin("TellStory", "{}");
    assert_true(model.stream);
    model_streams("Once ");
    assert_string_equal(walk.sent, "Once ");
    model_streams("upon");
    model_ends(LLM_DONE);
    assert_ended(VERDICT_OK);
    assert_int_equal(walk.sends, 3);
    assert_string_equal(walk.whole, "Once upon");
}

static void a_cut_stream_is_never_a_normal_end(void **state)
{
    (void)state;
    walk_begin("TellStory", "{}");
    model_streams("Once ");
    model_ends(LLM_CUT);
    assert_ended(VERDICT_UPSTREAM_CUT);
    assert_string_equal(walk.whole, "");
}

static void a_stream_without_a_word_is_an_error(void **state)
{
    (void)state;
    walk_begin("TellStory", "{}");
    model_ends(LLM_DONE);
    assert_ended(VERDICT_UPSTREAM_INVALID);
}

static void a_full_port_pauses_the_model_until_it_has_room(void **state)
{
    (void)state;
    struct request *request = walk_begin("TellStory", "{}");
    walk.port_is_full = true;
    model_streams("Once ");
    assert_true(model.call[0].paused);
    request_writable(request);
    assert_false(model.call[0].paused);
    walk.port_is_full = false;
    model_ends(LLM_DONE);
    assert_ended(VERDICT_OK);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, walk_set_up, walk_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_unary_flow_asks_once_and_answers),
        CASE(an_empty_body_takes_the_defaults),
        CASE(protobuf_bytes_take_the_same_way),
        CASE(a_structured_flow_gives_the_model_its_schema),
        CASE(a_model_that_answers_nonsense_is_named_as_such),
        CASE(a_model_that_is_told_its_mistake_may_mend_it),
        CASE(a_model_may_call_tools_in_between),
        CASE(a_model_that_calls_tools_for_ever_is_stopped),
        CASE(images_at_private_addresses_are_refused),
        CASE(health_needs_no_model),
        CASE(bad_bodies_are_refused_before_the_model_is_asked),
        CASE(a_broken_rule_names_its_field),
        CASE(a_transports_refusal_ends_the_request),
        CASE(a_stream_sends_its_pieces_then_the_whole),
        CASE(a_cut_stream_is_never_a_normal_end),
        CASE(a_stream_without_a_word_is_an_error),
        CASE(a_full_port_pauses_the_model_until_it_has_room),
    };
    return cmocka_run_group_tests(tests, set_up_group, walk_tear_down_group);
}
