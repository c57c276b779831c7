/* Attempts through the client: retries, upstreams that follow, breakers, keys, accounts. The waits
 * are as short as the injected randomness makes them. */
#include "tests/unit/llm/kit.h"

#include "shared/llm/retry.h"

#include <stdio.h>

static uint64_t no_jitter(void)
{
    return 0;
}

static const struct act busy[] = {{ACT_SAY, HEAD_JSON("503 No") "\r\n", 0}, {ACT_CLOSE, NULL, 0}};
static const struct act refusing[] = {{ACT_SAY, HEAD_JSON("400 No") "\r\n", 0},
                                      {ACT_CLOSE, NULL, 0}};

static void open_kit(struct kit *kit, unsigned retries)
{
    kit_init(kit);
    kit->settings.retries = retries;
    kit->settings.random = no_jitter;
    kit->upstream.script = busy;
    kit_open(kit);
}

static void test_as_often_as_allowed(void **state)
{
    (void)state;
    for (unsigned retries = 0; retries < 4; retries++) {
        for (int stream = 0; stream < 2; stream++) {
            struct kit kit;
            struct asked asked;
            open_kit(&kit, retries);
            ask_and_wait(&kit, &asked, stream == 1, LLM_FAILED);
            assert_int_equal(kit.upstream.requests, retries + 1);
            assert_int_equal(asked.result.account.attempts, retries + 1);
            assert_int_equal(asked.result.http_status, 503);
            assert_string_equal(asked.result.reason, "status 503");
            assert_string_equal(asked.result.account.provider, "first");
            assert_false(asked.result.account.fallback);
            assert_int_equal(asked.result.account.usage.input_tokens, 0);
            asked_fini(&asked);
            kit_fini(&kit);
        }
    }
}

/* The second answer is read as if there had been no first. */
static void test_a_retry_that_helps(void **state)
{
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        struct kit kit;
        struct asked asked = {0};
        open_kit(&kit, 2);
        ask(&kit, &asked, stream == 1);
        run_until(&kit, &kit.upstream.requests, 1);
        kit.upstream.script = stream == 1 ? stream_abc : answer_hi;
        run_until(&kit, &asked.done, 1);
        assert_end(&asked, LLM_DONE);
        assert_text(&asked, stream == 1 ? "abc" : "Hi!");
        assert_int_equal(asked.result.account.attempts, 2);
        asked_fini(&asked);
        kit_fini(&kit);
    }
}

static void test_not_what_would_fail_again(void **state)
{
    struct kit kit;
    struct asked asked;
    (void)state;
    open_kit(&kit, 2);
    kit.upstream.script = refusing;
    ask_and_wait(&kit, &asked, false, LLM_REJECTED);
    assert_int_equal(kit.upstream.requests, 1);
    asked_fini(&asked);
    kit_fini(&kit);
}

static void test_not_after_a_piece(void **state)
{
    static const struct act one_and_gone[] = {{ACT_SAY, HEAD_STREAM, 0},
                                              {ACT_EVENT, DELTA("a"), 0},
                                              {ACT_WAIT, NULL, 10},
                                              {ACT_RESET, NULL, 0}};
    struct kit kit;
    struct asked asked;
    (void)state;
    open_kit(&kit, 2);
    kit.upstream.script = one_and_gone;
    ask_and_wait(&kit, &asked, true, LLM_CUT);
    assert_int_equal(asked.pieces, 1);
    assert_int_equal(kit.upstream.requests, 1);
    assert_true(asked.result.account.usage.estimated);
    assert_int_equal(asked.result.account.usage.input_tokens, 2); /* "Hello" */
    assert_int_equal(asked.result.account.usage.output_tokens, 1);
    asked_fini(&asked);
    kit_fini(&kit);
}

