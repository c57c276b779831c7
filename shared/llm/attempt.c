/* Beginning and ending attempts: lanes, breakers, keys, connections, waits. */
#include "shared/llm/attempt.h"

#include "shared/base/log.h"
#include "shared/base/splitmix.h"
#include "shared/llm/retry.h"
#include "shared/llm/talk.h"

#include <stdio.h>

enum { PATH_BYTES = 2048, MOST_WAITING = 1024, WAITING_BYTES = 64 * 1024 * 1024 };

static tick_ms now_of(const struct llm_call *call)
{
    return uv_now(call->client->loop);
}

/* --- what an attempt has used --- */

/* Did the request reach a model that may have worked on it? */
static bool was_heard(const struct llm_call *call)
{
    int status = call->result.http_status;
    if (call->transfer == NULL)
        return false;
    if (status == 0)
        status = transfer_status(call->transfer);
    if (status != 0)
        return status >= 200 && status < 300;
    return !call->ended || (call->fate != TRANSFER_UNREACHED && call->fate != TRANSFER_TIMED_OUT);
}

static struct llm_usage usage_of(const struct llm_call *call)
{
    struct llm_usage usage = call->result.usage;
    if (usage.known || !was_heard(call))
        return usage;
    size_t said = call->said > 0 ? call->said : call->result.text.len;
    usage.estimated = true;
    if (usage.input_tokens == 0)
        usage.input_tokens = talk_tokens(call->asked_bytes);
    if (usage.output_tokens < talk_tokens(said))
        usage.output_tokens = talk_tokens(said);
    return usage;
}

static void add_usage(struct llm_usage *sum, const struct llm_usage *usage)
{
    sum->input_tokens += usage->input_tokens;
    sum->output_tokens += usage->output_tokens;
    sum->known |= usage->known;
    sum->estimated |= usage->estimated;
}

void attempt_account(const struct llm_call *call, struct llm_account *account)
{
    struct llm_usage usage = usage_of(call);
    *account = (struct llm_account){
        .attempts = call->attempts, .stop = call->result.stop, .usage = call->spent};
    if (call->asked != NULL) {
        account->provider = call->asked->upstream->name;
        account->fallback = call->asked != call->first;
    }
    add_usage(&account->usage, &usage);
    if (account->usage.estimated)
        account->usage.known = false;
}

static void keep_usage(struct llm_call *call)
{
    struct llm_usage usage = usage_of(call);
    add_usage(&call->spent, &usage);
    atomic_fetch_add(&call->lane->upstream->input_tokens, usage.input_tokens);
    atomic_fetch_add(&call->lane->upstream->output_tokens, usage.output_tokens);
    call->result.usage = (struct llm_usage){0};
    call->said = 0;
}

/* --- the breaker --- */

static void log_change(const struct lane *lane, enum breaker_change change)
{
    if (change == BREAKER_OPENS)
        log_event(LOG_ERROR, "llm", "breaker_opened", "provider", lane->upstream->name);
    else if (change == BREAKER_CLOSES)
        log_event(LOG_INFO, "llm", "breaker_closed", "provider", lane->upstream->name);
}

void attempt_leave(struct llm_call *call, enum breaker_outcome outcome)
{
    if (!call->entered)
        return;
    call->entered = false;
    log_change(call->lane,
               breaker_leave(&call->lane->upstream->breaker, &call->pass, outcome, now_of(call)));
}

/* 429 and other 4xx say nothing about whether it works. */
static enum breaker_outcome outcome_of(enum llm_end end)
{
    switch (end) {
    case LLM_DONE:
    case LLM_FILTERED:
        return BREAKER_GOOD;
    case LLM_BUSY:
    case LLM_REJECTED:
    case LLM_OPEN:
        return BREAKER_NEUTRAL;
    default:
        return BREAKER_BAD;
    }
}

/* --- connections --- */

static void use_key(struct lane *lane)
{
    struct llm_key *key = lane->upstream->key;
    if (key == NULL || llm_key_version(key) == lane->key_version)
        return;
    struct buf text;
    buf_init(&text, NULL, LLM_KEY_BYTES + 1);
    must(buf_reserve(&text, LLM_KEY_BYTES) != NULL); /* so that it is not moved, and wiped whole */
    lane->key_version = llm_key_copy(key, &text);
    transfers_set_key(lane->transfers, buf_span(&text));
    explicit_bzero(text.at, text.cap);
    buf_fini(&text);
}

static void refuse(struct llm_call *call, uint64_t retry_after_ms)
{
    call->result.retry_after_ms = retry_after_ms;
    call_fail(call, LLM_OPEN, "the breaker is open");
}

