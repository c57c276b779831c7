/* The loop, the client and the calls of the tests. */
#include "tests/unit/llm/kit.h"

#include "shared/base/version.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

const char weir_version[] = "1.2.3";

/* Events are never delivered inside the client's functions. */
static bool inside;

const struct act answer_hi[] = {
    {ACT_SAY,
     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 43\r\n\r\n" ANSWER_HI,
     0},
    {ACT_END, NULL, 0}};
const struct act stream_abc[] = {
    {ACT_SAY, HEAD_STREAM, 0},
    {ACT_EVENT, DELTA("a"), 0},
    {ACT_EVENT, ": ping\n\n", 0},
    {ACT_EVENT, DELTA("b") DELTA("c"), 0},
    {ACT_EVENT,
     "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}}\n\n", 0},
    {ACT_EVENT, "data: [DONE]\n\n", 0},
    {ACT_SAY, LAST_CHUNK, 0},
    {ACT_END, NULL, 0}};
const struct act hang[] = {{ACT_HANG, NULL, 0}};

/* --- the kit --- */

static void on_clock(uv_timer_t *clock)
{
    struct kit *kit = clock->data;
    timers_run(&kit->timers, tick_now_ms());
}

void kit_init(struct kit *kit)
{
    *kit = (struct kit){0};
    (void)signal(SIGPIPE, SIG_IGN); /* as main does */
    assert_int_equal(uv_loop_init(&kit->loop), 0);
    timers_init(&kit->timers);
    assert_int_equal(uv_timer_init(&kit->loop, &kit->clock), 0);
    kit->clock.data = kit;
    assert_int_equal(uv_timer_start(&kit->clock, on_clock, 2, 2), 0);
    upstream_start(&kit->upstream, &kit->loop);
    (void)snprintf(kit->base_url, sizeof kit->base_url, "http://127.0.0.1:%d/v1",
                   kit->upstream.port);
    kit->urls[0] = kit->base_url;
    kit->n_urls = 1;
    kit->dialect = &dialect_openai;
    kit->api_key = "sk-test";
    kit->breaker = (struct breaker_settings){.off = true};
    kit->settings = (struct llm_settings){.total_timeout_ms = patient_ms(4000),
                                          .connect_timeout_ms = 2000,
                                          .pool_max = 8,
                                          .pool_max_keepalive = 4};
}

static void open_upstream(struct kit *kit, size_t place, const char *url)
{
    static const char *const names[] = {"first", "second", "third"};
    struct llm_upstream *upstream = &kit->upstreams[place];
    *upstream = (struct llm_upstream){.dialect = kit->dialect,
                                      .name = names[place],
                                      .base_url = url,
                                      .model = "test-model",
                                      .key = &kit->key};
    llm_upstream_init(upstream, &kit->breaker);
}

struct llm_client *kit_open_second(struct kit *kit, struct llm_settings *settings)
{
    open_upstream(kit, 1, kit->base_url);
    *settings = kit->settings;
    settings->upstreams = &kit->upstreams[1];
    return llm_client_new(&kit->loop, &kit->timers, settings);
}

void kit_open(struct kit *kit)
{
    llm_key_init(&kit->key, kit->api_key);
    for (size_t i = 0; i < kit->n_urls; i++)
        open_upstream(kit, i, kit->urls[i]);
    kit->settings.upstreams = kit->upstreams;
    kit->settings.n_upstreams = kit->n_urls;
    kit->client = llm_client_new(&kit->loop, &kit->timers, &kit->settings);
}

static void on_client_closed(void *context)
{
    struct kit *kit = context;
    assert_false(kit->closed);
    kit->closed = true;
}

void kit_fini(struct kit *kit)
{
    upstream_stop(&kit->upstream);
    uv_close((uv_handle_t *)&kit->clock, NULL);
    llm_client_close(kit->client, on_client_closed, kit);
    assert_false(kit->closed);
    assert_int_equal(uv_run(&kit->loop, UV_RUN_DEFAULT), 0);
    assert_true(kit->closed);
    assert_int_equal(uv_loop_close(&kit->loop), 0);
    for (size_t i = 0; i < 3; i++)
        if (kit->upstreams[i].name != NULL)
            llm_upstream_fini(&kit->upstreams[i]);
    llm_key_fini(&kit->key);
    assert_int_equal(kit->timers.count, 0);
    timers_fini(&kit->timers);
}

