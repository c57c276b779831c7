/* Streamed calls over a fake upstream: pieces as they come, and every end. */
#include "tests/unit/llm/kit.h"

static void test_pieces_usage_and_end(void **state)
{
    struct kit kit;
    (void)state;
    kit_init(&kit);
    kit.upstream.script = stream_abc;
    kit_open(&kit);
    for (int i = 0; i < 5; i++) {
        struct asked asked;
        ask_and_wait(&kit, &asked, true, LLM_DONE);
        assert_text(&asked, "abc");
        assert_int_equal(asked.pieces, 3);
        assert_int_equal(asked.result.http_status, 200);
        assert_true(asked.result.usage.known);
        assert_int_equal(asked.result.usage.input_tokens, 5);
        assert_int_equal(asked.result.usage.output_tokens, 7);
        asked_fini(&asked);
    }
    run_for(&kit, 10);
    /* What follows the end marker is read, so that the connection can be used again. */
    assert_int_equal(kit.upstream.aborted, 0);
    assert_true(kit.upstream.connections <= 2);
    kit_fini(&kit);
}

static void test_pieces_come_when_they_are_sent(void **state)
{
    static const struct act spread[] = {
        {ACT_SAY, HEAD_STREAM, 0},  {ACT_EVENT, DELTA("a"), 0}, {ACT_WAIT, NULL, 60},
        {ACT_EVENT, DELTA("b"), 0}, {ACT_WAIT, NULL, 60},       {ACT_EVENT, "data: [DONE]\n\n", 0},
        {ACT_HANG, NULL, 0}};
    struct kit kit;
    struct asked asked;
    (void)state;
    kit_init(&kit);
    kit.upstream.script = spread;
    kit_open(&kit);
    ask_and_wait(&kit, &asked, true, LLM_DONE);
    assert_true(asked.first_ms - asked.asked_ms < patient_ms(500));
    assert_in_range(asked.last_ms - asked.first_ms, 110, patient_ms(1000));
    asked_fini(&asked);
    kit_fini(&kit);
}

/* Byte by byte on the wire, with every line end; one chunk of the body a byte. */
static void test_byte_by_byte(void **state)
{
    static const char body[] = ": hello\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":"
                               "\"\xc3\xa9\\u00e9\"}}]}\r\rdata: [DONE]\n\n";
    static struct act script[sizeof body + 3];
    static char bytes[sizeof body][2];
    struct kit kit;
    struct asked asked;
    (void)state;
    script[0] = (struct act){ACT_SAY, HEAD_STREAM, 0};
    for (size_t i = 0; i < sizeof body - 1; i++) {
        bytes[i][0] = body[i];
        script[i + 1] = (struct act){ACT_EVENT, bytes[i], 0};
    }
    script[sizeof body] = (struct act){ACT_SAY, LAST_CHUNK, 0};
    kit_init(&kit);
    kit.upstream.script = script;
    kit_open(&kit);
    ask_and_wait(&kit, &asked, true, LLM_DONE);
    assert_text(&asked, "\xc3\xa9\xc3\xa9");
    asked_fini(&asked);
    kit_fini(&kit);
}

