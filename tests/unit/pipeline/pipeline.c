/* The walk of a request over the production contract, with a fake port, model and clock. */
#include "shared/pipeline/core.h"
#include "shared/policy/authenticator.h"
#include "shared/request.h"

#include "weir/v1/flows.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* --- the fake clock --- */

static uint64_t now_ns;

static uint64_t fake_now_ns(void)
{
    return now_ns;
}

static int64_t fake_unix_s(void)
{
    return 1000000000;
}

/* --- the fake model: takes the place of the client at link time --- */

struct llm_call {
    const struct llm_events *events;
    void *context;
    bool paused;
};

static struct llm_call the_call;
static unsigned calls, cancels, give_ups;
static char asked[4096];
static bool asked_for_stream;
static const char *asked_schema;
static size_t asked_tools;

struct llm_call *llm_start(struct llm_client *client, const struct conversation *what,
                           tick_ms now_ms, const struct llm_events *events, void *context)
{
    (void)client;
    (void)now_ms;
    calls++;
    asked[0] = '\0';
    for (size_t i = 0; i < what->n_messages; i++)
        for (size_t j = 0; j < what->messages[i].n_parts; j++)
            strncat(asked, what->messages[i].parts[j].text.at, what->messages[i].parts[j].text.len);
    asked_for_stream = what->stream;
    asked_schema = what->schema;
    asked_tools = what->n_tools;
    the_call = (struct llm_call){.events = events, .context = context};
    return &the_call;
}

void llm_cancel(struct llm_call *call)
{
    assert_ptr_equal(call, &the_call);
    cancels++;
}

void llm_give_up(struct llm_call *call)
{
    give_ups++;
    llm_cancel(call);
}

void llm_account(const struct llm_call *call, struct llm_account *account)
{
    (void)call;
    *account = (struct llm_account){.provider = "fake", .attempts = 1};
}

void llm_pause(struct llm_call *call)
{
    call->paused = true;
}

void llm_resume(struct llm_call *call)
{
    call->paused = false;
}

const char *llm_end_name(enum llm_end end)
{
    (void)end;
    return "fake";
}

static void model_says(const char *text)
{
    struct llm_result result = {
        .end = LLM_DONE, .text = span_of(text), .account = {.provider = "fake", .attempts = 1}};
    the_call.events->done(the_call.context, &result);
}

static void model_ends(enum llm_end end)
{
    struct llm_result result = {.end = end, .retry_after_ms = end == LLM_BUSY ? 7000 : 0};
    the_call.events->done(the_call.context, &result);
}

static void model_streams(const char *text)
{
    the_call.events->piece(the_call.context, span_of(text));
}

/* --- the fake port --- */

static unsigned finishes, sends;
static struct verdict ended;
static struct llm_account ended_model;
static char sent[4096]; /* pieces or text of the last message */
static char whole[4096];
static struct violation first_violation;
static bool port_is_full, leave_in_send;

static void keep(char *to, struct span text)
{
    memcpy(to, text.at, text.len);
    to[text.len] = '\0';
}

static enum port_state fake_send(struct request *request, const struct message_view *message)
{
    sends++;
    switch (message->kind) {
    case MESSAGE_ANSWER:
        if (message->message->descriptor == &weir__v1__tell_joke_response__descriptor)
            keep(sent, span_of(((const Weir__V1__TellJokeResponse *)message->message)->joke));
        break;
    case MESSAGE_PIECE:
        assert_string_equal(((const Weir__V1__TellStoryResponse *)message->message)->text,
                            arena_copy(&request->arena, message->text));
        strncat(sent, message->text.at, message->text.len);
        break;
    case MESSAGE_WHOLE:
        keep(whole, message->text);
        break;
    }
    if (leave_in_send)
        request_abandon(request);
    return port_is_full ? PORT_FULL : PORT_READY;
}

