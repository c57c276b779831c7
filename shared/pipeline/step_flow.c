/* The flow: a kept answer goes on at once; else the request asks the model by itself, or waits for
 * a flight that asks for several. A stream's pieces go out while it waits, a unary answer is left
 * for the reply step. */
#include "shared/pipeline/chat.h"
#include "shared/pipeline/follow.h"
#include "shared/pipeline/shared_run.h"
#include "shared/pipeline/step.h"

#include "shared/flow/answer.h"

static struct request *of_run(struct flow_run *run)
{
    return container_of(run, struct request, run);
}

/* --- a call of its own --- */

static void settle(struct request *request)
{
    request->upstream_ns = request->run.upstream_ns;
    request->model = request->run.account;
}

static void on_piece(struct flow_run *run, struct span text)
{
    struct request *request = of_run(run);
    arena_reset(&request->piece_arena);
    char *copy = arena_copy(&request->piece_arena, text);
    struct message_view view = {.kind = MESSAGE_PIECE,
                                .type = run->method->response,
                                .message = answer_piece(run->method, copy, &request->piece_arena),
                                .text = text};
    (void)!pipeline_send(request, &view); /* ended, and perhaps gone: nothing is left to do */
}

static void on_done(struct flow_run *run, const struct verdict *verdict)
{
    struct request *request = of_run(run);
    settle(request);
    if (verdict->code == VERDICT_OK)
        pipeline_continue(request);
    else
        pipeline_end(request, verdict);
}

static const struct flow_run_events events = {.piece = on_piece, .done = on_done};

static enum step_result ask_alone(struct request *request, struct verdict *verdict)
{
    struct flow_run *run = &request->run;
    run->worker = request->worker;
    run->method = request->given.method;
    run->prompt = request_prompt(request);
    run->message = request->message;
    run->arena = &request->arena;
    run->request_id = request->id;
    run->deadline_ms = request->deadline.due_ms;
    run->events = &events;
    return flow_run_start(run, verdict) ? STEP_WAIT : STEP_END;
}

/* --- the port and the end --- */

void flow_stop(struct request *request, enum verdict_blame blame)
{
    if (flow_run_is_busy(&request->run)) {
        flow_run_stop(&request->run, blame);
        settle(request);
    }
    follow_stop(request, blame);
}

bool flow_waits(const struct request *request)
{
    return request->run.call != NULL || request->share.waiter.flight != NULL;
}

void flow_full(struct request *request)
{
    request->port_is_full = true;
    flow_run_pause(&request->run);
}

void flow_writable(struct request *request)
{
    request->port_is_full = false;
    flow_run_resume(&request->run);
    follow_writable(request);
}

/* --- the step --- */

static enum step_result answer_health(struct request *request, struct verdict *verdict)
{
    struct violation *violations = NULL;
    size_t n = 0;
    if (answer_build(request->given.method, request->message, SPAN_EMPTY, &request->arena,
                     &request->run.answer, &violations, &n))
        return STEP_NEXT;
    *verdict = verdict_of(VERDICT_INTERNAL);
    return STEP_END;
}

static enum step_result tell_models(struct request *request)
{
    request->run.answer =
        chat_tell_models(request->worker->core->chat, request->message, &request->arena);
    return STEP_NEXT;
}

enum step_result step_flow(struct request *request, struct verdict *verdict)
{
    if (request->given.method->kind == CONTRACT_HEALTH)
        return answer_health(request, verdict);
    if (request->given.method->kind == CONTRACT_MODELS)
        return tell_models(request);
    if (request->share.kept != NULL)
        return follow_kept(request);
    if (request->share.waiter.flight == NULL)
        return ask_alone(request, verdict);
    if (request->share.state != SHARE_JOIN)
        shared_run_start(request);
    return follow_flight(request);
}
