/* The client's time-outs, in short real time. */
#include "tests/unit/llm/kit.h"

#include <stdio.h>

/* Well before any other time-out of these tests would come. */
enum { MOST_MS = 1000 };

static void check(struct kit *kit, bool stream, const char *reason, unsigned least_ms)
{
    struct asked asked = {0};
    unsigned aborted = kit->upstream.aborted;
    ask(kit, &asked, stream);
    run_until(kit, &asked.done, 1);
    assert_end(&asked, LLM_TIMED_OUT);
    assert_string_equal(asked.result.reason, reason);
    assert_in_range(asked.last_ms - asked.asked_ms, least_ms, patient_ms(MOST_MS));
    run_until(kit, &kit->upstream.aborted, aborted + 1);
    asked_fini(&asked);
}

static void test_total(void **state)
{
    struct kit kit;
    (void)state;
    kit_init(&kit);
    kit.settings.total_timeout_ms = 60;
    kit.settings.first_token_timeout_ms = 0;
    kit.settings.idle_timeout_ms = 0;
    kit.upstream.script = hang;
    kit_open(&kit);
    check(&kit, false, "total time-out", 60);
    check(&kit, true, "total time-out", 60);
    kit_fini(&kit);
}

/* Headers, comments and the role do not count as a token; unary answers have no first token. */
static void test_first_token(void **state)
{
    static const struct act no_token[] = {
        {ACT_SAY, HEAD_STREAM, 0},
        {ACT_WAIT, NULL, 20},
        {ACT_EVENT, ": ping\n\n", 0},
        {ACT_WAIT, NULL, 20},
        {ACT_EVENT,
         "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n", 0},
        {ACT_HANG, NULL, 0}};
    static const struct act slow[] = {{ACT_WAIT, NULL, 120},
                                      {ACT_SAY, HEAD_JSON("200 OK") "\r\n" ANSWER_HI, 0},
                                      {ACT_CLOSE, NULL, 0}};
    struct kit kit;
    struct asked asked;
    (void)state;
    kit_init(&kit);
    kit.settings.first_token_timeout_ms = 80;
    kit.settings.idle_timeout_ms = 30;
    kit_open(&kit);
    kit.upstream.script = hang;
    check(&kit, true, "first token time-out", 80);
    kit.upstream.script = no_token;
    check(&kit, true, "first token time-out", 80);
    kit.upstream.script = slow;
    ask_and_wait(&kit, &asked, false, LLM_DONE);
    asked_fini(&asked);
    kit_fini(&kit);
}

static void test_idle(void **state)
{
    static const struct act stalls[] = {{ACT_SAY, HEAD_STREAM, 0},
                                        {ACT_EVENT, DELTA("a"), 0},
                                        {ACT_WAIT, NULL, 40},
                                        {ACT_EVENT, DELTA("b"), 0},
                                        {ACT_HANG, NULL, 0}};
    /* Bytes that never make an event, and comments, are no progress. */
    static const struct act trickles[] = {
        {ACT_SAY, HEAD_STREAM, 0}, {ACT_EVENT, DELTA("a"), 0},  {ACT_WAIT, NULL, 25},
        {ACT_EVENT, "d", 0},       {ACT_WAIT, NULL, 25},        {ACT_EVENT, "a", 0},
        {ACT_WAIT, NULL, 25},      {ACT_EVENT, "\n: x\n\n", 0}, {ACT_WAIT, NULL, 25},
        {ACT_EVENT, "d", 0},       {ACT_HANG, NULL, 0}};
    struct kit kit;
    (void)state;
    kit_init(&kit);
    kit.settings.first_token_timeout_ms = 3000;
    kit.settings.idle_timeout_ms = 70;
    kit_open(&kit);
    kit.upstream.script = stalls;
    check(&kit, true, "idle time-out", 110);
    kit.upstream.script = trickles;
    check(&kit, true, "idle time-out", 70);
    kit_fini(&kit);
}

/* A stream that goes on is not idle, however long it takes. */
static void test_progress(void **state)
{
    static struct act script[32];
    struct kit kit;
    struct asked asked;
    (void)state;
    script[0] = (struct act){ACT_SAY, HEAD_STREAM, 0};
    for (size_t i = 1; i < 21; i += 2) {
        script[i] = (struct act){ACT_EVENT, DELTA("a"), 0};
        script[i + 1] = (struct act){ACT_WAIT, NULL, 20};
    }
    script[21] = (struct act){ACT_EVENT, "data: [DONE]\n\n", 0};
    script[22] = (struct act){ACT_SAY, LAST_CHUNK, 0};
    kit_init(&kit);
    kit.settings.first_token_timeout_ms = 100;
    kit.settings.idle_timeout_ms = 100;
    kit.upstream.script = script;
    kit_open(&kit);
    ask_and_wait(&kit, &asked, true, LLM_DONE);
    assert_int_equal(asked.pieces, 10);
    assert_true(asked.last_ms - asked.asked_ms >= 180);
    asked_fini(&asked);
    kit_fini(&kit);
}

static void test_the_total_holds_while_paused(void **state)
{
    static const struct act two[] = {
        {ACT_SAY, HEAD_STREAM, 0}, {ACT_EVENT, DELTA("a") DELTA("b"), 0}, {ACT_HANG, NULL, 0}};
    struct kit kit;
    struct asked asked = {.pause_at = 1};
    (void)state;
    kit_init(&kit);
    kit.settings.total_timeout_ms = 100;
    kit.settings.idle_timeout_ms = 30;
    kit.upstream.script = two;
    kit_open(&kit);
    ask(&kit, &asked, true);
    run_until(&kit, &asked.done, 1);
    assert_end(&asked, LLM_TIMED_OUT);
    assert_string_equal(asked.result.reason, "total time-out");
    asked_fini(&asked);
    kit_fini(&kit);
}

static void test_the_total_holds_in_the_queue(void **state)
{
    struct kit kit;
    struct asked first = {0}, second = {0};
    (void)state;
    kit_init(&kit);
    kit.settings.total_timeout_ms = 100;
    kit.settings.pool_max = 1;
    kit.upstream.script = hang;
    kit_open(&kit);
    ask(&kit, &first, false);
    run_for(&kit, 20);
    kit.settings.total_timeout_ms = 30;
    ask(&kit, &second, false);
    run_until(&kit, &second.done, 1);
    assert_string_equal(second.result.reason, "no connection was free in time");
    assert_int_equal(first.done, 0);
    asked_fini(&second);
    asked_fini(&first);
    kit_fini(&kit);
}

/* A TLS handshake that nobody answers. */
static void test_connect(void **state)
{
    struct kit kit;
    char url[64];
    (void)state;
    kit_init(&kit);
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%d/v1", kit.upstream.port);
    kit.urls[0] = url;
    kit.settings.connect_timeout_ms = 60;
    kit_open(&kit);
    for (int i = 0; i < 2; i++) {
        struct asked asked;
        ask_and_wait(&kit, &asked, i == 1, LLM_TIMED_OUT);
        assert_in_range(asked.last_ms - asked.asked_ms, 50, patient_ms(MOST_MS));
        asked_fini(&asked);
    }
    kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_total),
        cmocka_unit_test(test_first_token),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_the_total_holds_while_paused),
        cmocka_unit_test(test_the_total_holds_in_the_queue),
        cmocka_unit_test(test_connect),
    };
    llm_global_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    llm_global_fini();
    return failed;
}
