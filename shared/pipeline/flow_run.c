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
    must(!flow_run_is_busy(run));
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

/* --- what it has come to --- */

static struct llm_account sum_of(const struct llm_account *earlier, const struct llm_account *call)
{
    struct llm_account sum = *call;
    sum.attempts += earlier->attempts;
    sum.fallback |= earlier->fallback;
    sum.usage.input_tokens += earlier->usage.input_tokens;
    sum.usage.output_tokens += earlier->usage.output_tokens;
    sum.usage.estimated |= earlier->usage.estimated;
    sum.usage.known = !sum.usage.estimated && (call->usage.known || earlier->usage.known);
    return sum;
}

struct llm_account flow_run_account(const struct flow_run *run)
{
    struct llm_account account = run->account;
    if (run->call != NULL) {
        struct llm_account call = {0};
        llm_account(run->call, &call);
        account = sum_of(&run->account, &call);
    }
    account.tool_rounds = run->dialogue.tool_rounds;
    account.answer_retries = run->dialogue.retries;
    return account;
}

/* The call is over; `account` is of all calls so far. */
static void settle(struct flow_run *run, const struct llm_account *account, const char *end)
{
    uint64_t took_ns = run->worker->core->now_ns() - run->started_ns;
    run->call = NULL;
    run->account = *account;
    run->upstream_ns += took_ns;
    if (account->provider != NULL)
        meters_upstream(run->worker->meters, account->provider, end, took_ns);
}

bool flow_run_is_busy(const struct flow_run *run)
{
    return run->call != NULL || run->images.job != NULL;
}