static const struct ending {
    const char *name;
    struct act script[6];
    enum llm_end end;
    const char *text;
} endings[] = {
    {"no end marker",
     {{ACT_SAY, HEAD_STREAM, 0},
      {ACT_EVENT, DELTA("a"), 0},
      {ACT_SAY, LAST_CHUNK, 0},
      {ACT_END, NULL, 0}},
     LLM_CUT,
     "a"},
    {"end marker without an empty line",
     {{ACT_SAY, HEAD_STREAM, 0},
      {ACT_EVENT, DELTA("a") "data: [DONE]\n", 0},
      {ACT_SAY, LAST_CHUNK, 0},
      {ACT_END, NULL, 0}},
     LLM_CUT,
     "a"},
    {"nothing at all",
     {{ACT_SAY, HEAD_STREAM, 0}, {ACT_SAY, LAST_CHUNK, 0}, {ACT_END, NULL, 0}},
     LLM_CUT,
     ""},
    {"close",
     {{ACT_SAY, HEAD_STREAM, 0}, {ACT_EVENT, DELTA("a"), 0}, {ACT_CLOSE, NULL, 0}},
     LLM_CUT,
     "a"},
    {"reset",
     {{ACT_SAY, HEAD_STREAM, 0},
      {ACT_EVENT, DELTA("a"), 0},
      {ACT_WAIT, NULL, 10},
      {ACT_RESET, NULL, 0}},
     LLM_CUT,
     "a"},
    {"reset before the first event",
     {{ACT_SAY, HEAD_STREAM, 0}, {ACT_WAIT, NULL, 10}, {ACT_RESET, NULL, 0}},
     LLM_CUT,
     ""},
    {"an error object",
     {{ACT_SAY, HEAD_STREAM, 0},
      {ACT_EVENT, DELTA("a") "data: {\"error\":{\"type\":\"x\"}}\n\n" DELTA("b"), 0},
      {ACT_HANG, NULL, 0}},
     LLM_FAILED,
     "a"},
    {"an error event",
     {{ACT_SAY, HEAD_STREAM, 0},
      {ACT_EVENT, "event: error\ndata: {\"message\":\"x\"}\n\n", 0},
      {ACT_HANG, NULL, 0}},
     LLM_FAILED,
     ""},
    {"garbage",
     {{ACT_SAY, HEAD_STREAM, 0}, {ACT_EVENT, DELTA("a") "data: {\n\n", 0}, {ACT_HANG, NULL, 0}},
     LLM_GARBLED,
     "a"},
    {"not UTF-8",
     {{ACT_SAY, HEAD_STREAM, 0}, {ACT_EVENT, DELTA("\xff"), 0}, {ACT_HANG, NULL, 0}},
     LLM_GARBLED,
     ""},
    {"NUL",
     {{ACT_SAY, HEAD_STREAM, 0}, {ACT_EVENT, DELTA("a\\u0000"), 0}, {ACT_HANG, NULL, 0}},
     LLM_GARBLED,
     ""},
    {"a refusal",
     {{ACT_SAY, HEAD_STREAM, 0},
      {ACT_EVENT, "data: {\"choices\":[{\"delta\":{\"refusal\":\"no\"}}]}\n\n", 0},
      {ACT_HANG, NULL, 0}},
     LLM_FILTERED,
     ""},
    {"a reset right after the end",
     {{ACT_SAY, HEAD_STREAM, 0},
      {ACT_EVENT, DELTA("a") "data: [DONE]\n\n", 0},
      {ACT_RESET, NULL, 0}},
     LLM_DONE,
     "a"},
    {"what comes after the end",
     {{ACT_SAY, HEAD_STREAM, 0},
      {ACT_EVENT, DELTA("a") "data: [DONE]\n\n" DELTA("b") "data: {\n\n", 0},
      {ACT_HANG, NULL, 0}},
     LLM_DONE,
     "a"},
};

static void test_endings(void **state)
{
    struct kit kit;
    (void)state;
    kit_init(&kit);
    kit_open(&kit);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const struct ending *row = &endings[i];
        struct asked asked = {0};
        kit.upstream.script = row->script;
        ask(&kit, &asked, true);
        run_until(&kit, &asked.done, 1);
        if (asked.result.end != row->end || !span_is(buf_span(&asked.text), row->text))
            fail_msg("%s: %s, %s, \"%.*s\"", row->name, llm_end_name(asked.result.end),
                     asked.result.reason, (int)asked.text.len, asked.text.at);
        assert_int_equal(asked.result.http_status, 200);
        asked_fini(&asked);
        kit.upstream.script = answer_hi;
        ask_and_wait(&kit, &asked, false, LLM_DONE);
        asked_fini(&asked);
    }
    kit_fini(&kit);
}

/* The end marker ends the call, whatever the connection does; that is closed after a second. */
static void test_lingering_is_bounded(void **state)
{
    static const struct act talks_on[] = {{ACT_SAY, HEAD_STREAM, 0},
                                          {ACT_EVENT, DELTA("a") "data: [DONE]\n\n", 0},
                                          {ACT_FLOOD, "data: xxxxxxxxxxxxxxxxxxxxxx\n\n", 100000},
                                          {ACT_HANG, NULL, 0}};
    static const struct act hangs[] = {{ACT_SAY, HEAD_STREAM, 0},
                                       {ACT_EVENT, DELTA("a") "data: [DONE]\n\n", 0},
                                       {ACT_HANG, NULL, 0}};
    struct kit kit;
    struct asked asked;
    (void)state;
    kit_init(&kit);
    kit.settings.pool_max = 1;
    kit.upstream.script = talks_on;
    kit_open(&kit);
    ask_and_wait(&kit, &asked, true, LLM_DONE);
    asked_fini(&asked);
    run_until(&kit, &kit.upstream.aborted, 1);
    assert_true(tick_now_ms() - asked.last_ms < patient_ms(500));
    kit.upstream.script = hangs;
    ask_and_wait(&kit, &asked, true, LLM_DONE);
    assert_true(asked.last_ms - asked.asked_ms < 800);
    asked_fini(&asked);
    /* The only connection is taken for that second. */
    kit.upstream.script = answer_hi;
    ask_and_wait(&kit, &asked, false, LLM_DONE);
    assert_in_range(asked.last_ms - asked.asked_ms, 900, patient_ms(1500));
    assert_int_equal(kit.upstream.aborted, 2);
    asked_fini(&asked);
    /* The client may be closed meanwhile. */
    kit.upstream.script = hangs;
    ask_and_wait(&kit, &asked, true, LLM_DONE);
    asked_fini(&asked);
    kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_usage_and_end),
        cmocka_unit_test(test_pieces_come_when_they_are_sent),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_endings),
        cmocka_unit_test(test_lingering_is_bounded),
    };
    llm_global_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    llm_global_fini();
    return failed;
}