static void fake_finish(struct request *request, const struct verdict *verdict)
{
    ended_model = request->model;
    finishes++;
    ended = *verdict;
    if (verdict->n_violations > 0) {
        first_violation = verdict->violations[0];
        first_violation.path = span_of(strdup(arena_copy(&request->arena, first_violation.path)));
    }
    request_fini(request);
    free(request);
}

static size_t fake_metadata(const struct request *request, const char *name, struct span *values,
                            size_t most)
{
    (void)request;
    (void)name;
    (void)values;
    (void)most;
    return 0;
}

static const struct port fake_port = {
    .protocol = "fake", .metadata = fake_metadata, .send = fake_send, .finish = fake_finish};

/* --- the stage --- */

static struct core core = {.request_timeout_ms = 1000, .max_body_bytes = 1024};
static struct readiness readiness;
static struct timers timers;
static struct core_worker worker = {.core = &core, .timers = &timers};

static int set_up_group(void **state)
{
    (void)state;
    char error[256] = "";
    readiness_init(&readiness);
    if (!core_init(&core, &weir_contract, &readiness, error))
        fail_msg("%s", error);
    core.now_ns = fake_now_ns;
    core.now_s = fake_unix_s;
    core.authenticator->required = false;
    timers_init(&timers);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    core_fini(&core);
    timers_fini(&timers);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    now_ns = 5000000000;
    calls = cancels = give_ups = finishes = sends = 0;
    sent[0] = whole[0] = asked[0] = '\0';
    port_is_full = leave_in_send = false;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free((char *)(uintptr_t)first_violation.path.at);
    first_violation = (struct violation){0};
    assert_int_equal(worker.live, 0);
    assert_int_equal(timers.count, 0);
    return 0;
}

static const struct contract_method *method_named(const char *rpc)
{
    for (size_t i = 0; i < weir_contract.n_methods; i++)
        if (strcmp(weir_contract.methods[i].rpc_name, rpc) == 0)
            return &weir_contract.methods[i];
    fail_msg("no rpc %s", rpc);
    return NULL;
}

/* The request is freed by fake_finish. */
static struct request *make(const char *rpc, const char *json)
{
    struct request *request = malloc(sizeof *request);
    request_init(request, &worker, &fake_port);
    request->given = (struct request_given){.method = method_named(rpc),
                                            .encoding = REQUEST_JSON,
                                            .body = span_of(json),
                                            .received_ns = now_ns};
    return request;
}

static struct request *begin(const char *rpc, const char *json)
{
    struct request *request = make(rpc, json);
    request_begin(request);
    return request;
}

static void assert_ended(enum verdict_code code)
{
    assert_int_equal(finishes, 1);
    if (ended.code != code)
        fail_msg("ended %s", verdict_row(ended.code)->name);
}

/* --- unary --- */

static void a_unary_flow_asks_once_and_answers(void **state)
{
    (void)state;
    begin("TellJoke", "{\"name\":\"Ada\"}");
    assert_int_equal(calls, 1);
    assert_non_null(strstr(asked, "Ada"));
    assert_false(asked_for_stream);
    assert_null(asked_schema);
    assert_int_equal(finishes, 0);
    model_says("A joke about Ada.");
    assert_ended(VERDICT_OK);
    assert_int_equal(sends, 1);
    assert_string_equal(sent, "A joke about Ada.");
    assert_int_equal(cancels, 0);
}

static void an_empty_body_takes_the_defaults(void **state)
{
    (void)state;
    begin("TellJoke", "");
    assert_non_null(strstr(asked, "Mittens"));
    assert_non_null(strstr(asked, "anonymous"));
    model_says("x");
    assert_ended(VERDICT_OK);
}

static void protobuf_bytes_take_the_same_way(void **state)
{
    (void)state;
    struct request *request = make("TellJoke", "\x0a\x03"
                                               "Ada");
    request->given.encoding = REQUEST_PROTOBUF;
    request_begin(request);
    assert_non_null(strstr(asked, "Ada"));
    model_says("x");
    assert_ended(VERDICT_OK);
}