/* A reset before the first piece is a connection error. */
static void test_a_stream_that_broke_before_it_spoke(void **state)
{
    static const struct act gone[] = {
        {ACT_SAY, HEAD_STREAM, 0}, {ACT_WAIT, NULL, 5}, {ACT_RESET, NULL, 0}};
    struct kit kit;
    struct asked asked = {0};
    (void)state;
    open_kit(&kit, 2);
    kit.upstream.script = gone;
    ask(&kit, &asked, true);
    run_until(&kit, &kit.upstream.requests, 1);
    kit.upstream.script = stream_abc;
    run_until(&kit, &asked.done, 1);
    assert_end(&asked, LLM_DONE);
    assert_text(&asked, "abc");
    asked_fini(&asked);
    kit_fini(&kit);
}

static void test_cancelled_between_attempts(void **state)
{
    static const struct act later[] = {{ACT_SAY, HEAD_JSON("503 No") "Retry-After: 1\r\n\r\n", 0},
                                       {ACT_CLOSE, NULL, 0}};
    struct kit kit;
    struct asked asked = {0};
    struct llm_account account;
    (void)state;
    open_kit(&kit, 2);
    kit.upstream.script = later;
    ask(&kit, &asked, false);
    run_until(&kit, &kit.upstream.requests, 1);
    run_for(&kit, 50);
    llm_account(asked.call, &account);
    assert_int_equal(account.attempts, 1);
    asked_cancel(&asked);
    run_for(&kit, 1300);
    assert_int_equal(kit.upstream.requests, 1);
    assert_int_equal(asked.done, 0);
    asked_fini(&asked);
    kit_fini(&kit);
}

static void test_the_deadline(void **state)
{
    static const struct act later[] = {{ACT_SAY, HEAD_JSON("429 No") "Retry-After: 1\r\n\r\n", 0},
                                       {ACT_CLOSE, NULL, 0}};
    struct kit kit;
    struct asked asked = {0};
    struct chat_part part = {.kind = CHAT_TEXT, .text = span_of("Hello")};
    struct chat_message message = {CHAT_USER, &part, 1};
    struct conversation what = {.messages = &message, .n_messages = 1, .temperature = -1};
    (void)state;
    open_kit(&kit, 2);
    kit.upstream.script = later;
    what.deadline_ms = tick_now_ms() + 900;
    ask_what(&kit, &asked, &what);
    run_until(&kit, &asked.done, 1);
    assert_end(&asked, LLM_BUSY);
    assert_int_equal(asked.result.retry_after_ms, 1000);
    assert_int_equal(kit.upstream.requests, 1);
    asked_fini(&asked);
    kit_fini(&kit);
}

static void test_the_budget(void **state)
{
    struct kit kit;
    (void)state;
    open_kit(&kit, 2);
    for (unsigned i = 0; i < 30; i++) {
        struct asked asked;
        ask_and_wait(&kit, &asked, false, LLM_FAILED);
        asked_fini(&asked);
    }
    /* What was saved, and a tenth of 30. */
    assert_in_range(kit.upstream.requests, 30 + RETRY_BUDGET_MOST, 30 + RETRY_BUDGET_MOST + 3);
    kit_fini(&kit);
}

/* --- several upstreams --- */

static void open_two(struct kit *kit, const char *first, const struct breaker_settings *breaker)
{
    kit_init(kit);
    kit->settings.random = no_jitter;
    kit->urls[0] = first;
    kit->urls[1] = kit->base_url;
    kit->n_urls = 2;
    if (breaker != NULL)
        kit->breaker = *breaker;
    kit->upstream.script = answer_hi;
    kit_open(kit);
}

