/* Many calls at once, cancelled, paused and answered in every order. */
#include "tests/unit/llm/kit.h"

#include <stdio.h>
#include <stdlib.h>

enum { CALLS = 200, ROUNDS = 8 };

static unsigned seed;

/* The same numbers on every run. */
static unsigned dice(unsigned sides)
{
    seed = seed * 1103515245U + 12345U;
    return (seed >> 16) % sides;
}

static const struct act reset[] = {{ACT_RESET, NULL, 0}};
static const struct act half_stream[] = {{ACT_SAY, HEAD_STREAM, 0},
                                         {ACT_EVENT, DELTA("a"), 0},
                                         {ACT_WAIT, NULL, 5},
                                         {ACT_RESET, NULL, 0}};
static const struct act slow_stream[] = {
    {ACT_SAY, HEAD_STREAM, 0}, {ACT_EVENT, DELTA("a"), 0},
    {ACT_WAIT, NULL, 3},       {ACT_EVENT, DELTA("b"), 0},
    {ACT_WAIT, NULL, 3},       {ACT_EVENT, DELTA("c"), 0},
    {ACT_WAIT, NULL, 3},       {ACT_EVENT, "data: [DONE]\n\n", 0},
    {ACT_SAY, LAST_CHUNK, 0},  {ACT_END, NULL, 0}};
static const struct act *const scripts[] = {answer_hi, stream_abc, slow_stream, half_stream,
                                            reset,     hang,       stream_abc,  slow_stream};

static void disturb(struct asked *asked)
{
    if (asked->call == NULL)
        return;
    switch (dice(6)) {
    case 0:
        asked_cancel(asked);
        break;
    case 1:
        asked_pause(asked);
        break;
    default:
        if (asked->paused)
            asked_resume(asked);
    }
}

static void storm(struct kit *kit, struct asked *asked)
{
    for (size_t i = 0; i < CALLS; i++) {
        asked[i] = (struct asked){.cancel_at = dice(8), .pause_at = dice(8)};
        kit->upstream.script = scripts[dice(8)];
        ask(kit, &asked[i], dice(3) != 0);
        if (dice(3) == 0)
            (void)uv_run(&kit->loop, UV_RUN_NOWAIT);
        disturb(&asked[dice((unsigned)i + 1)]);
    }
    for (int i = 0; i < 400; i++) {
        kit->upstream.script = scripts[dice(8)];
        disturb(&asked[dice(CALLS)]);
        (void)uv_run(&kit->loop, UV_RUN_NOWAIT);
    }
    run_for(kit, 30);
    for (size_t i = 0; i < CALLS; i++)
        asked_fini(&asked[i]);
}

static void check_storm(const char *host)
{
    struct kit kit;
    char url[64];
    struct asked *asked = calloc(CALLS, sizeof *asked);
    assert_non_null(asked);
    kit_init(&kit);
    (void)snprintf(url, sizeof url, "http://%s:%d/v1", host, kit.upstream.port);
    kit.urls[0] = url;
    kit.settings.pool_max = 64;
    kit.settings.total_timeout_ms = 100;
    kit.settings.first_token_timeout_ms = 50;
    kit.settings.idle_timeout_ms = 20;
    kit_open(&kit);
    for (int round = 0; round < ROUNDS; round++) {
        storm(&kit, asked);
        struct asked after;
        kit.upstream.script = answer_hi;
        ask_and_wait(&kit, &after, false, LLM_DONE);
        asked_fini(&after);
        kit.upstream.script = stream_abc;
        ask_and_wait(&kit, &after, true, LLM_DONE);
        assert_text(&after, "abc");
        asked_fini(&after);
    }
    assert_true(kit.upstream.most_running <= 64 + 64);
    free(asked);
    kit_fini(&kit);
}

static void test_by_address(void **state)
{
    (void)state;
    seed = 1;
    check_storm("127.0.0.1");
}

static void test_by_name(void **state)
{
    (void)state;
    seed = 2;
    check_storm("localhost");
}

/* Says something that nobody reads, then nothing for longer than a sweep takes. */
static const struct act slow_abc[] = {{ACT_SAY, HEAD_STREAM, 0}, {ACT_EVENT, DELTA("a"), 0},
                                      {ACT_WAIT, NULL, 20},      {ACT_EVENT, DELTA("b"), 0},
                                      {ACT_WAIT, NULL, 2300},    {ACT_EVENT, DELTA("c"), 0},
                                      {ACT_WAIT, NULL, 20},      {ACT_EVENT, "data: [DONE]\n\n", 0},
                                      {ACT_SAY, LAST_CHUNK, 0},  {ACT_END, NULL, 0}};

/* What a burst opened is used again, and is given up once it is over; but for a connection whose
 * reader rests. */
static void test_a_burst_keeps_its_connections(void **state)
{
    struct kit kit;
    struct asked asked[32];
    (void)state;
    kit_init(&kit);
    kit.settings.pool_max = 32;
    kit.settings.pool_max_keepalive = 1;
    kit.upstream.script = answer_hi;
    kit_open(&kit);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 32; i++) {
            asked[i] = (struct asked){0};
            ask(&kit, &asked[i], false);
        }
        for (size_t i = 0; i < 32; i++) {
            run_until(&kit, &asked[i].done, 1);
            assert_end(&asked[i], LLM_DONE);
            asked_fini(&asked[i]);
        }
    }
    assert_true(kit.upstream.connections <= 32);
    assert_true(kit.upstream.open > 4);
    struct asked after, paused = {.pause_at = 1};
    kit.upstream.script = slow_abc;
    ask(&kit, &paused, true);
    run_for(&kit, 2300);
    assert_in_range(kit.upstream.open, 1, 4);
    asked_resume(&paused);
    run_until(&kit, &paused.done, 1);
    assert_end(&paused, LLM_DONE);
    assert_text(&paused, "abc");
    asked_fini(&paused);
    kit.upstream.script = answer_hi;
    for (int i = 0; i < 8; i++) {
        ask_and_wait(&kit, &after, false, LLM_DONE);
        asked_fini(&after);
    }
    assert_true(kit.upstream.connections <= 33);
    kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_address),
        cmocka_unit_test(test_by_name),
        cmocka_unit_test(test_a_burst_keeps_its_connections),
    };
    llm_global_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    llm_global_fini();
    return failed;
}
