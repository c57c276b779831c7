#include "shared/pipeline/flow_run.h"

#include "shared/flow/answer.h"
#include "shared/pipeline/chat.h"
#include "shared/pipeline/core.h"
#include "shared/pipeline/meters.h"

/* A rendered prompt holds little more than the request's own text. */
enum { PROMPT_BYTES = 4 * 1024 * 1024 };

void flow_run_init(struct flow_run *run)
{
    *run = (struct flow_run){.call = NULL};
    buf_init(&run->whole, NULL, LLM_ANSWER_BYTES);
}

void flow_run_fini(struct flow_run *run)
{
    must(run->call == NULL);
    buf_fini(&run->whole);
}

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

static void settle(struct flow_run *run, const struct llm_account *account, const char *end)
{
    uint64_t took_ns = run->worker->core->now_ns() - run->started_ns;
    run->call = NULL;
    run->account = *account;
    run->upstream_ns += took_ns;
    if (account->provider != NULL)
        meters_upstream(run->worker->meters, account->provider, end, took_ns);
}

struct llm_account flow_run_account(const struct flow_run *run)
{
    struct llm_account account = run->account;
    if (run->call != NULL)
        llm_account(run->call, &account);
    return account;
}

void flow_run_stop(struct flow_run *run, enum verdict_blame blame)
{
    if (run->call == NULL)
        return;
    struct llm_account account = flow_run_account(run);
    if (blame == VERDICT_BAD)
        llm_give_up(run->call);
    else
        llm_cancel(run->call);
    settle(run, &account, "cancelled");
}

void flow_run_pause(struct flow_run *run)
{
    if (run->call != NULL)
        llm_pause(run->call);
}

void flow_run_resume(struct flow_run *run)
{
    if (run->call != NULL)
        llm_resume(run->call);
}

static void log_failure(const struct flow_run *run, const struct llm_result *result)
{
    struct log_line line;
    log_begin(&line, LOG_WARNING, "llm", "call_failed");
    log_text(&line, "request_id", run->request_id);
    log_text(&line, "flow", run->method->flow);
    log_text(&line, "provider", result->account.provider);
    log_text(&line, "end", llm_end_name(result->end));
    log_i64(&line, "upstream_status", result->http_status);
    log_text(&line, "reason", result->reason);
    log_end(&line);
}

/* Rules only: a path may hold a name that the model made up, and its text is somebody's message. */
static void log_violations(const struct flow_run *run, const struct violation *violations, size_t n)
{
    struct log_line line;
    log_begin(&line, LOG_WARNING, "flow", "answer_invalid");
    log_text(&line, "request_id", run->request_id);
    log_text(&line, "flow", run->method->flow);
    log_u64(&line, "violations", n);
    if (n > 0)
        log_span(&line, "rule", violations[0].rule);
    log_end(&line);
}

static void on_piece(void *context, struct span text)
{
    struct flow_run *run = context;
    buf_put_span(&run->whole, text);
    if (!run->whole.overflow) {
        run->events->piece(run, text);
        return;
    }
    struct verdict verdict = verdict_of(VERDICT_UPSTREAM_GARBLED);
    flow_run_stop(run, VERDICT_BAD);
    run->events->done(run, &verdict);
}

static void on_done(void *context, const struct llm_result *result)
{
    struct flow_run *run = context;
    const struct contract_method *method = run->method;
    settle(run, &result->account, llm_end_name(result->end));
    struct verdict verdict = verdict_of_end(result);
    if (result->end != LLM_DONE) {
        log_failure(run, result);
        run->events->done(run, &verdict);
        return;
    }
    struct violation *violations = NULL;
    size_t n = 0;
    if (method->kind == CONTRACT_CHAT) {
        run->answer = chat_answer(method, run->message, result, run->arena);
        run->events->done(run, &verdict);
        return;
    }
    bool usable = method->streams ? run->whole.len > 0
                                  : answer_build(method, run->message, result->text, run->arena,
                                                 &run->answer, &violations, &n);
    if (!usable) {
        log_violations(run, violations, n);
        verdict = verdict_of(VERDICT_UPSTREAM_INVALID);
    }
    run->events->done(run, &verdict);
}

static const struct llm_events llm_events = {.piece = on_piece, .done = on_done};

bool flow_run_start(struct flow_run *run, struct verdict *verdict)
{
    const struct contract_method *method = run->method;
    const struct core *core = run->worker->core;
    struct conversation what = {.flow = method->flow,
                                .request_id = run->request_id,
                                .deadline_ms = run->deadline_ms,
                                .temperature = -1,
                                .stream = method->streams};
    if (method->kind == CONTRACT_CHAT) {
        chat_conversation(core->chat, run->message, run->arena, &what);
    } else if (!prompt_render(core->prompts[method->index], run->message, run->arena, PROMPT_BYTES,
                              &what)) {
        *verdict = verdict_of(VERDICT_TOO_LARGE);
        return false;
    }
    if (method->kind == CONTRACT_STRUCTURED) {
        what.schema = method->response->answer_schema;
        what.schema_name = method->response->pb->short_name;
    }
    run->started_ns = core->now_ns();
    run->call = llm_start(run->worker->llm, &what, run->started_ns / 1000000U, &llm_events, run);
    return true;
}
