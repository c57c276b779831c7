#include "tests/unit/pipeline/sharing_kit.h"

#include "shared/policy/authenticator.h"

#include "weir/v1/flows.pb-c.h"

#include <stdio.h>

struct stage stage;

static uint64_t fake_now_ns(void)
{
    if (stage.looks_left > 0 && --stage.looks_left == 0)
        stage.meanwhile();
    return stage.now_ns;
}

void call_ends(unsigned call, enum llm_end end, const char *text)
{
    const struct llm_result result = {
        .end = end,
        .text = span_of(text),
        .account = {.provider = "fake", .usage = {.input_tokens = 3, .output_tokens = 4}}};
    model_call_ends(call, &result);
}

void call_says(unsigned call, const char *text)
{
    model_call_says(call, text);
}

/* --- workers --- */

void turn(void)
{
    for (unsigned i = 0; i < 3; i++) {
        for (size_t w = 0; w < 2; w++) {
            task_queue_run(&stage.workers[w].tasks);
            timers_run(&stage.workers[w].timers, stage.now_ns / 1000000);
        }
    }
}

/* --- requests and their port --- */

static struct caller *of(struct request *request)
{
    return container_of(request, struct caller, request);
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

static enum port_state fake_send(struct request *request, const struct message_view *view)
{
    struct caller *caller = of(request);
    caller->sends++;
    caller->built = view->message != NULL;
    if (view->kind == MESSAGE_PIECE) {
        assert_string_equal(((const Weir__V1__TellStoryResponse *)view->message)->text,
                            view->text.at);
        strncat(caller->heard, view->text.at, view->text.len);
        strcat(caller->heard, "|");
    } else if (view->kind == MESSAGE_WHOLE) {
        memcpy(caller->whole, view->text.at, view->text.len);
    } else if (view->json.len > 0) {
        memcpy(caller->json, view->json.at, view->json.len);
        memcpy(caller->wire, view->wire.at, view->wire.len);
        caller->wire_len = view->wire.len;
    }
    return caller->full ? PORT_FULL : PORT_READY;
}

static void fake_finish(struct request *request, const struct verdict *verdict)
{
    struct caller *caller = of(request);
    assert_false(caller->over);
    caller->over = true;
    caller->code = verdict->code;
    caller->retry_after_ms = verdict->retry_after_ms;
    caller->state = request->share.state;
    caller->input_tokens = request->model.usage.input_tokens;
    caller->upstream_ns = request->upstream_ns;
    if (verdict->n_violations > 0)
        (void)snprintf(caller->violation, sizeof caller->violation, "%.*s %.*s",
                       (int)verdict->violations[0].path.len, verdict->violations[0].path.at,
                       (int)verdict->violations[0].message.len, verdict->violations[0].message.at);
    for (size_t i = 0; i < request->n_notes; i++)
        if (strcmp(request->notes[i].name, "cache-status") == 0)
            memcpy(caller->note, request->notes[i].value.at, request->notes[i].value.len);
    request_fini(request);
}

static const struct port fake_port = {
    .protocol = "fake", .metadata = fake_metadata, .send = fake_send, .finish = fake_finish};

void prepare(struct caller *caller, unsigned worker, const struct contract_method *method,
             const char *json)
{
    *caller = (struct caller){.full = caller->full};
    request_init(&caller->request, &stage.workers[worker].core, &fake_port);
    caller->request.given = (struct request_given){.method = method,
                                                   .encoding = REQUEST_JSON,
                                                   .body = span_of(json),
                                                   .received_ns = stage.now_ns};
}

void begin(struct caller *caller, unsigned worker, const struct contract_method *method,
           const char *json)
{
    prepare(caller, worker, method, json);
    request_begin(&caller->request);
}

void begin_as(struct caller *caller, const char *tenant)
{
    prepare(caller, 0, stage.translate, "{}");
    caller->request.identity = (struct identity){
        .kind = IDENTITY_TOKEN, .tenant = span_of(tenant), .scopes = SPAN_LITERAL("flow:*")};
    request_begin(&caller->request);
}

void assert_answered(const struct caller *caller, enum share_state state, const char *word)
{
    assert_true(caller->over);
    if (caller->code != VERDICT_OK)
        fail_msg("ended %s", verdict_row(caller->code)->name);
    assert_int_equal(caller->state, state);
    assert_non_null(strstr(caller->json, word));
    Weir__V1__TranslateTextResponse *message = weir__v1__translate_text_response__unpack(
        NULL, caller->wire_len, (const uint8_t *)caller->wire);
    assert_non_null(message);
    assert_string_equal(message->translated_text, word);
    weir__v1__translate_text_response__free_unpacked(message, NULL);
}

void assert_told(const struct caller *caller, const char *heard, const char *whole)
{
    assert_true(caller->over);
    assert_int_equal(caller->code, VERDICT_OK);
    assert_string_equal(caller->heard, heard);
    assert_string_equal(caller->whole, whole);
}

/* --- set-up --- */

int sharing_set_up(void **state)
{
    (void)state;
    char error[256] = "";
    const struct sharing_settings settings = {
        .most_entries = 16, .most_bytes = 1 << 20, .ttl_ms = TTL_MS, .model = "m", .workers = 2};
    stage.core = (struct core){.request_timeout_ms = 60000, .max_body_bytes = 4096};
    stage.now_ns = 5000 * SECOND;
    stage.looks_left = 0;
    model_reset();
    readiness_init(&stage.readiness);
    if (!core_init(&stage.core, &weir_contract, &stage.readiness, error))
        fail_msg("%s", error);
    stage.core.now_ns = fake_now_ns;
    stage.core.authenticator->required = false;
    stage.core.sharing = sharing_new(&settings);
    for (unsigned i = 0; i < 2; i++) {
        task_queue_init(&stage.workers[i].tasks);
        timers_init(&stage.workers[i].timers);
        stage.workers[i].core = (struct core_worker){.core = &stage.core,
                                                     .timers = &stage.workers[i].timers,
                                                     .executor = &stage.workers[i].tasks.executor,
                                                     .index = i};
    }
    stage.translate = method_named("TranslateText");
    stage.story = method_named("TellStory");
    stage.kept_story = *stage.story;
    stage.kept_story.cache = CONTRACT_CACHE_STORE;
    return 0;
}

int sharing_tear_down(void **state)
{
    (void)state;
    turn();
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(stage.workers[i].core.live, 0);
        assert_int_equal(stage.workers[i].timers.count, 0);
        timers_fini(&stage.workers[i].timers);
    }
    assert_int_equal(flights_alive(stage.core.sharing->flights), 0);
    stage.core.sharing = sharing_free(stage.core.sharing);
    core_fini(&stage.core);
    return 0;
}