static void test_the_next_upstream(void **state)
{
    struct kit kit;
    struct asked asked = {0};
    struct chat_part part = {.kind = CHAT_TEXT, .text = span_of("Hello")};
    struct chat_message message = {CHAT_USER, &part, 1};
    struct conversation what = {.messages = &message,
                                .n_messages = 1,
                                .model = span_of("of-the-prompt"),
                                .temperature = -1};
    (void)state;
    open_two(&kit, "http://127.0.0.1:1/v1", NULL);
    ask_what(&kit, &asked, &what);
    part.text = SPAN_EMPTY; /* the conversation was read */
    run_until(&kit, &asked.done, 1);
    assert_end(&asked, LLM_DONE);
    assert_string_equal(asked.result.account.provider, "second");
    assert_true(asked.result.account.fallback);
    assert_int_equal(asked.result.account.attempts, 2);
    const struct buf *request = &kit.upstream.request;
    /* The prompt's model is one of the first upstream's. */
    assert_non_null(memmem(request->at, request->len, "\"model\":\"test-model\"", 20));
    assert_non_null(memmem(request->at, request->len, "\"Hello\"", 7));
    asked_fini(&asked);
    kit_fini(&kit);
}

static void test_breakers(void **state)
{
    const struct breaker_settings breaker = breaker_usual(2, 100);
    struct kit kit;
    struct asked asked;
    (void)state;
    open_two(&kit, "http://127.0.0.1:1/v1", &breaker);
    for (unsigned i = 0; i < 4; i++) {
        ask_and_wait(&kit, &asked, false, LLM_DONE);
        assert_int_equal(asked.result.account.attempts, i < 2 ? 2 : 1);
        asked_fini(&asked);
    }
    kit.upstream.script = busy;
    for (unsigned i = 0; i < 2; i++) {
        ask_and_wait(&kit, &asked, false, LLM_FAILED);
        asked_fini(&asked);
    }
    unsigned before = kit.upstream.requests;
    ask_and_wait(&kit, &asked, true, LLM_OPEN);
    assert_in_range(asked.result.retry_after_ms, 1, 100);
    assert_int_equal(asked.result.account.attempts, 0);
    assert_int_equal(kit.upstream.requests, before);
    asked_fini(&asked);
    run_for(&kit, 120);
    kit.upstream.script = answer_hi;
    ask_and_wait(&kit, &asked, false, LLM_DONE);
    asked_fini(&asked);
    kit_fini(&kit);
}

/* A cancelled probe gives its place back; one that is given up does not close. */
static void test_cancelled_and_given_up(void **state)
{
    const struct breaker_settings breaker = breaker_usual(1, 60);
    struct kit kit;
    struct asked asked = {0};
    (void)state;
    kit_init(&kit);
    kit.breaker = breaker;
    kit.upstream.script = hang;
    kit_open(&kit);
    ask(&kit, &asked, false);
    run_until(&kit, &kit.upstream.requests, 1);
    llm_give_up(asked.call);
    asked.call = NULL;
    asked_fini(&asked);
    ask_and_wait(&kit, &asked, false, LLM_OPEN);
    asked_fini(&asked);
    run_for(&kit, 80);
    asked = (struct asked){0};
    ask(&kit, &asked, false); /* the probe */
    run_until(&kit, &kit.upstream.requests, 2);
    asked_fini(&asked);
    kit.upstream.script = answer_hi;
    ask_and_wait(&kit, &asked, false, LLM_DONE);
    asked_fini(&asked);
    kit_fini(&kit);
}

/* Calls that wait for a connection when the breaker opens are told, without asking upstream. */
static void test_the_queue_of_an_open_breaker(void **state)
{
    static const struct act slow_failure[] = {
        {ACT_WAIT, NULL, 40}, {ACT_SAY, HEAD_JSON("500 No") "\r\n", 0}, {ACT_CLOSE, NULL, 0}};
    const struct breaker_settings breaker = breaker_usual(1, 5000);
    struct kit kit;
    struct asked asked[6] = {0};
    (void)state;
    kit_init(&kit);
    kit.breaker = breaker;
    kit.settings.pool_max = 1;
    kit.upstream.script = slow_failure;
    kit_open(&kit);
    for (size_t i = 0; i < 6; i++)
        ask(&kit, &asked[i], false);
    for (size_t i = 0; i < 6; i++) {
        run_until(&kit, &asked[i].done, 1);
        assert_end(&asked[i], i == 0 ? LLM_FAILED : LLM_OPEN);
        asked_fini(&asked[i]);
    }
    assert_int_equal(kit.upstream.requests, 1);
    kit_fini(&kit);
}