void flow_run_stop(struct flow_run *run, enum verdict_blame blame)
{
    images_stop(&run->images);
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

/* --- logs --- */

static void begin_line(struct log_line *line, const struct flow_run *run, enum log_level level,
                       const char *logger, const char *event)
{
    log_begin(line, level, logger, event);
    log_text(line, "request_id", run->request_id);
    log_text(line, "flow", run->method->flow);
}

static void log_failure(const struct flow_run *run, const struct llm_result *result)
{
    struct log_line line;
    begin_line(&line, run, LOG_WARNING, "llm", "call_failed");
    log_text(&line, "provider", result->account.provider);
    log_text(&line, "end", llm_end_name(result->end));
    log_i64(&line, "upstream_status", result->http_status);
    log_text(&line, "reason", result->reason);
    log_end(&line);
}

/* Rules only: a path may hold a name that the model made up, and its text is somebody's message. */
static void log_violations(const struct flow_run *run, const struct violation *violations, size_t n,
                           bool again)
{
    struct log_line line;
    begin_line(&line, run, LOG_WARNING, "flow", "answer_invalid");
    log_u64(&line, "violations", n);
    if (n > 0)
        log_span(&line, "rule", violations[0].rule);
    log_bool(&line, "asked_again", again);
    log_end(&line);
}

/* A tool's name only where it is one of ours. */
static void log_tools(const struct flow_run *run, const struct llm_result *result,
                      unsigned failures, bool answered)
{
    struct log_line line;
    begin_line(&line, run, answered ? LOG_INFO : LOG_WARNING, "flow",
               answered ? "tools_called" : "tools_refused");
    log_u64(&line, "round", run->dialogue.tool_rounds);
    log_u64(&line, "calls", result->n_calls);
    for (size_t i = 0; i < result->n_calls && i < DIALOGUE_CALLS; i++)
        log_text(&line, "tool",
                 tools_find(result->calls[i].name) != NULL ? tools_find(result->calls[i].name)->name
                                                           : "unknown");
    if (answered)
        log_u64(&line, "failed", failures);
    log_end(&line);
}

/* --- asking, and what comes back --- */

static const struct llm_events llm_events;

static void ask(struct flow_run *run)
{
    run->started_ns = run->worker->core->now_ns();
    run->call = llm_start(run->worker->llm, &run->dialogue.what, run->started_ns / 1000000U,
                          &llm_events, run);
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

/* False: the model goes round in circles. */
static bool answer_tools(struct flow_run *run, const struct llm_result *result)
{
    struct dialogue *dialogue = &run->dialogue;
    const struct tool_scope scope = {.unix_s = run->worker->core->now_s()};
    unsigned failures = dialogue->tool_failures;
    /* What was streamed is the caller's already, and the model may know it. */
    bool answered =
        dialogue_answer_tools(dialogue, result->text, result->calls, result->n_calls, &scope);
    log_tools(run, result, dialogue->tool_failures - failures, answered);
    return answered;
}

/* OK: it is in run->answer or run->whole. Else it is of no use, unless the model was asked again:
 * then the run is busy. */
static enum verdict_code take_answer(struct flow_run *run, struct span text)
{
    const struct contract_method *method = run->method;
    struct violation *violations = NULL;
    size_t n = 0;
    bool usable = method->streams ? run->whole.len > 0
                                  : answer_build(method, run->message, text, run->arena,
                                                 &run->answer, &violations, &n);
    if (usable)
        return VERDICT_OK;
    bool again =
        method->kind == CONTRACT_STRUCTURED && dialogue_object(&run->dialogue, text, violations, n);
    log_violations(run, violations, n, again);
    if (again)
        ask(run);
    return VERDICT_UPSTREAM_INVALID;
}

static void on_done(void *context, const struct llm_result *result)
{
    struct flow_run *run = context;
    struct llm_account account = sum_of(&run->account, &result->account);
    settle(run, &account, llm_end_name(result->end));
    struct verdict verdict = verdict_of_end(result);
    if (result->end != LLM_DONE) {
        log_failure(run, result);
    } else if (result->n_calls > 0) {
        verdict = verdict_of(VERDICT_UPSTREAM_INVALID);
        if (answer_tools(run, result))
            ask(run);
    } else if (run->method->kind == CONTRACT_CHAT) {
        run->answer = chat_answer(run->method, run->message, result, run->arena);
    } else {
        verdict = verdict_of(take_answer(run, result->text));
    }
    run->account.tool_rounds = run->dialogue.tool_rounds;
    run->account.answer_retries = run->dialogue.retries;
    if (!flow_run_is_busy(run))
        run->events->done(run, &verdict);
}

static const struct llm_events llm_events = {.piece = on_piece, .done = on_done};

/* --- the start --- */

static void on_images(struct images *images, const struct verdict *wrong)
{
    struct flow_run *run = container_of(images, struct flow_run, images);
    if (wrong != NULL)
        run->events->done(run, wrong);
    else
        ask(run);
}

static void offer_tools(struct flow_run *run, struct conversation *what)
{
    const struct contract_method *method = run->method;
    const struct chat_tool **tools =
        arena_alloc(run->arena, method->n_tools * sizeof(struct chat_tool *));
    for (size_t i = 0; i < method->n_tools; i++) {
        tools[i] = tools_find(span_of(method->tools[i]));
        must(tools[i] != NULL); /* core_init has seen to it */
    }
    what->tools = tools;
    what->n_tools = method->n_tools;
}

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
    } else if (!prompt_render(run->prompt, run->message, run->arena, PROMPT_BYTES, &what)) {
        *verdict = verdict_of(VERDICT_TOO_LARGE);
        return false;
    }
    if (method->kind == CONTRACT_STRUCTURED) {
        what.schema = method->response->answer_schema;
        what.schema_name = method->response->pb->short_name;
    }
    if (method->n_tools > 0)
        offer_tools(run, &what);
    dialogue_init(&run->dialogue, &what, run->arena);
    run->images = (struct images){.policy = &core->images,
                                  .fetcher = run->worker->fetcher,
                                  .arena = run->arena,
                                  .what = &run->dialogue.what,
                                  .request_id = run->request_id,
                                  .done = on_images};
    switch (images_start(&run->images, verdict)) {
    case IMAGES_READY:
        ask(run);
        return true;
    case IMAGES_FETCHING:
        return true;
    case IMAGES_REFUSED:
        break;
    }
    return false;
}
