/* Streams that are too much, that are paused, and that are left in the middle. */
#include "tests/unit/llm/kit.h"

/* --- too much --- */

static char big_delta[70 * 1024];

static void make_big_delta(void)
{
    static const char head[] = "data: {\"choices\":[{\"delta\":{\"content\":\"";
    static const char tail[] = "\"}}]}\n\n";
    memset(big_delta, 'x', sizeof big_delta - 1);
    memcpy(big_delta, head, sizeof head - 1);
    memcpy(big_delta + sizeof big_delta - sizeof tail, tail, sizeof tail);
}

static void test_caps(void **state)
{
    static char comment[64 * 1024];
    static char line[64 * 1024];
    const struct act text[] = {
        {ACT_SAY, HEAD_STREAM, 0}, {ACT_FLOOD, big_delta, 800}, {ACT_HANG, NULL, 0}};
    const struct act comments[] = {
        {ACT_SAY, HEAD_STREAM, 0}, {ACT_FLOOD, comment, 1500}, {ACT_HANG, NULL, 0}};
    const struct act one_event[] = {
        {ACT_SAY, HEAD_STREAM, 0}, {ACT_FLOOD, line, 800}, {ACT_HANG, NULL, 0}};
    const struct {
        const struct act *script;
        size_t most_written;
    } rows[] = {{text, 20U << 20}, {comments, 80U << 20}, {one_event, 20U << 20}};
    struct kit kit;
    (void)state;
    make_big_delta();
    memset(line, 'x', sizeof line - 1);
    memset(comment, 'x', sizeof comment - 1);
    comment[0] = ':';
    comment[sizeof comment - 2] = '\n';
    kit_init(&kit);
    kit_open(&kit);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct asked asked;
        kit.upstream.script = rows[i].script;
        kit.upstream.written = 0;
        ask_and_wait(&kit, &asked, true, LLM_TOO_LARGE);
        assert_true(kit.upstream.written < rows[i].most_written);
        assert_true(asked.text.len <= LLM_ANSWER_BYTES);
        run_until(&kit, &kit.upstream.aborted, (unsigned)i + 1);
        asked_fini(&asked);
    }
    kit_fini(&kit);
}

/* --- back-pressure --- */

static void test_pause_stops_reading(void **state)
{
    const struct act script[] = {{ACT_SAY, HEAD_STREAM, 0},
                                 {ACT_FLOOD, big_delta, 50},
                                 {ACT_EVENT, "data: [DONE]\n\n", 0},
                                 {ACT_SAY, LAST_CHUNK, 0},
                                 {ACT_END, NULL, 0}};
    struct kit kit;
    struct asked asked = {.pause_at = 2};
    (void)state;
    make_big_delta();
    kit_init(&kit);
    kit.settings.idle_timeout_ms = patient_ms(250); /* does not count while paused, for 300 */
    kit.upstream.script = script;
    kit_open(&kit);
    ask(&kit, &asked, true);
    run_until(&kit, &asked.pieces, 2);
    run_for(&kit, (unsigned)patient_ms(150));
    size_t written = kit.upstream.written;
    run_for(&kit, (unsigned)patient_ms(150));
    assert_int_equal(asked.pieces, 2);
    assert_int_equal(kit.upstream.written, written);
    asked.pause_at = 4;
    asked_resume(&asked);
    run_until(&kit, &asked.pieces, 4);
    run_for(&kit, 20);
    assert_int_equal(asked.pieces, 4);
    asked_resume(&asked);
    run_until(&kit, &asked.done, 1);
    assert_end(&asked, LLM_DONE);
    assert_int_equal(asked.pieces, 50);
    asked_fini(&asked);
    kit_fini(&kit);
}

/* In each turn of the loop, before it looks at the sockets. */
static void resume_again(uv_prepare_t *prepare)
{
    struct asked *asked = prepare->data;
    if (asked->call == NULL || !asked->paused)
        return;
    asked->pause_at = asked->pieces + 1;
    asked_resume(asked);
}

