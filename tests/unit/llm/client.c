/* Unary calls over a fake upstream: the request, connections that are used again, the pool and its
 * queue. */
#include "tests/unit/llm/kit.h"

#include <stdlib.h>

static bool requested(const struct kit *kit, const char *part)
{
    const struct buf *request = &kit->upstream.request;
    return memmem(request->at, request->len, part, strlen(part)) != NULL;
}

static void test_request_and_answer(void **state)
{
    struct kit kit;
    struct asked asked;
    (void)state;
    kit_init(&kit);
    kit.upstream.script = answer_hi;
    kit_open(&kit);
    ask_and_wait(&kit, &asked, false, LLM_DONE);
    assert_text(&asked, "Hi!");
    assert_int_equal(asked.pieces, 0);
    assert_int_equal(asked.result.http_status, 200);
    assert_int_equal(asked.result.retry_after_ms, 0);
    assert_false(asked.result.usage.known);
    assert_true(requested(&kit, "POST /v1/chat/completions HTTP/1.1\r\n"));
    assert_true(requested(&kit, "\r\nAuthorization: Bearer sk-test\r\n"));
    assert_true(requested(&kit, "\r\nContent-Type: application/json\r\n"));
    assert_true(requested(&kit, "\r\nUser-Agent: weir/1.2.3\r\n"));
    assert_true(requested(&kit, "\r\n\r\n{\"model\":\"test-model\","
                                "\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}"));
    assert_false(requested(&kit, "Expect"));
    assert_false(requested(&kit, "Accept-Encoding"));
    asked_fini(&asked);
    kit_fini(&kit);
}

static void test_no_key_no_header(void **state)
{
    static const char *const keys[] = {NULL, ""};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct kit kit;
        struct asked asked;
        kit_init(&kit);
        kit.api_key = keys[i];
        kit.upstream.script = answer_hi;
        kit_open(&kit);
        ask_and_wait(&kit, &asked, false, LLM_DONE);
        assert_false(requested(&kit, "Authorization"));
        asked_fini(&asked);
        kit_fini(&kit);
    }
}

/* No proxy of the environment, and no detour for a large body. */
static void test_large_request_without_a_proxy(void **state)
{
    struct kit kit;
    struct asked asked = {0};
    struct buf text;
    (void)state;
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:9", 1), 0);
    assert_int_equal(setenv("all_proxy", "http://127.0.0.1:9", 1), 0);
    kit_init(&kit);
    kit.upstream.script = answer_hi;
    kit_open(&kit);
    buf_init(&text, NULL, 4 << 20);
    while (text.len < 3U << 20)
        buf_put_text(&text, "0123456789abcdef");
    struct chat_part part = {.kind = CHAT_TEXT, .text = buf_span(&text)};
    struct chat_message message = {CHAT_USER, &part, 1};
    struct conversation what = {.messages = &message, .n_messages = 1, .temperature = -1};
    ask_what(&kit, &asked, &what);
    memset(text.at, '!', text.len); /* the conversation was read */
    run_until(&kit, &asked.done, 1);
    assert_end(&asked, LLM_DONE);
    assert_true(kit.upstream.request.len > text.len);
    assert_false(requested(&kit, "Expect"));
    assert_false(requested(&kit, "!!!"));
    buf_fini(&text);
    asked_fini(&asked);
    kit_fini(&kit);
}

static void test_too_large_a_conversation(void **state)
{
    struct kit kit;
    struct asked asked = {0};
    struct buf text;
    (void)state;
    kit_init(&kit);
    kit_open(&kit);
    buf_init(&text, NULL, 6 << 20);
    while (text.len < 6U << 20)
        buf_put_char(&text, '\x01'); /* six bytes of JSON */
    struct chat_part part = {.kind = CHAT_TEXT, .text = buf_span(&text)};
    struct chat_message message = {CHAT_USER, &part, 1};
    struct conversation what = {.messages = &message, .n_messages = 1, .temperature = -1};
    ask_what(&kit, &asked, &what);
    run_until(&kit, &asked.done, 1);
    assert_end(&asked, LLM_TOO_LARGE);
    assert_int_equal(kit.upstream.connections, 0);
    buf_fini(&text);
    asked_fini(&asked);
    kit_fini(&kit);
}

static void test_connections_are_used_again(void **state)
{
    struct kit kit;
    (void)state;
    kit_init(&kit);
    kit.upstream.script = answer_hi;
    kit_open(&kit);
    for (int i = 0; i < 20; i++) {
        struct asked asked;
        ask_and_wait(&kit, &asked, false, LLM_DONE);
        asked_fini(&asked);
    }
    assert_int_equal(kit.upstream.connections, 1);
    kit_fini(&kit);
}

static void test_no_connection_is_kept(void **state)
{
    struct kit kit;
    (void)state;
    kit_init(&kit);
    kit.settings.pool_max_keepalive = 0;
    kit.upstream.script = answer_hi;
    kit_open(&kit);
    for (int i = 0; i < 5; i++) {
        struct asked asked;
        ask_and_wait(&kit, &asked, false, LLM_DONE);
        asked_fini(&asked);
    }
    run_for(&kit, 20);
    assert_int_equal(kit.upstream.connections, 5);
    assert_int_equal(kit.upstream.open, 0);
    kit_fini(&kit);
}

