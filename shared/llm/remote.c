/* Calls over HTTP: a request body out, an answer or a stream of events in, with its time-outs. */
#include "shared/llm/attempt.h"

enum {
    /* Of the wire; a token is a few bytes of text in some 200 bytes of JSON. */
    STREAM_BYTES = 64 * 1024 * 1024,
    INBOX_BYTES = ATTEMPT_INBOX_BYTES, /* of a stream, unread */
    LINGER_MS = 1000,
    LINGER_BYTES = 16 * 1024
};

/* --- time --- */

struct limit {
    tick_ms due_ms;
    const char *reason;
};

static struct limit sooner(struct limit limit, tick_ms since_ms, uint64_t timeout_ms,
                           const char *reason)
{
    if (timeout_ms == 0 || since_ms + timeout_ms >= limit.due_ms)
        return limit;
    return (struct limit){.due_ms = since_ms + timeout_ms, .reason = reason};
}

static struct limit next_limit(const struct llm_call *call)
{
    const struct llm_settings *settings = call->client->settings;
    struct limit limit = {.due_ms = call->started_ms + settings->total_timeout_ms,
                          .reason = call->state == CALL_WAITING ? "no connection was free in time"
                                                                : "total time-out"};
    if (call->stream && !call->spoke)
        limit = sooner(limit, call->attempt_ms, settings->first_token_timeout_ms,
                       "first token time-out");
    else if (call->stream && !call->paused)
        limit = sooner(limit, call->progress_ms, settings->idle_timeout_ms, "idle time-out");
    return limit;
}

/* Progress only moves the limit away, so the timer is left to fire and look again. */
static void on_timer(struct timer *timer, tick_ms now_ms)
{
    struct llm_call *call = container_of(timer, struct llm_call, timer);
    if (call->state == CALL_LINGERING) {
        call_drop(call);
        return;
    }
    struct limit limit = next_limit(call);
    if (now_ms >= limit.due_ms)
        attempt_end(call, LLM_TIMED_OUT, limit.reason);
    else
        timers_set(call->client->timers, timer, limit.due_ms);
}

void remote_arm(struct llm_call *call)
{
    tick_ms due_ms = next_limit(call).due_ms;
    call->timer.fire = on_timer;
    if (!timer_is_set(&call->timer) || due_ms < call->timer.due_ms)
        timers_set(call->client->timers, &call->timer, due_ms);
}

/* --- inside libcurl: look and store --- */

static enum transfer_take take_lingering(struct llm_call *call, size_t len)
{
    call->received += len;
    return call->received <= LINGER_BYTES ? TRANSFER_TAKEN : TRANSFER_REFUSE;
}

static enum call_reading choose_reading(const struct llm_call *call)
{
    bool events = call->stream && transfer_status(call->transfer) == 200 &&
                  transfer_is_event_stream(call->transfer);
    return events ? READING_EVENTS : READING_WHOLE;
}

static enum transfer_take on_take(void *owner, struct span bytes)
{
    struct llm_call *call = owner;
    if (call->state == CALL_LINGERING)
        return take_lingering(call, bytes.len);
    if (call->reading == READING_NOTHING)
        call->reading = choose_reading(call);
    bool events = call->reading == READING_EVENTS;
    if (events && (call->paused || call->inbox.len - call->read >= INBOX_BYTES))
        return TRANSFER_HOLD;
    call->received += bytes.len;
    if (call->received > (events ? (size_t)STREAM_BYTES : (size_t)LLM_ANSWER_BYTES)) {
        call->too_large = true;
        return TRANSFER_REFUSE;
    }
    buf_put_span(&call->inbox, bytes);
    must(!call->inbox.overflow);
    if (events)
        call_wake(call);
    return TRANSFER_TAKEN;
}

static void on_end(void *owner, const struct transfer_end *end)
{
    struct llm_call *call = owner;
    call->ended = true;
    call->fate = end->fate;
    if (call->state == CALL_LINGERING) {
        call_drop(call);
        return;
    }
    if (end->fate != TRANSFER_COMPLETE)
        call_note(call, end->reason);
    call_wake(call);
}

/* --- from the loop: read and tell --- */

/* False: the attempt is over. */
static bool tell(struct llm_call *call, struct span text)
{
    bool first = !call->spoke;
    call->said += text.len;
    if (call->said > LLM_ANSWER_BYTES) {
        attempt_end(call, LLM_TOO_LARGE, "too much text");
        return false;
    }
    if (!call_piece(call, text))
        return false;
    if (first)
        remote_arm(call);
    return true;
}