/* False: no connection is free. True: the call is RUNNING or FAILED. */
static bool connect_call(struct llm_call *call)
{
    struct lane *lane = call->lane;
    struct llm_upstream *upstream = lane->upstream;
    uint64_t retry_after_ms = 0;
    if (llm_upstream_lacks_key(upstream)) {
        call_fail(call, LLM_UNREACHABLE, "there is no key yet");
        return true;
    }
    if (!transfers_have_room(lane->transfers)) {
        retry_after_ms = breaker_wait_ms(&upstream->breaker, now_of(call));
        if (retry_after_ms > 0)
            refuse(call, retry_after_ms);
        return retry_after_ms > 0;
    }
    if (!breaker_enter(&upstream->breaker, now_of(call), &call->pass, &retry_after_ms)) {
        refuse(call, retry_after_ms);
        return true;
    }
    call->entered = true;
    if (!call->paid)
        retry_budget_pay(&upstream->budget);
    call->paid = true;
    use_key(lane);
    call->asked = lane;
    call->attempts++;
    atomic_fetch_add(&upstream->calls, 1);
    call->transfer =
        transfer_start(lane->transfers, buf_span(&call->path), buf_span(&call->body), call);
    call->state = CALL_RUNNING;
    return true;
}

static void start_waiting(struct lane *lane)
{
    while (!link_is_alone(&lane->waiting)) {
        struct llm_call *call = container_of(lane->waiting.after, struct llm_call, member);
        if (!connect_call(call))
            return;
        link_remove(&call->member);
        lane->waiting_calls--;
        lane->waiting_bytes -= call->body.len;
    }
}

void attempt_release(struct llm_call *call)
{
    if (call->transfer == NULL)
        return;
    transfer_cancel(call->transfer);
    call->transfer = NULL;
    start_waiting(call->asked);
}

static void wait_in_line(struct llm_call *call)
{
    struct lane *lane = call->lane;
    if (lane->waiting_calls >= MOST_WAITING ||
        lane->waiting_bytes + call->body.len > WAITING_BYTES) {
        call_fail(call, LLM_BUSY, "too many calls wait for a connection");
        return;
    }
    call->state = CALL_WAITING;
    lane->waiting_calls++;
    lane->waiting_bytes += call->body.len;
    link_append(&lane->waiting, &call->member);
}

/* --- beginning --- */

/* The prompt's own model is one of the first upstream's. */
static void write_request(struct llm_call *call, const struct conversation *what)
{
    struct lane *lane = call->lane;
    const struct llm_upstream *upstream = lane->upstream;
    bool own = what->model.len > 0 && lane == &call->client->lanes[0];
    struct dialect_request request = {.what = what,
                                      .model = own ? what->model : span_of(upstream->model)};
    if (what->schema != NULL)
        request.schema = memo_find(&lane->schemas, what->schema);
    buf_clear(&call->path);
    buf_clear(&call->body);
    call->path.limit = PATH_BYTES;
    call->body.limit = ATTEMPT_REQUEST_BYTES;
    upstream->dialect->write_path(request.model, what->stream, &call->path);
    upstream->dialect->write(&request, &call->body);
    call->written = true;
}

static void begin(struct llm_call *call, const struct conversation *what)
{
    tick_ms now_ms = now_of(call);
    if (now_ms < call->started_ms) /* the loop's clock lies a little behind */
        now_ms = call->started_ms;
    call->attempt_ms = call->progress_ms = now_ms;
    call->reading = READING_NOTHING;
    call->ended = call->too_large = call->closing = false;
    call->read = call->received = call->said = 0;
    if (call->calls != NULL)
        tool_calls_clear(call->calls);
    call->result = (struct llm_result){.drafts = call->calls};
    buf_clear(&call->inbox);
    call->inbox.limit = LLM_ANSWER_BYTES + ATTEMPT_INBOX_BYTES;
    sse_reset(&call->sse, SSE_EVENT_BYTES);
    if (!call->written)
        write_request(call, what);
    if (call->path.overflow)
        call_fail(call, LLM_REJECTED, "the model's name is too long");
    else if (call->body.overflow)
        call_fail(call, LLM_TOO_LARGE, "the conversation is too large");
    else if (!connect_call(call))
        wait_in_line(call);
    if (call->state != CALL_FAILED)
        remote_arm(call);
}

void attempt_first(struct llm_call *call, const struct conversation *what)
{
    const struct llm_client *client = call->client;
    call->lane = call->first = &call->client->lanes[what->upstream > 0 ? what->upstream - 1 : 0];
    call->deadline_ms = call->started_ms + client->settings->total_timeout_ms;
    if (what->deadline_ms > 0 && what->deadline_ms < call->deadline_ms)
        call->deadline_ms = what->deadline_ms;
    call->asked_bytes = talk_bytes(what);
    call->flow = what->flow;
    if (what->n_tools > 0)
        call->calls = tool_calls_new(what->schema != NULL ? dialect_answer_name(what) : SPAN_EMPTY);
    if (what->request_id != NULL)
        (void)snprintf(call->request_id, sizeof call->request_id, "%s", what->request_id);
    if (client->n_lanes > 1)
        call->talk = talk_copy(what, &call->talk_arena);
    begin(call, what);
}

