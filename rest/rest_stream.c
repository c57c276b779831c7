/* Streamed answers, of any dialect: pieces are queued while h2o is sending, and go out in one write
 * when it asks for more. */
#include "rest/rest_headers.h"
#include "rest/rest_internal.h"
#include "shared/base/tick.h"

enum {
    FULL_BYTES = 64 * 1024, /* of pending events: the port is full */
    MOST_PENDING_BYTES = 32 * 1024 * 1024
};

static void send_next(struct rest_call *call)
{
    struct rest_stream *stream = &call->stream;
    h2o_req_t *req = call->req;
    if (stream->in_flight || req == NULL)
        return;
    struct buf sent = stream->flying;
    stream->flying = stream->pending;
    stream->pending = sent;
    buf_clear(&stream->pending);
    h2o_iovec_t bytes = h2o_iovec_init(stream->flying.at, stream->flying.len);
    if (bytes.len == 0 && !stream->ended)
        return;
    stream->in_flight = true;
    /* With the last bytes the request may be gone when this returns. */
    h2o_send(req, &bytes, bytes.len > 0 ? 1 : 0,
             stream->ended ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

static void on_proceed(h2o_generator_t *generator, h2o_req_t *req)
{
    struct rest_call *call = (struct rest_call *)generator;
    struct rest_stream *stream = &call->stream;
    (void)req;
    stream->in_flight = false;
    bool has_room = stream->full && stream->pending.len <= FULL_BYTES;
    if (has_room)
        stream->full = false;
    send_next(call);
    if (has_room && !call->request.finished)
        request_writable(&call->request);
}

/* The connection is gone; the disposal of the request follows. */
static void on_stop(h2o_generator_t *generator, h2o_req_t *req)
{
    struct rest_call *call = (struct rest_call *)generator;
    (void)req;
    call->stream.ended = true;
}

/* A comment keeps proxies from closing a silent stream. */
static void on_silence(struct timer *timer, tick_ms now_ms)
{
    struct rest_call *call = container_of(timer, struct rest_call, stream.silence);
    struct rest_worker *worker = call->connection->worker;
    tick_ms due_ms = call->stream.spoke_ms + worker->rest->settings.sse_comment_ms;
    if (now_ms < due_ms) {
        timers_set(worker->core_worker->timers, timer, due_ms);
        return;
    }
    call->stream.spoke_ms = now_ms;
    timers_set(worker->core_worker->timers, timer, now_ms + worker->rest->settings.sse_comment_ms);
    if (!call->stream.in_flight) {
        buf_put_text(&call->stream.pending, call->speech.dialect->silence);
        send_next(call);
    }
}

static void speak(struct rest_call *call)
{
    struct rest_worker *worker = call->connection->worker;
    if (call->speech.dialect->silence == NULL)
        return;
    call->stream.spoke_ms = tick_now_ms();
    if (!timer_is_set(&call->stream.silence))
        timers_set(worker->core_worker->timers, &call->stream.silence,
                   call->stream.spoke_ms + worker->rest->settings.sse_comment_ms);
}

static void open_stream(struct rest_call *call)
{
    h2o_req_t *req = call->req;
    struct rest_stream *stream = &call->stream;
    const struct rest_speech *speech = &call->speech;
    const char *type = speech->type != NULL ? speech->type->name : "text/event-stream";
    stream->open = true;
    buf_init(&stream->pending, NULL, MOST_PENDING_BYTES);
    buf_init(&stream->flying, NULL, MOST_PENDING_BYTES);
    stream->silence.fire = on_silence;
    call->generator.proceed = on_proceed;
    call->generator.stop = on_stop;
    call->answered = true;
    if (call->connection->worker->draining)
        req->http1_is_persistent = 0;
    req->res.status = 200;
    req->res.reason = "OK";
    rest_call_headers(call);
    rest_header_add(req, "content-type", span_of(type));
    rest_header_add(req, "x-accel-buffering", (struct span)SPAN_LITERAL("no"));
    h2o_start_response(req, &call->generator);
}

enum port_state rest_stream_piece(struct rest_call *call, const struct message_view *piece)
{
    struct rest_stream *stream = &call->stream;
    if (!stream->open)
        open_stream(call);
    call->speech.dialect->piece(&stream->pending, call, piece);
    speak(call);
    send_next(call);
    stream->full |= stream->pending.len > FULL_BYTES;
    return stream->full ? PORT_FULL : PORT_READY;
}

void rest_stream_whole(struct rest_call *call, const struct message_view *last)
{
    if (!call->stream.open)
        open_stream(call);
    if (call->speech.dialect->whole != NULL)
        call->speech.dialect->whole(&call->stream.pending, call, last);
    else if (last->message != NULL)
        call->speech.dialect->piece(&call->stream.pending, call, last);
}

void rest_stream_end(struct rest_call *call, const struct verdict *verdict)
{
    struct rest_stream *stream = &call->stream;
    timers_cancel(call->connection->worker->core_worker->timers, &stream->silence);
    call->speech.dialect->end(&stream->pending, call, verdict);
    stream->ended = true;
    send_next(call);
}

void rest_stream_fini(struct rest_call *call)
{
    timers_cancel(call->connection->worker->core_worker->timers, &call->stream.silence);
    buf_fini(&call->stream.pending);
    buf_fini(&call->stream.flying);
}
