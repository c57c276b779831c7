/* The life of a call: how it is made, tells what it has, ends, and is used again. */
#include "shared/llm/attempt.h"

#include <stdlib.h>

/* What a spare call keeps, so that the next one need not allocate. */
enum { MOST_SPARES = 256, KEEP_BYTES = 8 * 1024 };

struct llm_call *call_new(struct llm_client *client)
{
    if (!link_is_alone(&client->spare)) {
        struct llm_call *call = container_of(client->spare.before, struct llm_call, member);
        link_remove(&call->member);
        client->spares--;
        return call;
    }
    struct llm_call *call = calloc(1, sizeof *call);
    must(call != NULL);
    link_init(&call->ready);
    link_init(&call->member);
    call->client = client;
    arena_init(&call->talk_arena, 0);
    buf_init(&call->path, NULL, 0);
    buf_init(&call->body, NULL, 0);
    buf_init(&call->inbox, NULL, 0);
    sse_init(&call->sse);
    return call;
}

void call_free(struct llm_call *call)
{
    call->calls = tool_calls_free(call->calls);
    arena_fini(&call->talk_arena);
    buf_fini(&call->path);
    buf_fini(&call->body);
    buf_fini(&call->inbox);
    sse_fini(&call->sse);
    free(call);
}

static void recycle_buf(struct buf *buf)
{
    buf_clear(buf);
    if (buf->cap > KEEP_BYTES)
        buf_fini(buf);
}

static void recycle(struct llm_call *call)
{
    struct llm_client *client = call->client;
    struct buf path = call->path, body = call->body, inbox = call->inbox;
    struct sse sse = call->sse;
    arena_fini(&call->talk_arena);
    call->calls = tool_calls_free(call->calls);
    if (client->spares >= MOST_SPARES) {
        call_free(call);
        return;
    }
    recycle_buf(&path);
    recycle_buf(&body);
    recycle_buf(&inbox);
    sse_reset(&sse, KEEP_BYTES);
    *call =
        (struct llm_call){.client = client, .path = path, .body = body, .inbox = inbox, .sse = sse};
    arena_init(&call->talk_arena, 0);
    link_init(&call->ready);
    link_init(&call->member);
    link_append(&client->spare, &call->member);
    client->spares++;
}

static void leave_waiting(struct llm_call *call)
{
    if (call->state != CALL_WAITING)
        return;
    call->lane->waiting_calls--;
    call->lane->waiting_bytes -= call->body.len;
}

void call_detach(struct llm_call *call)
{
    timers_cancel(call->client->timers, &call->timer);
    link_remove(&call->ready);
    leave_waiting(call);
    link_remove(&call->member);
}

/* Once for each call, whichever way it ends. */
static void count_usage(struct llm_call *call)
{
    struct llm_account *account = &call->result.account;
    attempt_account(call, account);
    if (call->asked == NULL)
        return;
    struct llm_upstream *upstream = call->asked->upstream;
    /* What earlier attempts spent is counted already. */
    atomic_fetch_add(&upstream->input_tokens,
                     account->usage.input_tokens - call->spent.input_tokens);
    atomic_fetch_add(&upstream->output_tokens,
                     account->usage.output_tokens - call->spent.output_tokens);
}

void call_drop(struct llm_call *call)
{
    bool lingering = call->state == CALL_LINGERING;
    call_detach(call);
    if (!lingering)
        count_usage(call);
    attempt_leave(call, BREAKER_NEUTRAL);
    call->state = CALL_OVER;
    attempt_release(call);
    if (!call->in_event)
        recycle(call);
}

void call_wake(struct llm_call *call)
{
    struct llm_client *client = call->client;
    if (link_is_alone(&call->ready))
        link_append(&client->ready, &call->ready);
    must(uv_idle_start(&client->wake, client->on_wake) == 0);
}

bool call_piece(struct llm_call *call, struct span text)
{
    call->spoke = true;
    call->in_event = true;
    call->events->piece(call->context, text);
    call->in_event = false;
    if (call->state != CALL_OVER)
        return true;
    recycle(call);
    return false;
}

void call_note(struct llm_call *call, const char *reason)
{
    char *out = call->result.reason;
    if (reason == NULL || out[0] != '\0')
        return;
    size_t len = 0;
    for (; reason[len] != '\0' && len < sizeof call->result.reason - 1; len++)
        out[len] = reason[len] >= ' ' && reason[len] <= '~' ? reason[len] : '?';
    out[len] = '\0';
}

void call_fail(struct llm_call *call, enum llm_end end, const char *reason)
{
    call->state = CALL_FAILED;
    call->result.end = end;
    call_note(call, reason);
    call_wake(call);
}

void call_finish(struct llm_call *call, enum llm_end end, const char *reason)
{
    call_detach(call);
    call->state = CALL_OVER;
    call->result.end = end;
    if (end == LLM_DONE) /* whatever befell the connection after the last word */
        call->result.reason[0] = '\0';
    call_note(call, reason);
    count_usage(call);
    /* A well-behaved answer may have its last bytes, without meaning, still to come. */
    bool linger = call->transfer != NULL && !call->ended && end == LLM_DONE;
    if (!linger)
        attempt_release(call);
    call->client->live--;
    call->in_event = true;
    call->events->done(call->context, &call->result);
    call->in_event = false;
    if (linger)
        remote_linger(call);
    else
        recycle(call);
}
