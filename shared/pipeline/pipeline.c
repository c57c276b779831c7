/* The life of a request: an ordered table of steps, walked by one dispatcher. */
#include "shared/pipeline/step.h"

#include "shared/base/must.h"
#include "shared/flow/wire.h"
#include "shared/pipeline/follow.h"
#include "shared/pipeline/limits.h"
#include "shared/pipeline/meters.h"

/* The order is the policy: cheap refusals first, nothing costly before all checks have passed. */
static const struct step {
    const char *name;
    enum step_result (*run)(struct request *request, struct verdict *verdict);
} steps[] = {
    {"admit", step_admit},     {"address", step_address}, {"identity", step_identity},
    {"scope", step_scope},     {"subject", step_subject}, {"decode", step_decode},
    {"content", step_content}, {"chat", step_chat},       {"cache", step_cache},
    {"flow", step_flow},       {"reply", step_reply},
};

enum { STEP_COUNT = sizeof steps / sizeof steps[0] };

/* Whoever is turned away in a drain finds another instance at once. */
enum { DRAIN_RETRY_MS = 1000 };

/* Until the body is known nothing large is allocated. */
enum { ARENA_BUDGET_BYTES = 64 * 1024, LAST_BASE_BYTES = 16 * 1024 };

void request_init(struct request *request, struct core_worker *worker, const struct port *port)
{
    *request = (struct request){.port = port, .worker = worker};
    arena_init(&request->arena, ARENA_BUDGET_BYTES);
    arena_init(&request->piece_arena, 0);
    flow_run_init(&request->run);
}

void request_fini(struct request *request)
{
    must(!timer_is_set(&request->deadline));
    flow_run_fini(&request->run);
    follow_fini(request);
    arena_fini(&request->arena);
    arena_fini(&request->piece_arena);
    request->prompts = prompt_set_unref(request->prompts);
}

const struct prompt *request_prompt(struct request *request)
{
    if (request->prompts == NULL)
        request->prompts = prompt_shelf_take(request->worker->core->prompts);
    return prompt_set_at(request->prompts, request->given.method->index);
}

void request_note(struct request *request, const char *name, struct span value)
{
    must(request->n_notes < REQUEST_NOTES);
    request->notes[request->n_notes++] = (struct request_note){.name = name, .value = value};
}

/* A model that was asked and did not answer in the server's time is to blame for it; in the
 * client's own, shorter time it is not. */
static void deadline_passed(struct timer *timer, tick_ms now_ms)
{
    (void)now_ms;
    struct request *request = container_of(timer, struct request, deadline);
    bool own = request->given.timeout_ms > 0 &&
               request->given.timeout_ms < request->worker->core->request_timeout_ms;
    struct verdict verdict =
        verdict_of(flow_waits(request) && !own ? VERDICT_UPSTREAM_TIMED_OUT : VERDICT_TIMED_OUT);
    /* A stream told now would have no deadline at all. */
    if (!request->given.method->streams &&
        follow_fall_back(request, verdict_row(verdict.code)->blame))
        return;
    pipeline_end(request, &verdict);
}

static struct verdict verdict_of_drain(void)
{
    return (struct verdict){.code = VERDICT_DRAINING, .retry_after_ms = DRAIN_RETRY_MS};
}

/* Gives the request its deadline: the server's, or the client's own where that is shorter (H6). */
enum step_result step_admit(struct request *request, struct verdict *verdict)
{
    uint64_t timeout_ms = request->worker->core->request_timeout_ms;
    if (request->worker->cut) {
        *verdict = verdict_of_drain();
        return STEP_END;
    }
    if (request->given.timeout_ms > 0 && request->given.timeout_ms < timeout_ms)
        timeout_ms = request->given.timeout_ms;
    tick_ms due_ms = request->given.received_ns / 1000000U + timeout_ms;
    if (due_ms <= request->worker->core->now_ns() / 1000000U) {
        *verdict = verdict_of(VERDICT_TIMED_OUT);
        return STEP_END;
    }
    request->deadline.fire = deadline_passed;
    timers_set(request->worker->timers, &request->deadline, due_ms);
    return STEP_NEXT;
}

/* The message that ends a kept stream, if it has one; packed by this process. */
static const ProtobufCMessage *unpack_last(struct request *request)
{
    struct span wire = request->share.kept->wire;
    struct wire_error error;
    ProtobufCMessage *last = NULL;
    if (wire.len == 0)
        return NULL;
    request->arena.budget_bytes = request->arena.used_bytes + LAST_BASE_BYTES + 16 * wire.len;
    must(wire_read(wire, request->given.method->response, &request->arena, &last, &error) ==
         WIRE_FINE);
    return last;
}