/* While the probe has the only connection, nobody waits behind it. */
static void test_no_queue_behind_a_probe(void **state)
{
    const struct breaker_settings breaker = breaker_usual(1, 400);
    struct kit kit;
    struct asked asked, probe = {0};
    (void)state;
    kit_init(&kit);
    kit.breaker = breaker;
    kit.settings.pool_max = 1;
    kit.upstream.script = busy;
    kit_open(&kit);
    ask_and_wait(&kit, &asked, false, LLM_FAILED);
    asked_fini(&asked);
    run_for(&kit, 420);
    kit.upstream.script = hang;
    ask(&kit, &probe, false);
    run_until(&kit, &kit.upstream.requests, 2);
    ask_and_wait(&kit, &asked, false, LLM_OPEN);
    asked_fini(&asked);
    asked_fini(&probe);
    kit_fini(&kit);
}

/* --- keys --- */

static bool requested(const struct kit *kit, const char *part)
{
    const struct buf *request = &kit->upstream.request;
    return memmem(request->at, request->len, part, strlen(part)) != NULL;
}

static void test_a_key_that_comes_later_and_changes(void **state)
{
    struct kit kit;
    struct asked asked, under_way = {0};
    (void)state;
    kit_init(&kit);
    kit.api_key = "";
    kit.upstream.script = answer_hi;
    kit_open(&kit);
    kit.upstreams[0].needs_key = true;
    ask_and_wait(&kit, &asked, false, LLM_UNREACHABLE);
    assert_string_equal(asked.result.reason, "there is no key yet");
    assert_int_equal(kit.upstream.connections, 0);
    asked_fini(&asked);
    static const char *const keys[] = {"key-1", "key-2", "key-3"};
    for (size_t i = 0; i < 3; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "\r\nAuthorization: Bearer %s\r\n", keys[i]);
        assert_true(llm_key_set(&kit.key, span_of(keys[i])));
        for (int twice = 0; twice < 2; twice++) {
            ask_and_wait(&kit, &asked, false, LLM_DONE);
            assert_true(requested(&kit, line));
            asked_fini(&asked);
        }
    }
    /* One that is under way with the old key does not mind. */
    kit.upstream.script = hang;
    ask(&kit, &under_way, false);
    run_until(&kit, &kit.upstream.running, 1);
    assert_true(llm_key_set(&kit.key, span_of("key-4")));
    kit.upstream.script = answer_hi;
    ask_and_wait(&kit, &asked, false, LLM_DONE);
    assert_true(requested(&kit, "Bearer key-4"));
    asked_fini(&asked);
    asked_fini(&under_way);
    kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_often_as_allowed),
        cmocka_unit_test(test_a_retry_that_helps),
        cmocka_unit_test(test_not_what_would_fail_again),
        cmocka_unit_test(test_not_after_a_piece),
        cmocka_unit_test(test_a_stream_that_broke_before_it_spoke),
        cmocka_unit_test(test_cancelled_between_attempts),
        cmocka_unit_test(test_the_deadline),
        cmocka_unit_test(test_the_budget),
        cmocka_unit_test(test_the_next_upstream),
        cmocka_unit_test(test_breakers),
        cmocka_unit_test(test_cancelled_and_given_up),
        cmocka_unit_test(test_the_queue_of_an_open_breaker),
        cmocka_unit_test(test_no_queue_behind_a_probe),
        cmocka_unit_test(test_a_key_that_comes_later_and_changes),
    };
    llm_global_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    llm_global_fini();
    return failed;
}