/* --- calls --- */

static void on_piece(void *context, struct span text)
{
    struct asked *asked = context;
    assert_false(inside);
    assert_non_null(asked->call);
    assert_false(asked->paused);
    assert_int_equal(asked->done, 0);
    assert_true(text.len > 0);
    asked->pieces++;
    asked->last_ms = tick_now_ms();
    if (asked->pieces == 1)
        asked->first_ms = asked->last_ms;
    buf_put_span(&asked->text, text);
    if (asked->pieces == asked->pause_at)
        asked_pause(asked);
    if (asked->pieces == asked->cancel_at)
        asked_cancel(asked);
}

static void on_done(void *context, const struct llm_result *result)
{
    struct asked *asked = context;
    assert_false(inside);
    assert_non_null(asked->call);
    assert_true(!asked->paused || result->end == LLM_TIMED_OUT);
    asked->done++;
    assert_int_equal(asked->done, 1);
    asked->last_ms = tick_now_ms();
    asked->result = *result;
    asked->result.text = SPAN_EMPTY;
    buf_put_span(&asked->text, result->text);
    assert_true((result->reason[0] == '\0') == (result->end == LLM_DONE));
    assert_null(strstr(result->reason, "sk-test"));
    if (asked->cancel_in_done)
        llm_cancel(asked->call);
    asked->call = NULL;
    if (asked->on_done != NULL)
        asked->on_done(asked);
}

static const struct llm_events events = {.piece = on_piece, .done = on_done};

void ask_what(struct kit *kit, struct asked *asked, const struct conversation *what)
{
    bool was_inside = inside;
    asked->kit = kit;
    buf_init(&asked->text, NULL, 16 << 20);
    asked->asked_ms = tick_now_ms();
    inside = true;
    asked->call = llm_start(kit->client, what, asked->asked_ms, &events, asked);
    inside = was_inside;
}

void ask(struct kit *kit, struct asked *asked, bool stream)
{
    struct chat_part part = {.kind = CHAT_TEXT, .text = span_of("Hello")};
    struct chat_message message = {CHAT_USER, &part, 1};
    struct conversation what = {
        .flow = "test", .messages = &message, .n_messages = 1, .temperature = -1, .stream = stream};
    ask_what(kit, asked, &what);
}

void asked_cancel(struct asked *asked)
{
    bool was_inside = inside;
    struct llm_call *call = asked->call;
    asked->call = NULL;
    inside = true;
    llm_cancel(call);
    inside = was_inside;
}

void asked_pause(struct asked *asked)
{
    asked->paused = true;
    inside = true;
    llm_pause(asked->call);
    inside = false;
}

void asked_resume(struct asked *asked)
{
    asked->paused = false;
    inside = true;
    llm_resume(asked->call);
    inside = false;
}

void asked_fini(struct asked *asked)
{
    if (asked->call != NULL)
        asked_cancel(asked);
    buf_fini(&asked->text);
}

/* --- the loop --- */

uint64_t patient_ms(uint64_t ms)
{
    const char *slowness = getenv("WEIR_TEST_SLOWNESS");
    double factor = slowness != NULL ? strtod(slowness, NULL) : 1;
    return factor > 1 ? (uint64_t)((double)ms * factor) : ms;
}

void run_until(struct kit *kit, const unsigned *counter, unsigned wanted)
{
    tick_ms late_ms = tick_now_ms() + patient_ms(5000);
    while (*counter < wanted) {
        (void)uv_run(&kit->loop, UV_RUN_ONCE);
        if (tick_now_ms() > late_ms)
            fail_msg("%u of %u in time", *counter, wanted);
    }
}

void run_for(struct kit *kit, unsigned ms)
{
    tick_ms end_ms = tick_now_ms() + ms;
    while (tick_now_ms() < end_ms)
        (void)uv_run(&kit->loop, UV_RUN_ONCE);
}

void ask_and_wait(struct kit *kit, struct asked *asked, bool stream, enum llm_end end)
{
    *asked = (struct asked){0};
    ask(kit, asked, stream);
    run_until(kit, &asked->done, 1);
    if (asked->result.end != end)
        fail_msg("%s (%s) in place of %s", llm_end_name(asked->result.end), asked->result.reason,
                 llm_end_name(end));
}