/* Sends a unary answer or a stream's whole text; then the request has ended well. */
enum step_result step_reply(struct request *request, struct verdict *verdict)
{
    const struct contract_method *method = request->given.method;
    const struct cache_entry *kept = request->share.kept;
    struct message_view view = {.type = method->response};
    if (method->streams) {
        view.kind = MESSAGE_WHOLE;
        view.text = kept != NULL ? kept->whole : buf_span(&request->run.whole);
    } else {
        view.kind = MESSAGE_ANSWER;
        view.json = kept != NULL ? kept->json : SPAN_EMPTY;
    }
    view.message = kept != NULL && method->streams ? unpack_last(request) : request->run.answer;
    view.wire = kept != NULL ? kept->wire : SPAN_EMPTY;
    (void)request->port->send(request, &view);
    *verdict = verdict_of(VERDICT_OK);
    return STEP_END;
}

static void walk(struct request *request)
{
    struct verdict verdict = verdict_of(VERDICT_CANCELLED);
    enum step_result result = STEP_NEXT;
    must(!request->walking && !request->finished);
    request->walking = true;
    while (result == STEP_NEXT && !request->abandoned) {
        must(request->step < STEP_COUNT);
        result = steps[request->step].run(request, &verdict);
        request->step++;
    }
    request->walking = false;
    if (request->abandoned)
        verdict = verdict_of(VERDICT_CANCELLED);
    if (result == STEP_END || request->abandoned)
        pipeline_end(request, &verdict);
}

static void enter_live(struct request *request)
{
    struct core_worker *worker = request->worker;
    request->next_live = worker->first_live;
    if (request->next_live != NULL)
        request->next_live->previous_live = request;
    worker->first_live = request;
    worker->live++;
    meters_begun(worker->meters);
}

static void leave_live(struct request *request)
{
    struct core_worker *worker = request->worker;
    must(worker->live > 0);
    if (request->next_live != NULL)
        request->next_live->previous_live = request->previous_live;
    if (request->previous_live != NULL)
        request->previous_live->next_live = request->next_live;
    else
        worker->first_live = request->next_live;
    request->next_live = request->previous_live = NULL;
    worker->live--;
    meters_ended(worker->meters);
}

void request_begin(struct request *request)
{
    must(request->given.method != NULL && request->step == 0);
    request_identify(request);
    limits_find_client(request);
    enter_live(request);
    walk(request);
}

void pipeline_continue(struct request *request)
{
    walk(request);
}

bool pipeline_send(struct request *request, const struct message_view *message)
{
    must(!request->walking && !request->finished);
    request->walking = true;
    enum port_state state = request->port->send(request, message);
    request->walking = false;
    if (request->abandoned) {
        struct verdict verdict = verdict_of(VERDICT_CANCELLED);
        pipeline_end(request, &verdict);
        return false;
    }
    if (state == PORT_FULL)
        flow_full(request);
    return true;
}

static void finish(struct request *request, const struct verdict *verdict)
{
    struct log_line line;
    request->finished = true;
    access_line(request, verdict, &line);
    request->port->finish(request, verdict); /* it may be gone */
    log_end(&line); /* last: it may wake the log thread, and the answer need not wait for that */
}

void pipeline_end(struct request *request, const struct verdict *verdict)
{
    must(!request->walking && !request->finished);
    identity_stop(request);
    flow_stop(request, verdict_row(verdict->code)->blame);
    timers_cancel(request->worker->timers, &request->deadline);
    leave_live(request);
    limits_settle(request, verdict);
    finish(request, verdict);
}

void core_worker_cut(struct core_worker *worker)
{
    struct verdict verdict = verdict_of_drain();
    worker->cut = true;
    /* Ending one may free it, and may let in others, which are then refused. */
    while (worker->first_live != NULL)
        pipeline_end(worker->first_live, &verdict);
}

void request_refuse(struct request *request, const struct verdict *verdict)
{
    must(request->step == 0 && !request->finished);
    request_identify(request);
    limits_find_client(request);
    /* Those who are not let in learn nothing of what is there; probes of health are for all. */
    struct verdict forbidden = verdict_of(VERDICT_FORBIDDEN_ADDRESS);
    bool own = verdict->code == VERDICT_OK || verdict->code == VERDICT_NO_CONTENT ||
               verdict->code == VERDICT_NOT_READY;
    finish(request, own || limits_lets_in(request) ? verdict : &forbidden);
}

void request_abandon(struct request *request)
{
    must(!request->finished && (request->walking || request->step > 0));
    if (request->walking) {
        request->abandoned = true;
        return;
    }
    struct verdict verdict = verdict_of(VERDICT_CANCELLED);
    pipeline_end(request, &verdict);
}

void request_writable(struct request *request)
{
    must(!request->walking);
    if (!request->finished)
        flow_writable(request);
}