/* False: the attempt is over. */
static bool read_event(struct llm_call *call, const struct sse_event *event)
{
    struct dialect_text text;
    call->progress_ms = uv_now(call->client->loop);
    call->lane->upstream->dialect->read_event(event->name, event->data, &call->result, &text);
    bool here = call->result.end == LLM_DONE;
    if (!here)
        attempt_end(call, call->result.end, NULL);
    if (here && text.text.len > 0)
        here = tell(call, text.text);
    if (here)
        call->closing = text.last;
    dialect_drop(&text);
    return here;
}

/* The end marker may have come with a text, in which the caller paused. True: it is over. */
static bool is_closed(struct llm_call *call)
{
    if (!call->closing || call->paused)
        return false;
    attempt_end(call, LLM_DONE, NULL);
    return true;
}

/* A reader that rests often may leave something unread every time. */
static void forget_read(struct llm_call *call)
{
    size_t left = call->inbox.len - call->read;
    if (left > 0 && call->read < INBOX_BYTES)
        return;
    if (left > 0)
        memmove(call->inbox.at, call->inbox.at + call->read, left);
    call->inbox.len = left;
    call->read = 0;
}

/* False: the attempt is over. */
static bool read_events(struct llm_call *call)
{
    enum sse_result result = SSE_EVENT;
    while (result == SSE_EVENT && !call->paused && !call->closing) {
        struct sse_event event;
        struct span rest = span_from(buf_span(&call->inbox), call->read);
        result = sse_next(&call->sse, &rest, &event);
        call->read = call->inbox.len - rest.len;
        if (result == SSE_EVENT && !read_event(call, &event))
            return false;
    }
    if (is_closed(call))
        return false;
    if (result == SSE_TOO_LARGE) {
        attempt_end(call, LLM_TOO_LARGE, "an event is too large");
        return false;
    }
    forget_read(call);
    return true;
}

static void finish_whole(struct llm_call *call)
{
    struct dialect_text text = {0};
    enum llm_end end = dialect_end_of_status(call->result.http_status);
    if (call->fate == TRANSFER_COMPLETE || end != LLM_DONE) {
        call->lane->upstream->dialect->read(buf_span(&call->inbox), &call->result, &text);
        end = call->result.end;
        call->result.text = text.text;
    } else {
        end = call->fate == TRANSFER_REFUSED ? LLM_TOO_LARGE : LLM_CUT;
    }
    if (end == LLM_DONE && call->stream) {
        call->result.text = SPAN_EMPTY;
        attempt_end(call, LLM_GARBLED, "no event stream");
    } else {
        attempt_end(call, end, NULL);
    }
    dialect_drop(&text);
}

/* All bytes of the transfer, which has ended, are read, but for a whole answer. */
static void settle(struct llm_call *call)
{
    call->result.http_status = transfer_status(call->transfer);
    if (call->reading == READING_NOTHING) /* there was no body */
        call->reading = choose_reading(call);
    if (call->fate == TRANSFER_UNREACHED)
        attempt_end(call, LLM_UNREACHABLE, NULL);
    else if (call->fate == TRANSFER_TIMED_OUT)
        attempt_end(call, LLM_TIMED_OUT, NULL);
    else if (call->fate == TRANSFER_NOT_HTTP)
        attempt_end(call, LLM_GARBLED, NULL);
    else if (call->reading == READING_EVENTS)
        attempt_end(call, call->too_large ? LLM_TOO_LARGE : LLM_CUT, "no end marker");
    else
        finish_whole(call);
}

void remote_deliver(struct llm_call *call)
{
    if (call->reading == READING_EVENTS) {
        if (!read_events(call) || call->paused)
            return;
        if (!call->ended) {
            transfer_resume(call->transfer);
            return;
        }
    }
    if (call->ended)
        settle(call);
}

void remote_resume(struct llm_call *call)
{
    call->progress_ms = uv_now(call->client->loop);
    remote_arm(call);
}

void remote_linger(struct llm_call *call)
{
    call->state = CALL_LINGERING;
    call->received = 0;
    call->paused = false;
    link_append(&call->client->lingering, &call->member);
    timers_set(call->client->timers, &call->timer, uv_now(call->client->loop) + LINGER_MS);
    transfer_resume(call->transfer);
}

const struct transfer_events remote_events = {
    .take = on_take, .end = on_end, .worked = client_deliver};