static void a_structured_flow_gives_the_model_its_schema(void **state)
{
    (void)state;
    begin("TranslateText", "{\"text\":\"Hello\"}");
    assert_non_null(asked_schema);
    model_says("{\"translated_text\":\"Bonjour\",\"confidence\":\"high\"}");
    assert_ended(VERDICT_OK);
}

static void a_model_that_answers_nonsense_is_named_as_such(void **state)
{
    (void)state;
    begin("TranslateText", "{\"text\":\"Hello\"}");
    model_says("Certainly! Here is your translation.");
    assert_int_equal(finishes, 0);
    assert_int_equal(calls, 2);
    assert_non_null(
        strstr(asked, "Certainly! Here is your translation.That answer cannot be used"));
    model_says("Here it is once more.");
    assert_ended(VERDICT_UPSTREAM_INVALID);
    assert_int_equal(ended_model.answer_retries, 1);
    assert_int_equal(ended_model.attempts, 2);
    assert_int_equal(sends, 0);
}

static void a_model_that_is_told_its_mistake_may_mend_it(void **state)
{
    (void)state;
    begin("TranslateText", "{\"text\":\"Hello\"}");
    model_says("{\"translated_text\":\"Bonjour\",\"confidence\":\"certain\"}");
    assert_non_null(strstr(asked, "- confidence: "));
    model_says("{\"translated_text\":\"Bonjour\",\"confidence\":\"high\"}");
    assert_ended(VERDICT_OK);
    assert_int_equal(sends, 1);
    assert_int_equal(calls, 2);
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
    the_call.events->done(the_call.context, &result);
}

static void a_model_may_call_tools_in_between(void **state)
{
    (void)state;
    begin("TranslateText", "{\"text\":\"Hello\"}");
    assert_int_equal(asked_tools, 1);
    model_calls("get_current_time");
    assert_non_null(strstr(asked, "{\"time\":\"2001-09-09T01:46:40Z\"}"));
    model_calls("rm");
    assert_non_null(strstr(asked, "{\"error\":\"there is no tool of this name\"}"));
    model_says("{\"translated_text\":\"Bonjour\",\"confidence\":\"high\"}");
    assert_ended(VERDICT_OK);
    assert_int_equal(calls, 3);
    assert_int_equal(ended_model.tool_rounds, 2);
    assert_int_equal(ended_model.attempts, 3);
    assert_true(ended_model.usage.output_tokens >= 20);
}

static void a_model_that_calls_tools_for_ever_is_stopped(void **state)
{
    (void)state;
    begin("TranslateText", "{\"text\":\"Hello\"}");
    for (unsigned i = 1; i <= DIALOGUE_ROUNDS; i++) {
        model_calls("get_current_time");
        assert_int_equal(calls, 1 + i);
    }
    model_calls("get_current_time");
    assert_ended(VERDICT_UPSTREAM_INVALID);
    assert_int_equal(calls, 1 + DIALOGUE_ROUNDS);
    struct request *joke = begin("TellJoke", "{}"); /* offers none */
    assert_int_equal(asked_tools, 0);
    request_abandon(joke);
}

static void images_at_private_addresses_are_refused(void **state)
{
    (void)state;
    begin("DescribeImage", "{\"image_url\":\"http://169.254.169.254/latest/meta-data\"}");
    assert_ended(VERDICT_INVALID);
    assert_int_equal(calls, 0);
    struct request *fine = begin("DescribeImage", "{\"image_url\":\"https://example.com/a.png\"}");
    assert_int_equal(calls, 1); /* passed on as it is */
    request_abandon(fine);
}

