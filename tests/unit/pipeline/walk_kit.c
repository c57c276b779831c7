#include "tests/unit/pipeline/walk_kit.h"

#include <stdlib.h>
#include <string.h>

struct walk walk;

static uint64_t fake_now_ns(void)
{
    return walk.now_ns;
}

static int64_t fake_now_s(void)
{
    return walk.now_s;
}

/* --- the port --- */

static size_t fake_metadata(const struct request *request, const char *name, struct span *values,
                            size_t most)
{
    (void)request;
    const struct walk_headers *headers = &walk.headers;
    bool bearer = strcmp(name, "authorization") == 0;
    size_t n = bearer                           ? headers->n_authorization
               : strcmp(name, "x-api-key") == 0 ? headers->n_api_key
                                                : 0;
    for (size_t i = 0; i < n && i < most; i++)
        values[i] = bearer ? headers->authorization[i] : headers->api_key[i];
    return n;
}

static void keep(char *to, struct span text)
{
    memcpy(to, text.at, text.len);
    to[text.len] = '\0';
}

static enum port_state fake_send(struct request *request, const struct message_view *message)
{
    walk.sends++;
    switch (message->kind) {
    case MESSAGE_ANSWER:
        if (message->message->descriptor == &weir__v1__tell_joke_response__descriptor)
            keep(walk.sent, span_of(((const Weir__V1__TellJokeResponse *)message->message)->joke));
        break;
    case MESSAGE_PIECE:
        assert_string_equal(((const Weir__V1__TellStoryResponse *)message->message)->text,
                            arena_copy(&request->arena, message->text));
        strncat(walk.sent, message->text.at, message->text.len);
        break;
    case MESSAGE_WHOLE:
        keep(walk.whole, message->text);
        break;
    }
    if (walk.leave_in_send)
        request_abandon(request);
    return walk.port_is_full ? PORT_FULL : PORT_READY;
}

static void forget_violation(void)
{
    free((char *)(uintptr_t)walk.violation.path.at);
    walk.violation = (struct violation){.path = SPAN_EMPTY};
}

static void fake_finish(struct request *request, const struct verdict *verdict)
{
    walk.finishes++;
    walk.ended = *verdict;
    walk.account = request->model;
    walk.challenge[0] = '\0';
    for (size_t i = 0; i < request->n_notes; i++)
        if (strcmp(request->notes[i].name, "www-authenticate") == 0)
            keep(walk.challenge, request->notes[i].value);
    if (verdict->n_violations > 0) {
        forget_violation();
        walk.violation = verdict->violations[0];
        walk.violation.path = span_of(strdup(arena_copy(&request->arena, walk.violation.path)));
    }
    request_fini(request);
    free(request);
}

static const struct port fake_port = {
    .protocol = "fake", .metadata = fake_metadata, .send = fake_send, .finish = fake_finish};

/* --- the stage --- */

int walk_set_up_group(void **state)
{
    (void)state;
    char error[256] = "";
    walk = (struct walk){.now_s = 1000000000,
                         .core = {.request_timeout_ms = 1000, .max_body_bytes = 1024}};
    readiness_init(&walk.readiness);
    if (!core_init(&walk.core, &weir_contract, &walk.readiness, error))
        fail_msg("%s", error);
    walk.core.now_ns = fake_now_ns;
    walk.core.now_s = fake_now_s;
    timers_init(&walk.timers);
    walk.worker = (struct core_worker){.core = &walk.core, .timers = &walk.timers};
    return 0;
}

int walk_tear_down_group(void **state)
{
    (void)state;
    core_fini(&walk.core);
    timers_fini(&walk.timers);
    return 0;
}

int walk_set_up(void **state)
{
    (void)state;
    model_reset();
    walk.now_ns = 5000000000;
    walk.headers = (struct walk_headers){.n_authorization = 0};
    walk.port_is_full = walk.leave_in_send = false;
    walk.finishes = walk.sends = 0;
    walk.sent[0] = walk.whole[0] = walk.challenge[0] = '\0';
    return 0;
}

int walk_tear_down(void **state)
{
    (void)state;
    forget_violation();
    assert_int_equal(walk.worker.live, 0);
    assert_int_equal(walk.timers.count, 0);
    return 0;
}

/* --- requests --- */

struct request *walk_make(const char *rpc, const char *json)
{
    struct request *request = malloc(sizeof *request);
    assert_non_null(request);
    request_init(request, &walk.worker, &fake_port);
    request->given = (struct request_given){.method = method_named(rpc),
                                            .encoding = REQUEST_JSON,
                                            .body = span_of(json),
                                            .received_ns = walk.now_ns};
    return request;
}

struct request *walk_begin(const char *rpc, const char *json)
{
    struct request *request = walk_make(rpc, json);
    request_begin(request);
    return request;
}

void model_says(const char *text)
{
    const struct llm_result result = {
        .end = LLM_DONE, .text = span_of(text), .account = {.provider = "fake", .attempts = 1}};
    model_call_ends(model.calls - 1, &result);
}

void model_ends(enum llm_end end)
{
    const struct llm_result result = {.end = end, .retry_after_ms = end == LLM_BUSY ? 7000 : 0};
    model_call_ends(model.calls - 1, &result);
}

void model_streams(const char *text)
{
    model_call_says(model.calls - 1, text);
}

void assert_ended(enum verdict_code code)
{
    assert_int_equal(walk.finishes, 1);
    if (walk.ended.code != code)
        fail_msg("ended %s", verdict_row(walk.ended.code)->name);
}
