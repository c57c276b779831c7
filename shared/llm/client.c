/* The client: its calls by state, and the loop handle that lets it speak when libcurl does not. */
#include "shared/llm/attempt.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

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
    static const char *const names[] = {[LLM_DONE] = "done",
                                        [LLM_UNREACHABLE] = "unreachable",
                                        [LLM_TIMED_OUT] = "timed_out",
                                        [LLM_BUSY] = "busy",
                                        [LLM_REJECTED] = "rejected",
                                        [LLM_FAILED] = "failed",
                                        [LLM_GARBLED] = "garbled",
                                        [LLM_TOO_LARGE] = "too_large",
                                        [LLM_CUT] = "cut",
                                        [LLM_FILTERED] = "filtered",
                                        [LLM_OPEN] = "breaker_open"};
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
        else if (call->state == CALL_FAILED && call->lane == NULL)
            call_finish(call, call->result.end, NULL);
        else if (call->state == CALL_FAILED)
            attempt_end(call, call->result.end, NULL);
    }
    if (link_is_alone(&client->ready))
        (void)uv_idle_stop(&client->wake);
}

static void on_wake(uv_idle_t *wake)
{
    client_deliver(wake->data);
}

/* --- the client --- */

static void open_lane(struct llm_client *client, struct llm_upstream *upstream)
{
    const struct llm_settings *settings = client->settings;
    struct lane *lane = &client->lanes[client->n_lanes++];
    const struct transfer_settings wire = {.base_url = upstream->base_url,
                                           .fixed_header = upstream->dialect->fixed_header,
                                           .key_header = upstream->dialect->key_header,
                                           .ca_file = settings->ca_file,
                                           .connect_timeout_ms = settings->connect_timeout_ms,
                                           .most = settings->pool_max,
                                           .keep = settings->pool_max_keepalive};
    *lane = (struct lane){.client = client, .upstream = upstream};
    link_init(&lane->waiting);
    memo_init(&lane->schemas, upstream->dialect->write_schema);
    lane->transfers = transfers_new(client->loop, client->timers, &wire, &remote_events, client);
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
    link_init(&client->lingering);
    link_init(&client->spare);
    must(uv_idle_init(loop, &client->wake) == 0);
    client->wake.data = client;
    offline_init(&client->offline);
    if (getrandom(&client->seed, sizeof client->seed, GRND_NONBLOCK) < 0)
        client->seed = (uint64_t)uv_hrtime() ^ (uint64_t)(uintptr_t)client;
    must(settings->n_upstreams <= LLM_UPSTREAMS_MOST);
    for (size_t i = 0; i < settings->n_upstreams; i++)
        open_lane(client, &settings->upstreams[i]);
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
    if (--client->open_lanes == 0)
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
    client->open_lanes = client->n_lanes;
    for (size_t i = 0; i < client->n_lanes; i++) {
        memo_fini(&client->lanes[i].schemas);
        transfers_close(client->lanes[i].transfers, on_transfers_closed, client);
    }
    if (client->n_lanes == 0)
        uv_close((uv_handle_t *)&client->wake, on_wake_closed);
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
    must(what->upstream <= client->n_lanes);
    if (what->upstream > 0 || client->n_lanes > client->settings->n_named)
        attempt_first(call, what);
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

void llm_give_up(struct llm_call *call)
{
    if (call->state != CALL_OVER)
        attempt_leave(call, BREAKER_BAD);
    llm_cancel(call);
}

void llm_account(const struct llm_call *call, struct llm_account *account)
{
    attempt_account(call, account);
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
