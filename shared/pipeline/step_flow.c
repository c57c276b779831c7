/* The flow: prompt -> model -> answer. Waits for the model's client; a stream's pieces go out from
 * here as they arrive, a unary answer is left for the reply step. */
#include "shared/pipeline/step.h"

#include "shared/flow/answer.h"
#include "shared/pipeline/meters.h"

/* A rendered prompt holds little more than the request's own text. */
enum { PROMPT_BYTES = 4 * 1024 * 1024 };

static struct verdict verdict_of_end(const struct llm_result *result)
{
    static const enum verdict_code codes[] = {
        [LLM_DONE] = VERDICT_OK,
        [LLM_UNREACHABLE] = VERDICT_UPSTREAM_UNREACHABLE,
        [LLM_TIMED_OUT] = VERDICT_UPSTREAM_TIMED_OUT,
        [LLM_BUSY] = VERDICT_UPSTREAM_BUSY,
        [LLM_REJECTED] = VERDICT_UPSTREAM_REJECTED,
        [LLM_FAILED] = VERDICT_UPSTREAM_FAILED,
        [LLM_GARBLED] = VERDICT_UPSTREAM_GARBLED,
        [LLM_TOO_LARGE] = VERDICT_UPSTREAM_GARBLED,
        [LLM_CUT] = VERDICT_UPSTREAM_CUT,
        [LLM_FILTERED] = VERDICT_UPSTREAM_FILTERED,
        [LLM_OPEN] = VERDICT_BREAKER_OPEN,
    };
    struct verdict verdict = verdict_of(codes[result->end]);
    verdict.retry_after_ms = result->retry_after_ms;
    return verdict;
}

static void settle(struct request *request, const struct llm_account *account, const char *end)
{
    const struct core *core = request->worker->core;
    uint64_t took_ns = core->now_ns() - request->upstream_started_ns;
    request->call = NULL;
    request->model = *account;
    request->upstream_ns += took_ns;
    if (account->provider != NULL)
        meters_upstream(request->worker->meters, account->provider, end, took_ns);
}

void flow_stop(struct request *request, enum verdict_blame blame)
{
    struct llm_account account;
    if (request->call == NULL)
        return;
    llm_account(request->call, &account);
    if (blame == VERDICT_BAD)
        llm_give_up(request->call);
    else
        llm_cancel(request->call);
    settle(request, &account, "cancelled");
}

void flow_writable(struct request *request)
{
    if (request->call != NULL)
        llm_resume(request->call);
}

static void log_failure(const struct request *request, const struct llm_result *result)
{
    struct log_line line;
    log_begin(&line, LOG_WARNING, "llm", "call_failed");
    log_text(&line, "request_id", request->id);
    log_text(&line, "flow", request->given.method->flow);
    log_text(&line, "provider", result->account.provider);
    log_text(&line, "end", llm_end_name(result->end));
    log_i64(&line, "upstream_status", result->http_status);
    log_text(&line, "reason", result->reason);
    log_end(&line);
}

/* Rules only: a path may hold a name that the model made up, and its text is somebody's message. */
static void log_violations(const struct request *request, const struct violation *violations,
                           size_t n)
{
    struct log_line line;
    log_begin(&line, LOG_WARNING, "flow", "answer_invalid");
    log_text(&line, "request_id", request->id);
    log_text(&line, "flow", request->given.method->flow);
    log_u64(&line, "violations", n);
    if (n > 0)
        log_span(&line, "rule", violations[0].rule);
    log_end(&line);
}

static void on_piece(void *context, struct span text)
{
    struct request *request = context;
    const struct contract_method *method = request->given.method;
    buf_put_span(&request->whole, text);
    if (request->whole.overflow) {
        struct verdict verdict = verdict_of(VERDICT_UPSTREAM_GARBLED);
        pipeline_end(request, &verdict);
        return;
    }
    arena_reset(&request->piece_arena);
    char *copy = arena_copy(&request->piece_arena, text);
    struct message_view view = {.kind = MESSAGE_PIECE,
                                .type = method->response,
                                .message = answer_piece(method, copy, &request->piece_arena),
                                .text = text};
    (void)!pipeline_send(request, &view); /* ended, and perhaps gone: nothing is left to do */
}

static void on_done(void *context, const struct llm_result *result)
{
    struct request *request = context;
    const struct contract_method *method = request->given.method;
    settle(request, &result->account, llm_end_name(result->end));
    struct verdict verdict = verdict_of_end(result);
    if (result->end != LLM_DONE) {
        log_failure(request, result);
        pipeline_end(request, &verdict);
        return;
    }
    struct violation *violations = NULL;
    size_t n = 0;
    bool usable = method->streams
                      ? request->whole.len > 0
                      : answer_build(method, request->message, result->text, &request->arena,
                                     &request->answer, &violations, &n);
    if (!usable) {
        log_violations(request, violations, n);
        verdict = verdict_of(VERDICT_UPSTREAM_INVALID);
        pipeline_end(request, &verdict);
        return;
    }
    pipeline_continue(request);
}

static const struct llm_events flow_events = {.piece = on_piece, .done = on_done};

static enum step_result ask_model(struct request *request, struct verdict *verdict)
{
    const struct contract_method *method = request->given.method;
    const struct core *core = request->worker->core;
    struct conversation what = {.flow = method->flow,
                                .request_id = request->id,
                                .deadline_ms = request->deadline.due_ms,
                                .temperature = -1,
                                .stream = method->streams};
    if (!prompt_render(core->prompts[method->index], request->message, &request->arena,
                       PROMPT_BYTES, &what)) {
        *verdict = verdict_of(VERDICT_TOO_LARGE);
        return STEP_END;
    }
    if (method->kind == CONTRACT_STRUCTURED) {
        what.schema = method->response->answer_schema;
        what.schema_name = method->response->pb->short_name;
    }
    request->upstream_started_ns = core->now_ns();
    request->call = llm_start(request->worker->llm, &what, request->upstream_started_ns / 1000000U,
                              &flow_events, request);
    return STEP_WAIT;
}

enum step_result step_flow(struct request *request, struct verdict *verdict)
{
    const struct contract_method *method = request->given.method;
    if (method->kind != CONTRACT_HEALTH)
        return ask_model(request, verdict);
    struct violation *violations = NULL;
    size_t n = 0;
    if (answer_build(method, request->message, SPAN_EMPTY, &request->arena, &request->answer,
                     &violations, &n))
        return STEP_NEXT;
    *verdict = verdict_of(VERDICT_INTERNAL);
    return STEP_END;
}