/* --- ending --- */

static uint64_t random_of(struct llm_client *client)
{
    if (client->settings->random != NULL)
        return client->settings->random();
    return splitmix_next(&client->seed);
}

/* Is there another one to ask? A call for one of the named ones is for nobody else. */
static bool another_left(const struct llm_call *call)
{
    const struct llm_client *client = call->client;
    const struct lane *end = client->lanes + client->n_lanes - client->settings->n_named;
    return call->lane + 1 < end;
}

static bool is_connection_error(const struct llm_call *call)
{
    return call->ended && (call->fate == TRANSFER_UNREACHED || call->fate == TRANSFER_TIMED_OUT ||
                           call->fate == TRANSFER_BROKEN);
}

static enum retry_answer decide(struct llm_call *call, uint64_t *wait_ms)
{
    struct llm_client *client = call->client;
    struct lane *lane = call->lane;
    tick_ms now_ms = now_of(call);
    if (call->spoke)
        return RETRY_NOT;
    struct retry_question question = {
        .end = call->result.end,
        .http_status = call->result.http_status,
        .connection_error = is_connection_error(call),
        .retry_after_ms = call->result.retry_after_ms,
        .retries = call->retries,
        .retries_most = client->settings->retries,
        .left_ms = call->deadline_ms > now_ms ? call->deadline_ms - now_ms : 0,
        .refused = breaker_wait_ms(&lane->upstream->breaker, now_ms) > 0,
        .another_left = another_left(call) && now_ms < call->deadline_ms,
        .random = random_of(client)};
    enum retry_answer answer = retry_decide(&question, wait_ms);
    if (answer == RETRY_SAME && !retry_budget_take(&lane->upstream->budget)) {
        question.retries_most = 0;
        answer = retry_decide(&question, wait_ms);
    }
    return answer;
}

static void log_next(const struct llm_call *call, enum retry_answer answer, uint64_t wait_ms)
{
    struct log_line line;
    /* An open breaker was logged when it opened; while it is, this happens to every call. */
    enum log_level level = call->result.end == LLM_OPEN ? LOG_DEBUG : LOG_WARNING;
    log_begin(&line, level, "llm", answer == RETRY_SAME ? "retrying" : "falling_back");
    if (call->request_id[0] != '\0')
        log_text(&line, "request_id", call->request_id);
    log_text(&line, "flow", call->flow);
    log_text(&line, "provider", call->lane->upstream->name);
    log_text(&line, "end", llm_end_name(call->result.end));
    log_i64(&line, "upstream_status", call->result.http_status);
    log_text(&line, "reason", call->result.reason);
    if (answer == RETRY_SAME)
        log_u64(&line, "wait_ms", wait_ms);
    log_end(&line);
}

static void on_rested(struct timer *timer, tick_ms now_ms)
{
    struct llm_call *call = container_of(timer, struct llm_call, timer);
    (void)now_ms;
    begin(call, call->talk);
}

static void rest(struct llm_call *call, uint64_t wait_ms)
{
    call->state = CALL_RESTING;
    call->retries++;
    atomic_fetch_add(&call->lane->upstream->retries, 1);
    call->timer.fire = on_rested;
    timers_set(call->client->timers, &call->timer, now_of(call) + wait_ms);
}

static void move_on(struct llm_call *call)
{
    atomic_fetch_add(&call->lane->upstream->fallbacks, 1);
    call->lane++;
    call->written = call->paid = false;
    begin(call, call->talk);
}

/* Whatever was said of tools is complete. */
static enum llm_end take_calls(struct llm_call *call)
{
    if (call->calls == NULL)
        return LLM_DONE;
    if (!tool_calls_finish(call->calls)) {
        call_note(call, "calls of tools that cannot be read");
        return LLM_GARBLED;
    }
    call->result.calls = call->calls->parts;
    call->result.n_calls = call->calls->n;
    return LLM_DONE;
}

void attempt_end(struct llm_call *call, enum llm_end end, const char *reason)
{
    uint64_t wait_ms = 0;
    call_note(call, reason);
    if (end == LLM_DONE)
        end = take_calls(call);
    call->result.end = end;
    if (call->transfer != NULL) {
        if (call->result.http_status == 0)
            call->result.http_status = transfer_status(call->transfer);
        call->result.retry_after_ms = transfer_retry_after_ms(call->transfer);
    }
    attempt_leave(call, outcome_of(end));
    enum retry_answer answer = end == LLM_DONE ? RETRY_NOT : decide(call, &wait_ms);
    if (answer == RETRY_NOT) {
        call_finish(call, end, NULL);
        return;
    }
    log_next(call, answer, wait_ms);
    keep_usage(call);
    call_detach(call);
    attempt_release(call);
    if (answer == RETRY_SAME)
        rest(call, wait_ms);
    else
        move_on(call);
}