static void health_needs_no_model(void **state)
{
    (void)state;
    begin("Health", "");
    assert_ended(VERDICT_OK);
    assert_int_equal(sends, 1);
    assert_int_equal(calls, 0);
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
        finishes = 0;
        begin("TellJoke", rows[i].body);
        assert_ended(rows[i].code);
        if (rows[i].path != NULL) {
            assert_int_equal(ended.n_violations, 1);
            assert_true(span_is(first_violation.path, rows[i].path));
            (void)tear_down(NULL);
        }
    }
    assert_int_equal(calls, 0);
}

static void a_broken_rule_names_its_field(void **state)
{
    (void)state;
    begin("GenerateCode", "{\"language\":\"c;rm\"}");
    assert_ended(VERDICT_INVALID);
    assert_int_equal(ended.n_violations, 1);
    assert_true(span_is(first_violation.path, "language"));
    assert_int_equal(calls, 0);
}

static void a_transports_refusal_ends_the_request(void **state)
{
    (void)state;
    struct request *request = make("TellJoke", "");
    request->given.method = NULL;
    struct verdict verdict = verdict_of(VERDICT_NO_ROUTE);
    request_refuse(request, &verdict);
    assert_ended(VERDICT_NO_ROUTE);
}

/* --- streams --- */

static void a_stream_sends_its_pieces_then_the_whole(void **state)
{
    (void)state;
    begin("TellStory", "{}");
    assert_true(asked_for_stream);
    model_streams("Once ");
    assert_string_equal(sent, "Once ");
    model_streams("upon");
    model_ends(LLM_DONE);
    assert_ended(VERDICT_OK);
    assert_int_equal(sends, 3);
    assert_string_equal(whole, "Once upon");
}

static void a_cut_stream_is_never_a_normal_end(void **state)
{
    (void)state;
    begin("TellStory", "{}");
    model_streams("Once ");
    model_ends(LLM_CUT);
    assert_ended(VERDICT_UPSTREAM_CUT);
    assert_string_equal(whole, "");
}

static void a_stream_without_a_word_is_an_error(void **state)
{
    (void)state;
    begin("TellStory", "{}");
    model_ends(LLM_DONE);
    assert_ended(VERDICT_UPSTREAM_INVALID);
}

static void a_full_port_pauses_the_model_until_it_has_room(void **state)
{
    (void)state;
    struct request *request = begin("TellStory", "{}");
    port_is_full = true;
    model_streams("Once ");
    assert_true(the_call.paused);
    request_writable(request);
    assert_false(the_call.paused);
    port_is_full = false;
    model_ends(LLM_DONE);
    assert_ended(VERDICT_OK);
}

/* --- ends of the model, the client and the clock --- */

