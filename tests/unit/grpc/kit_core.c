/* The scripted core: the functions of shared/request.h, with a script as the request's body.
 *
 *   "echo TEXT"     answers at once with the whole body
 *   "later TEXT"    the same on the worker's next turn
 *   "invalid"       ends at once with two violations and a time to come back
 *   "packed"        answers at once with a google.rpc.Status of code 7, to be packed
 *   "timeout"       ends at once with VERDICT_TIMED_OUT
 *   "wait"          waits to be abandoned
 *   "stream N M"    N pieces of M bytes as fast as the port takes them, then the end
 *   "open"          one piece "open", then waits to be abandoned */
#include "tests/unit/grpc/kit.h"

#include <google/rpc/status.pb-c.h>
#include <stdio.h>
#include <stdlib.h>

struct kit_seen kit_seen;

static void finish(struct request *request, struct verdict verdict)
{
    must(!request->finished);
    request->finished = true;
    timers_cancel(request->worker->timers, &request->deadline);
    request->port->finish(request, &verdict);
    atomic_fetch_add(&kit_seen.finished, 1);
}

void request_init(struct request *request, struct core_worker *worker, const struct port *port)
{
    *request = (struct request){.worker = worker, .port = port};
    arena_init(&request->arena, 65536);
}

void request_fini(struct request *request)
{
    arena_fini(&request->arena);
}

void request_identify(struct request *request)
{
    struct span id = request->given.client_request_id;
    (void)snprintf(request->id, sizeof request->id, "%.*s", id.len > 0 ? (int)id.len : 4,
                   id.len > 0 ? id.at : "made");
}

void request_refuse(struct request *request, const struct verdict *verdict)
{
    atomic_store(&kit_seen.last_refused, (int)verdict->code);
    atomic_fetch_add(&kit_seen.refused, 1);
    finish(request, *verdict);
}

static enum port_state send(struct request *request, struct span wire, enum message_kind kind)
{
    struct message_view view = {.kind = kind, .wire = wire};
    atomic_fetch_add(&kit_seen.pieces, kind == MESSAGE_PIECE ? 1 : 0);
    return request->port->send(request, &view);
}

static void echo(struct request *request)
{
    (void)send(request, request->given.body, MESSAGE_ANSWER);
    finish(request, verdict_of(VERDICT_OK));
}

static void packed(struct request *request)
{
    Google__Rpc__Status status;
    google__rpc__status__init(&status);
    status.code = 7;
    struct message_view view = {.kind = MESSAGE_ANSWER, .message = &status.base};
    (void)request->port->send(request, &view);
    finish(request, verdict_of(VERDICT_OK));
}

static void echo_later(struct timer *timer, tick_ms now_ms)
{
    (void)now_ms;
    echo(container_of(timer, struct request, deadline));
}

static void invalid(struct request *request)
{
    static const struct violation violations[] = {
        {SPAN_LITERAL("name"), SPAN_LITERAL("string.max_len"), SPAN_LITERAL("too long")},
        {SPAN_LITERAL("skills.charisma"), SPAN_LITERAL("int32.lte"), SPAN_LITERAL("too large")}};
    finish(request, (struct verdict){.code = VERDICT_INVALID,
                                     .violations = violations,
                                     .n_violations = 2,
                                     .retry_after_ms = 1500});
}

/* `step` counts the pieces left, `model`'s input tokens the size of one. */
static void stream_on(struct request *request)
{
    while (request->step > 0) {
        char *piece = arena_alloc(&request->arena, request->model.usage.input_tokens);
        memset(piece, 'x', request->model.usage.input_tokens);
        request->step--;
        enum port_state state =
            send(request, span_make(piece, request->model.usage.input_tokens), MESSAGE_PIECE);
        arena_reset(&request->arena);
        if (state == PORT_FULL) {
            atomic_fetch_add(&kit_seen.full, 1);
            return;
        }
    }
    (void)send(request, SPAN_EMPTY, MESSAGE_WHOLE);
    finish(request, verdict_of(VERDICT_OK));
}

static void stream(struct request *request)
{
    char text[64];
    char *end = NULL;
    (void)snprintf(text, sizeof text, "%.*s", (int)request->given.body.len, request->given.body.at);
    request->step = strtoul(text + 7, &end, 10);
    request->model.usage.input_tokens = strtoul(end, NULL, 10);
    stream_on(request);
}

void request_begin(struct request *request)
{
    struct span body = request->given.body;
    must(request->given.encoding == REQUEST_PROTOBUF && span_is(request->given.verb, "POST"));
    atomic_store(&kit_seen.last_timeout_ms, request->given.timeout_ms);
    atomic_store(&kit_seen.last_port, request->given.peer.port);
    atomic_store(&kit_seen.last_body_bytes, (unsigned)body.len);
    atomic_fetch_add(&kit_seen.wrong_thread, kit_on_worker(request->worker) ? 0 : 1);
    atomic_fetch_add(&kit_seen.begun, 1);
    if (span_starts_with(body, "echo")) {
        echo(request);
    } else if (span_starts_with(body, "later")) {
        request->deadline.fire = echo_later;
        timers_set(request->worker->timers, &request->deadline, 0);
    } else if (span_is(body, "invalid")) {
        invalid(request);
    } else if (span_is(body, "packed")) {
        packed(request);
    } else if (span_is(body, "timeout")) {
        finish(request, verdict_of(VERDICT_TIMED_OUT));
    } else if (span_starts_with(body, "stream")) {
        stream(request);
    } else if (span_is(body, "open")) {
        (void)send(request, body, MESSAGE_PIECE);
    } else {
        must(span_is(body, "wait"));
    }
}

void request_abandon(struct request *request)
{
    must(kit_on_worker(request->worker));
    atomic_fetch_add(&kit_seen.abandoned, 1);
    finish(request, verdict_of(VERDICT_CANCELLED));
}

void request_writable(struct request *request)
{
    atomic_fetch_add(&kit_seen.writable, 1);
    stream_on(request);
}