/* A reader that rests after every piece, and a sender that never does: nothing piles up. */
static void test_pause_at_every_piece(void **state)
{
    enum { EVENTS = 500, EVENT_BYTES = 4000 };
    static char events[EVENTS * EVENT_BYTES + 1];
    static const char delta[] = DELTA("a") ":";
    const struct act script[] = {{ACT_SAY, HEAD_STREAM, 0}, {ACT_EVENT, events, 0},
                                 {ACT_EVENT, events, 0},    {ACT_EVENT, "data: [DONE]\n\n", 0},
                                 {ACT_SAY, LAST_CHUNK, 0},  {ACT_END, NULL, 0}};
    struct kit kit;
    struct asked asked = {.pause_at = 1};
    (void)state;
    memset(events, 'x', sizeof events - 1);
    for (size_t i = 0; i < EVENTS; i++) {
        memcpy(events + i * EVENT_BYTES, delta, sizeof delta - 1);
        events[(i + 1) * EVENT_BYTES - 1] = '\n';
    }
    kit_init(&kit);
    kit.upstream.script = script;
    kit_open(&kit);
    ask(&kit, &asked, true);
    uv_prepare_t prepare = {.data = &asked};
    assert_int_equal(uv_prepare_init(&kit.loop, &prepare), 0);
    assert_int_equal(uv_prepare_start(&prepare, resume_again), 0);
    run_until(&kit, &asked.done, 1);
    uv_close((uv_handle_t *)&prepare, NULL);
    assert_end(&asked, LLM_DONE);
    assert_int_equal(asked.pieces, 2 * EVENTS);
    asked_fini(&asked);
    kit_fini(&kit);
}

/* All has come, also the end; it is told only after the resume. */
static void test_pause_holds_what_has_come(void **state)
{
    struct kit kit;
    (void)state;
    kit_init(&kit);
    kit.upstream.script = stream_abc;
    kit_open(&kit);
    for (unsigned at = 1; at <= 3; at++) {
        struct asked asked = {.pause_at = at};
        ask(&kit, &asked, true);
        run_until(&kit, &asked.pieces, at);
        run_for(&kit, 15);
        assert_int_equal(asked.pieces, at);
        assert_int_equal(asked.done, 0);
        asked_resume(&asked);
        asked_resume(&asked);
        run_until(&kit, &asked.done, 1);
        assert_end(&asked, LLM_DONE);
        assert_text(&asked, "abc");
        asked_fini(&asked);
    }
    kit_fini(&kit);
}

static void test_pause_before_the_first_piece(void **state)
{
    struct kit kit;
    struct asked asked = {0};
    (void)state;
    kit_init(&kit);
    kit.upstream.script = stream_abc;
    kit_open(&kit);
    ask(&kit, &asked, true);
    asked_pause(&asked);
    run_for(&kit, 20);
    asked_resume(&asked);
    run_until(&kit, &asked.done, 1);
    assert_text(&asked, "abc");
    asked_fini(&asked);
    kit_fini(&kit);
}

static void test_cancel_while_paused(void **state)
{
    const struct act script[] = {
        {ACT_SAY, HEAD_STREAM, 0}, {ACT_FLOOD, big_delta, 500}, {ACT_HANG, NULL, 0}};
    struct kit kit;
    struct asked asked = {.pause_at = 1};
    (void)state;
    make_big_delta();
    kit_init(&kit);
    kit.upstream.script = script;
    kit_open(&kit);
    ask(&kit, &asked, true);
    run_until(&kit, &asked.pieces, 1);
    run_for(&kit, 20);
    asked_fini(&asked);
    run_until(&kit, &kit.upstream.aborted, 1);
    kit_fini(&kit);
}

static void test_cancel_inside_a_piece(void **state)
{
    struct kit kit;
    (void)state;
    kit_init(&kit);
    kit.upstream.script = stream_abc;
    kit_open(&kit);
    for (unsigned at = 1; at <= 3; at++) {
        struct asked asked = {.cancel_at = at};
        ask(&kit, &asked, true);
        run_until(&kit, &asked.pieces, at);
        run_for(&kit, 10);
        assert_int_equal(asked.pieces, at);
        assert_int_equal(asked.done, 0);
        asked_fini(&asked);
    }
    struct asked asked;
    ask_and_wait(&kit, &asked, true, LLM_DONE);
    assert_text(&asked, "abc");
    asked_fini(&asked);
    kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_caps),
        cmocka_unit_test(test_pause_stops_reading),
        cmocka_unit_test(test_pause_at_every_piece),
        cmocka_unit_test(test_pause_holds_what_has_come),
        cmocka_unit_test(test_pause_before_the_first_piece),
        cmocka_unit_test(test_cancel_while_paused),
        cmocka_unit_test(test_cancel_inside_a_piece),
    };
    llm_global_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    llm_global_fini();
    return failed;
}