/* The peer closes a kept connection, with and without a moment between; the next call works. */
static void test_a_kept_connection_that_the_peer_closed(void **state)
{
    static const struct act then_close[] = {
        {ACT_SAY,
         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
         "43\r\n\r\n" ANSWER_HI,
         0},
        {ACT_CLOSE, NULL, 0}};
    struct kit kit;
    (void)state;
    kit_init(&kit);
    kit.upstream.script = then_close;
    kit_open(&kit);
    for (unsigned i = 0; i < 10; i++) {
        struct asked asked;
        ask_and_wait(&kit, &asked, false, LLM_DONE);
        asked_fini(&asked);
        if (i % 2 == 0)
            run_for(&kit, 5);
    }
    assert_int_equal(kit.upstream.connections, 10);
    kit_fini(&kit);
}

/* --- the pool and its queue --- */

static const struct act slow_hi[] = {
    {ACT_WAIT, NULL, 10},
    {ACT_SAY,
     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 43\r\n\r\n" ANSWER_HI,
     0},
    {ACT_END, NULL, 0}};

static unsigned ends;
static struct asked *order[64];

static void note_order(struct asked *asked)
{
    order[ends++] = asked;
}

static void test_calls_wait_for_a_connection_in_turn(void **state)
{
    struct kit kit;
    struct asked asked[12] = {0};
    (void)state;
    kit_init(&kit);
    kit.settings.pool_max = 2;
    kit.upstream.script = slow_hi;
    kit_open(&kit);
    ends = 0;
    for (size_t i = 0; i < 12; i++) {
        asked[i].on_done = note_order;
        ask(&kit, &asked[i], false);
    }
    asked_cancel(&asked[4]); /* one that waits */
    asked_cancel(&asked[0]); /* one that runs */
    run_until(&kit, &ends, 10);
    assert_int_equal(kit.upstream.most_running, 2);
    assert_true(kit.upstream.connections <= 3);
    for (size_t i = 0; i + 2 < ends; i++)
        assert_true(order[i] < order[i + 2]);
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(asked[i].done, i != 0 && i != 4);
        asked_fini(&asked[i]);
    }
    kit_fini(&kit);
}

static void test_the_queue_is_bounded(void **state)
{
    enum { MANY = 1 + 1024 + 3 };
    struct kit kit;
    struct asked *asked = calloc(MANY, sizeof *asked);
    (void)state;
    assert_non_null(asked);
    kit_init(&kit);
    kit.settings.pool_max = 1;
    kit.upstream.script = hang;
    kit_open(&kit);
    for (size_t i = 0; i < MANY; i++)
        ask(&kit, &asked[i], false);
    for (size_t i = 1025; i < MANY; i++) {
        run_until(&kit, &asked[i].done, 1);
        assert_end(&asked[i], LLM_BUSY);
        assert_int_equal(asked[i].result.http_status, 0);
    }
    assert_int_equal(asked[0].done + asked[1024].done, 0);
    for (size_t i = 0; i < MANY; i++)
        asked_fini(&asked[i]);
    kit.upstream.script = answer_hi;
    struct asked last;
    ask_and_wait(&kit, &last, false, LLM_DONE);
    asked_fini(&last);
    free(asked);
    kit_fini(&kit);
}

/* From inside `done` a call may start the next one and cancel a third. */
static struct asked chain[5];

static void go_on(struct asked *asked)
{
    size_t next = (size_t)(asked - chain) + 1;
    if (next < 4) {
        chain[next].on_done = go_on;
        ask(asked->kit, &chain[next], false);
    } else {
        asked_cancel(&chain[4]);
        ends = 1;
    }
}

static void test_calls_from_inside_events(void **state)
{
    struct kit kit;
    (void)state;
    kit_init(&kit);
    kit.settings.pool_max = 1;
    kit.upstream.script = answer_hi;
    kit_open(&kit);
    ends = 0;
    memset(chain, 0, sizeof chain);
    chain[0].on_done = go_on;
    chain[0].cancel_in_done = true; /* harmless */
    ask(&kit, &chain[0], false);
    run_until(&kit, &chain[2].done, 1);
    ask(&kit, &chain[4], false);
    run_until(&kit, &ends, 1);
    assert_int_equal(chain[4].done, 0);
    for (size_t i = 0; i < 5; i++)
        asked_fini(&chain[i]);
    kit_fini(&kit);
}

static void test_cancel_closes_the_connection_at_once(void **state)
{
    struct kit kit;
    struct asked asked = {0};
    (void)state;
    kit_init(&kit);
    kit.upstream.script = hang;
    kit_open(&kit);
    ask(&kit, &asked, false);
    asked_fini(&asked); /* before anything was sent */
    for (unsigned i = 0; i < 5; i++) {
        asked = (struct asked){0};
        ask(&kit, &asked, i % 2 == 0);
        run_until(&kit, &kit.upstream.running, 1);
        tick_ms before_ms = tick_now_ms();
        asked_fini(&asked);
        run_until(&kit, &kit.upstream.aborted, i + 1);
        assert_true(tick_now_ms() - before_ms < patient_ms(500));
        assert_int_equal(kit.upstream.open, 0);
    }
    kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_and_answer),
        cmocka_unit_test(test_no_key_no_header),
        cmocka_unit_test(test_large_request_without_a_proxy),
        cmocka_unit_test(test_too_large_a_conversation),
        cmocka_unit_test(test_connections_are_used_again),
        cmocka_unit_test(test_no_connection_is_kept),
        cmocka_unit_test(test_a_kept_connection_that_the_peer_closed),
        cmocka_unit_test(test_calls_wait_for_a_connection_in_turn),
        cmocka_unit_test(test_the_queue_is_bounded),
        cmocka_unit_test(test_calls_from_inside_events),
        cmocka_unit_test(test_cancel_closes_the_connection_at_once),
    };
    llm_global_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    llm_global_fini();
    return failed;
}
