/* The offline model through the client: no network, the same rules for events. */
#include "tests/unit/llm/kit.h"

static void open_offline(struct kit *kit, uint64_t word_delay_ms)
{
    kit_init(kit);
    kit->n_urls = 0;
    kit->settings =
        (struct llm_settings){.total_timeout_ms = 1000, .offline_word_delay_ms = word_delay_ms};
    kit_open(kit);
}

static void test_unary(void **state)
{
    struct kit kit;
    struct asked asked;
    (void)state;
    open_offline(&kit, 0);
    ask_and_wait(&kit, &asked, false, LLM_DONE);
    assert_text(&asked, "Hello from weir's offline model! You said \"Hello\". Once a real model is "
                        "configured, its answer stands here.");
    assert_int_equal(asked.pieces, 0);
    assert_int_equal(asked.result.http_status, 0);
    assert_false(asked.result.usage.known);
    assert_int_equal(kit.upstream.connections, 0);
    asked_fini(&asked);
    kit_fini(&kit);
}

static void test_stream(void **state)
{
    struct kit kit;
    struct asked asked;
    (void)state;
    open_offline(&kit, 0);
    ask_and_wait(&kit, &asked, true, LLM_DONE);
    assert_in_range(asked.pieces, 70, 120);
    asked_fini(&asked);
    kit_fini(&kit);
}

static void test_word_by_word(void **state)
{
    struct kit kit;
    struct asked asked = {0};
    struct chat_part part = {.kind = CHAT_TEXT, .text = span_of("Hello")};
    struct chat_message message = {CHAT_USER, &part, 1};
    struct conversation what = {.messages = &message,
                                .n_messages = 1,
                                .temperature = -1,
                                .max_output_tokens = 10,
                                .stream = true};
    (void)state;
    open_offline(&kit, 5);
    ask_what(&kit, &asked, &what);
    run_until(&kit, &asked.done, 1);
    assert_end(&asked, LLM_DONE);
    assert_true(asked.pieces > 10);
    assert_true(asked.last_ms - asked.first_ms >= (asked.pieces - 1) * 5);
    asked_fini(&asked);
    kit_fini(&kit);
}

static void test_pause_and_cancel(void **state)
{
    (void)state;
    for (uint64_t delay_ms = 0; delay_ms <= 2; delay_ms += 2) {
        struct kit kit;
        struct asked asked = {.pause_at = 3};
        open_offline(&kit, delay_ms);
        ask(&kit, &asked, true);
        run_until(&kit, &asked.pieces, 3);
        run_for(&kit, 10);
        assert_int_equal(asked.pieces, 3);
        asked.cancel_at = 10;
        asked_resume(&asked);
        run_until(&kit, &asked.pieces, 10);
        run_for(&kit, 10);
        assert_int_equal(asked.pieces, 10);
        assert_int_equal(asked.done, 0);
        asked_fini(&asked);
        asked = (struct asked){0};
        ask(&kit, &asked, true);
        asked_fini(&asked);
        asked = (struct asked){0};
        ask(&kit, &asked, true);
        run_until(&kit, &asked.pieces, 2);
        asked_fini(&asked);
        kit_fini(&kit);
    }
}

static void test_schema(void **state)
{
    struct kit kit;
    struct asked asked = {0};
    struct conversation what = {.schema = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":"
                                          "\"integer\"}},\"required\":[\"a\"]}"};
    (void)state;
    open_offline(&kit, 0);
    ask_what(&kit, &asked, &what);
    run_until(&kit, &asked.done, 1);
    assert_end(&asked, LLM_DONE);
    assert_text(&asked, "{\"a\":1}");
    asked_fini(&asked);
    asked = (struct asked){0};
    what.schema = "nonsense";
    ask_what(&kit, &asked, &what);
    run_until(&kit, &asked.done, 1);
    assert_end(&asked, LLM_GARBLED);
    asked_fini(&asked);
    kit_fini(&kit);
}

/* Both were about to be told. */
static struct asked pair[2];

static void cancel_other(struct asked *asked)
{
    asked_cancel(&pair[asked == pair]);
}

static void test_cancel_from_the_event_of_another(void **state)
{
    struct kit kit;
    (void)state;
    open_offline(&kit, 0);
    memset(pair, 0, sizeof pair);
    pair[0].on_done = pair[1].on_done = cancel_other;
    ask(&kit, &pair[0], false);
    ask(&kit, &pair[1], false);
    run_for(&kit, 10);
    assert_int_equal(pair[0].done, 1);
    assert_int_equal(pair[1].done, 0);
    asked_fini(&pair[0]);
    asked_fini(&pair[1]);
    kit_fini(&kit);
}

/* A caller who asks again in every `done` leaves the loop room for others. */
static unsigned again;

static void ask_again(struct asked *asked)
{
    struct kit *kit = asked->kit;
    again++;
    buf_fini(&asked->text);
    *asked = (struct asked){.on_done = ask_again};
    ask(kit, asked, false);
}

static void test_fair(void **state)
{
    struct kit kit;
    struct asked asked = {.on_done = ask_again};
    (void)state;
    open_offline(&kit, 0);
    ask(&kit, &asked, false);
    again = 0;
    for (unsigned i = 0; i < 100; i++) {
        (void)uv_run(&kit.loop, UV_RUN_NOWAIT);
        assert_true(again <= i + 1);
    }
    assert_true(again >= 98);
    asked_fini(&asked);
    kit_fini(&kit);
}

static void test_names_of_ends(void **state)
{
    (void)state;
    for (int end = LLM_DONE; end <= LLM_CUT; end++)
        assert_true(strlen(llm_end_name((enum llm_end)end)) > 2);
    assert_string_equal(llm_end_name(LLM_TIMED_OUT), "timed_out");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unary),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_word_by_word),
        cmocka_unit_test(test_pause_and_cancel),
        cmocka_unit_test(test_schema),
        cmocka_unit_test(test_cancel_from_the_event_of_another),
        cmocka_unit_test(test_fair),
        cmocka_unit_test(test_names_of_ends),
    };
    llm_global_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    llm_global_fini();
    return failed;
}