static void each_end_of_the_model_has_its_verdict(void **state)
{
    (void)state;
    const struct {
        enum llm_end end;
        enum verdict_code code;
    } rows[] = {
        {LLM_UNREACHABLE, VERDICT_UPSTREAM_UNREACHABLE},
        {LLM_TIMED_OUT, VERDICT_UPSTREAM_TIMED_OUT},
        {LLM_BUSY, VERDICT_UPSTREAM_BUSY},
        {LLM_REJECTED, VERDICT_UPSTREAM_REJECTED},
        {LLM_FAILED, VERDICT_UPSTREAM_FAILED},
        {LLM_GARBLED, VERDICT_UPSTREAM_GARBLED},
        {LLM_TOO_LARGE, VERDICT_UPSTREAM_GARBLED},
        {LLM_CUT, VERDICT_UPSTREAM_CUT},
        {LLM_FILTERED, VERDICT_UPSTREAM_FILTERED},
        {LLM_OPEN, VERDICT_BREAKER_OPEN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        finishes = 0;
        begin("TellJoke", "{}");
        model_ends(rows[i].end);
        assert_ended(rows[i].code);
        assert_int_equal(ended.retry_after_ms, rows[i].end == LLM_BUSY ? 7000 : 0);
    }
    assert_int_equal(cancels, 0);
}

static void a_client_that_leaves_cancels_the_call(void **state)
{
    (void)state;
    struct request *request = begin("TellJoke", "{}");
    request_abandon(request);
    assert_ended(VERDICT_CANCELLED);
    assert_int_equal(cancels, 1);
}

static void a_client_found_gone_while_sending_ends_the_request_once(void **state)
{
    (void)state;
    begin("TellStory", "{}");
    leave_in_send = true;
    model_streams("Once ");
    assert_ended(VERDICT_CANCELLED);
    assert_int_equal(cancels, 1);

    finishes = 0;
    begin("TellJoke", "{}");
    model_says("x");
    assert_ended(VERDICT_CANCELLED);
}

static void the_deadline_ends_the_request_and_its_call(void **state)
{
    (void)state;
    begin("TellJoke", "{}");
    timers_run(&timers, 5999);
    assert_int_equal(finishes, 0);
    timers_run(&timers, 6000);
    assert_ended(VERDICT_UPSTREAM_TIMED_OUT);
    assert_int_equal(cancels, 1);
    assert_int_equal(give_ups, 1); /* the model is to blame */
}

static void a_shorter_deadline_of_the_client_counts(void **state)
{
    (void)state;
    struct request *request = make("TellJoke", "{}");
    request->given.timeout_ms = 10;
    request_begin(request);
    timers_run(&timers, 5010);
    assert_ended(VERDICT_TIMED_OUT);
    assert_int_equal(give_ups, 0); /* and here it is not */

    finishes = 0;
    calls = 0;
    request = make("TellJoke", "{}");
    request->given.timeout_ms = 10;
    now_ns += 11000000; /* it passed before the request was begun */
    request_begin(request);
    assert_ended(VERDICT_TIMED_OUT);
    assert_int_equal(calls, 0);
}

/* --- the end of a drain --- */

static void a_cut_tells_all_that_are_live(void **state)
{
    (void)state;
    begin("TellJoke", "{}");
    begin("TellStory", "{}");
    model_streams("Once ");
    assert_int_equal(worker.live, 2);
    core_worker_cut(&worker);
    assert_int_equal(worker.live, 0);
    assert_null(worker.first_live);
    assert_int_equal(finishes, 2);
    assert_int_equal(cancels, 2);
    assert_int_equal(ended.code, VERDICT_DRAINING);
    assert_int_equal(ended.retry_after_ms, 1000);
    worker.cut = false;
}

static void after_a_cut_nothing_is_admitted(void **state)
{
    (void)state;
    core_worker_cut(&worker); /* of nobody */
    assert_int_equal(finishes, 0);
    begin("TellJoke", "{}");
    assert_ended(VERDICT_DRAINING);
    assert_int_equal(calls, 0);
    worker.cut = false;
}

/* The list of the live ones holds together in whatever order they end. */
static void live_requests_end_in_any_order(void **state)
{
    (void)state;
    struct request *requests[3];
    for (size_t i = 0; i < 3; i++)
        requests[i] = begin("TellJoke", "{}");
    request_abandon(requests[1]);
    request_abandon(requests[2]);
    assert_ptr_equal(worker.first_live, requests[0]);
    struct request *last = begin("TellJoke", "{}");
    request_abandon(requests[0]);
    assert_ptr_equal(worker.first_live, last);
    request_abandon(last);
    assert_null(worker.first_live);
    assert_int_equal(finishes, 4);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
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
        CASE(each_end_of_the_model_has_its_verdict),
        CASE(a_client_that_leaves_cancels_the_call),
        CASE(a_client_found_gone_while_sending_ends_the_request_once),
        CASE(the_deadline_ends_the_request_and_its_call),
        CASE(a_shorter_deadline_of_the_client_counts),
        CASE(a_cut_tells_all_that_are_live),
        CASE(after_a_cut_nothing_is_admitted),
        CASE(live_requests_end_in_any_order),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
