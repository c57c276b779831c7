/* The client: its calls by state, and the loop handle that lets it speak when libcurl does not. */
#include "shared/llm/call.h"

#include <stdio.h>
#include <stdlib.h>

void llm_global_init(void)
{
    transfer_global_init();
}

void llm_global_fini(void)
{
    transfer_global_fini();
}

const char *llm_end_name(enum llm_end end)
{
    static const char *const names[] = {
        [LLM_DONE] = "done",       [LLM_UNREACHABLE] = "unreachable", [LLM_TIMED_OUT] = "timed_out",
        [LLM_BUSY] = "busy",       [LLM_REJECTED] = "rejected",       [LLM_FAILED] = "failed",
        [LLM_GARBLED] = "garbled", [LLM_TOO_LARGE] = "too_large",     [LLM_CUT] = "cut"};
    return names[end];
}

/* --- delivery --- */

/* One round: what gets ready meanwhile has its turn in the loop's next one. */
void client_deliver(void *context)
{
    struct llm_client *client = context;
    struct link round;
    link_init(&round);
    link_move_all(&client->ready, &round);
    while (!link_is_alone(&round)) {
        struct llm_call *call = container_of(round.after, struct llm_call, ready);
        link_remove(&call->ready);
        if (call->paused) /* llm_resume makes it ready again */
            continue;
        if (call->state == CALL_RUNNING)
            remote_deliver(call);
        else if (call->state == CALL_SPEAKING)
            local_deliver(call);
        else if (call->state == CALL_FAILED)
            call_finish(call, call->result.end, NULL);
    }
    if (link_is_alone(&client->ready))
        (void)uv_idle_stop(&client->wake);
}

static void on_wake(uv_idle_t *wake)
{
    client_deliver(wake->data);
}

/* --- the client --- */

static struct transfers *new_transfers(struct llm_client *client)
{
    const struct llm_settings *settings = client->settings;
    struct buf url;
    buf_init(&url, NULL, 4096);
    buf_put_text(&url, settings->base_url);
    buf_put_text(&url, "/chat/completions");
    buf_put_char(&url, '\0');
    must(!url.overflow);
    struct transfer_settings wire = {.url = url.at,
                                     .bearer = settings->api_key,
                                     .ca_file = settings->ca_file,
                                     .connect_timeout_ms = settings->connect_timeout_ms,
                                     .most = settings->pool_max,
                                     .keep = settings->pool_max_keepalive};
    struct transfers *transfers =
        transfers_new(client->loop, client->timers, &wire, &remote_events, client);
    buf_fini(&url);
    return transfers;
}

struct llm_client *llm_client_new(struct uv_loop_s *loop, struct timers *timers,
                                  const struct llm_settings *settings)
{
    struct llm_client *client = calloc(1, sizeof *client);
    must(client != NULL);
    client->loop = loop;
    client->timers = timers;
    client->settings = settings;
    client->on_wake = on_wake;
    link_init(&client->ready);
    link_init(&client->waiting);
    link_init(&client->lingering);
    link_init(&client->spare);
    must(uv_idle_init(loop, &client->wake) == 0);
    client->wake.data = client;
    offline_init(&client->offline);
    openai_init(&client->openai, settings->model);
    if (settings->provider == LLM_OPENAI)
        client->transfers = new_transfers(client);
    return client;
}

static void on_wake_closed(uv_handle_t *handle)
{
    struct llm_client *client = handle->data;
    void (*closed)(void *) = client->closed;
    void *closed_context = client->closed_context;
    free(client);
    closed(closed_context);
}

static void on_transfers_closed(void *context)
{
    struct llm_client *client = context;
    uv_close((uv_handle_t *)&client->wake, on_wake_closed);
}

void llm_client_close(struct llm_client *client, void (*closed)(void *context), void *context)
{
    must(client->live == 0 && client->closed == NULL);
    client->closed = closed;
    client->closed_context = context;
    while (!link_is_alone(&client->lingering))
        call_drop(container_of(client->lingering.after, struct llm_call, member));
    while (!link_is_alone(&client->spare)) {
        struct llm_call *call = container_of(client->spare.after, struct llm_call, member);
        link_remove(&call->member);
        call_free(call);
    }
    offline_fini(&client->offline);
    openai_fini(&client->openai);
    if (client->transfers != NULL)
        transfers_close(client->transfers, on_transfers_closed, client);
    else
        on_transfers_closed(client);
}

/* --- calls --- */

struct llm_call *llm_start(struct llm_client *client, const struct conversation *what,
                           tick_ms now_ms, const struct llm_events *events, void *context)
{
    must(client->closed == NULL);
    struct llm_call *call = call_new(client);
    call->events = events;
    call->context = context;
    call->stream = what->stream;
    call->started_ms = call->progress_ms = now_ms;
    client->live++;
    if (client->transfers != NULL)
        remote_start(call, what);
    else
        local_start(call, what);
    return call;
}

void llm_cancel(struct llm_call *call)
{
    must(call->state != CALL_SPARE && call->state != CALL_LINGERING);
    if (call->state == CALL_OVER) /* inside its own `done` */
        return;
    call->client->live--;
    call_drop(call);
}

void llm_pause(struct llm_call *call)
{
    call->paused = true;
}

void llm_resume(struct llm_call *call)
{
    if (!call->paused || call->state == CALL_OVER)
        return;
    call->paused = false;
    if (call->state == CALL_RUNNING)
        remote_resume(call);
    call_wake(call);
}
