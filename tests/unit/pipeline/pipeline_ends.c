/* The ends of a walk that are not its answer: what the model, the client, the clock and a drain do
 * to it. */
#include "tests/unit/pipeline/walk_kit.h"

#include "shared/policy/authenticator.h"

static int set_up_group(void **state)
{
    (void)walk_set_up_group(state);
    walk.core.authenticator->required = false;
    return 0;
}

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
        walk.finishes = 0;
        walk_begin("TellJoke", "{}");
        model_ends(rows[i].end);
        assert_ended(rows[i].code);
        assert_int_equal(walk.ended.retry_after_ms, rows[i].end == LLM_BUSY ? 7000 : 0);
    }
    assert_int_equal(model.cancels, 0);
}

static void a_client_that_leaves_cancels_the_call(void **state)
{
    (void)state;
    struct request *request = walk_begin("TellJoke", "{}");
    request_abandon(request);
    assert_ended(VERDICT_CANCELLED);
    assert_int_equal(model.cancels, 1);
}

static void a_client_found_gone_while_sending_ends_the_request_once(void **state)
{
    (void)state;
    walk_begin("TellStory", "{}");
    walk.leave_in_send = true;
    model_streams("Once ");
    assert_ended(VERDICT_CANCELLED);
    assert_int_equal(model.cancels, 1);

    walk.finishes = 0;
    walk_begin("TellJoke", "{}");
    model_says("x");
    assert_ended(VERDICT_CANCELLED);
}

static void the_deadline_ends_the_request_and_its_call(void **state)
{
    (void)state;
    walk_begin("TellJoke", "{}");
    timers_run(&walk.timers, 5999);
    assert_int_equal(walk.finishes, 0);
    timers_run(&walk.timers, 6000);
    assert_ended(VERDICT_UPSTREAM_TIMED_OUT);
    assert_int_equal(model.cancels, 1);
    assert_int_equal(model.give_ups, 1); /* the model is to blame */
}

static void a_shorter_deadline_of_the_client_counts(void **state)
{
    (void)state;
    struct request *request = walk_make("TellJoke", "{}");
    request->given.timeout_ms = 10;
    request_begin(request);
    timers_run(&walk.timers, 5010);
    assert_ended(VERDICT_TIMED_OUT);
    assert_int_equal(model.give_ups, 0); /* and here it is not */

    walk.finishes = 0;
    model.calls = 0;
    request = walk_make("TellJoke", "{}");
    request->given.timeout_ms = 10;
    walk.now_ns += 11000000; /* it passed before the request was begun */
    request_begin(request);
    assert_ended(VERDICT_TIMED_OUT);
    assert_int_equal(model.calls, 0);
}

/* --- the end of a drain --- */

static void a_cut_tells_all_that_are_live(void **state)
{
    (void)state;
    walk_begin("TellJoke", "{}");
    walk_begin("TellStory", "{}");
    model_streams("Once ");
    assert_int_equal(walk.worker.live, 2);
    core_worker_cut(&walk.worker);
    assert_int_equal(walk.worker.live, 0);
    assert_null(walk.worker.first_live);
    assert_int_equal(walk.finishes, 2);
    assert_int_equal(model.cancels, 2);
    assert_int_equal(walk.ended.code, VERDICT_DRAINING);
    assert_int_equal(walk.ended.retry_after_ms, 1000);
    walk.worker.cut = false;
}

static void after_a_cut_nothing_is_admitted(void **state)
{
    (void)state;
    core_worker_cut(&walk.worker); /* of nobody */
    assert_int_equal(walk.finishes, 0);
    walk_begin("TellJoke", "{}");
    assert_ended(VERDICT_DRAINING);
    assert_int_equal(model.calls, 0);
    walk.worker.cut = false;
}

/* The list of the live ones holds together in whatever order they end. */
static void live_requests_end_in_any_order(void **state)
{
    (void)state;
    struct request *requests[3];
    for (size_t i = 0; i < 3; i++)
        requests[i] = walk_begin("TellJoke", "{}");
    request_abandon(requests[1]);
    request_abandon(requests[2]);
    assert_ptr_equal(walk.worker.first_live, requests[0]);
    struct request *last = walk_begin("TellJoke", "{}");
    request_abandon(requests[0]);
    assert_ptr_equal(walk.worker.first_live, last);
    request_abandon(last);
    assert_null(walk.worker.first_live);
    assert_int_equal(walk.finishes, 4);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, walk_set_up, walk_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(each_end_of_the_model_has_its_verdict),
        CASE(a_client_that_leaves_cancels_the_call),
        CASE(a_client_found_gone_while_sending_ends_the_request_once),
        CASE(the_deadline_ends_the_request_and_its_call),
        CASE(a_shorter_deadline_of_the_client_counts),
        CASE(a_cut_tells_all_that_are_live),
        CASE(after_a_cut_nothing_is_admitted),
        CASE(live_requests_end_in_any_order),
    };
    return cmocka_run_group_tests(tests, set_up_group, walk_tear_down_group);
}
