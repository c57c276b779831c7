/* The state machine of one call.
 *
 * Batches under way at most: `leave` (the client is gone), `sent` and `receive` (one message each),
 * `finished` (the end; takes what is left along). Each keeps the call in memory by a reference. A
 * batch that comes back is looked at on the queue's thread by atomics alone; only what needs a
 * decision is posted to the worker. */
#include "grpc/rpc_call.h"

#include "shared/base/tick.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <stdlib.h>

enum sending {
    SENDING_NOTHING,
    SENDING_ONE, /* nothing waits for it: its completion concerns nobody */
    SENDING_MORE /* the worker wants to know when it is done */
};

/* What may wait behind the message under way before the port is full, and when there is room again.
 */
enum { OUTBOX_FULL_BYTES = 64 * 1024, OUTBOX_ROOM_BYTES = 32 * 1024 };

bool rpc_call_try_ref(struct rpc_call *call)
{
    unsigned refs = atomic_load(&call->refs);
    while (refs > 0)
        if (atomic_compare_exchange_weak(&call->refs, &refs, refs + 1))
            return true;
    return false;
}

static void drop_metadata(struct rpc_call *call)
{
    if (call->has_header)
        grpc_slice_unref(call->header.value);
    call->has_header = false;
    while (call->n_trailers > 0)
        grpc_slice_unref(call->trailers[--call->n_trailers].value);
}

static void release(struct rpc_call *call)
{
    rpc_outbox_clear(&call->outbox);
    drop_metadata(call);
    grpc_slice_unref(call->message);
    grpc_slice_unref(call->body);
    grpc_slice_unref(call->path);
    if (call->payload != NULL)
        grpc_byte_buffer_destroy(call->payload);
    call->payload = NULL;
    if (call->buffer != NULL)
        grpc_slice_buffer_reset_and_unref(&call->buffer->data.raw.slice_buffer);
    grpc_metadata_array_destroy(&call->metadata);
    call->certificate = certificate_unref(call->certificate);
    grpc_call_unref(call->core_call);
    call->core_call = NULL;
    rpc_queue_give(call->queue, call);
}

void rpc_call_unref(struct rpc_call *call)
{
    if (atomic_fetch_sub(&call->refs, 1) == 1)
        release(call);
}

void rpc_call_free(struct rpc_call *call)
{
    if (call->buffer != NULL)
        grpc_byte_buffer_destroy(call->buffer);
    rpc_outbox_fini(&call->outbox);
    free(call);
}

static void ref(struct rpc_call *call)
{
    (void)atomic_fetch_add(&call->refs, 1);
}

/* Takes a reference of the caller's over, for as long as the batch is under way. */
static void start(struct rpc_call *call, const grpc_op *ops, size_t n, struct rpc_event *event)
{
    grpc_call *core_call = call->core_call;
    rpc_event_give(event); /* from here on the call may be gone */
    must(grpc_call_start_batch(core_call, ops, n, event, NULL) == GRPC_CALL_OK);
}

static grpc_op receive_close(struct rpc_call *call)
{
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
    op.data.recv_close_on_server.cancelled = &call->cancelled;
    call->watched = true;
    return op;
}

static grpc_op send_header(struct rpc_call *call)
{
    grpc_op op = {.op = GRPC_OP_SEND_INITIAL_METADATA};
    op.data.send_initial_metadata.count = call->has_header ? 1 : 0;
    op.data.send_initial_metadata.metadata = &call->header;
    call->opened = true;
    return op;
}

static grpc_op send_first(struct rpc_call *call)
{
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};
    grpc_slice slice = rpc_outbox_take(&call->outbox);
    if (call->buffer == NULL) {
        call->buffer = grpc_raw_byte_buffer_create(&slice, 1);
        grpc_slice_unref(slice);
    } else {
        grpc_slice_buffer_reset_and_unref(&call->buffer->data.raw.slice_buffer);
        grpc_slice_buffer_add(&call->buffer->data.raw.slice_buffer, slice);
    }
    op.data.send_message.send_message = call->buffer;
    return op;
}

static grpc_op send_status(struct rpc_call *call)
{
    grpc_op op = {.op = GRPC_OP_SEND_STATUS_FROM_SERVER};
    op.data.send_status_from_server.trailing_metadata_count = call->n_trailers;
    op.data.send_status_from_server.trailing_metadata = call->trailers;
    op.data.send_status_from_server.status = call->code;
    op.data.send_status_from_server.status_details =
        GRPC_SLICE_IS_EMPTY(call->message) ? NULL : &call->message;
    return op;
}

/* The end, with the last message and all that has not gone out yet, as one batch. The reference
 * that kept the call until here goes with it. */
static void close_call(struct rpc_call *call)
{
    grpc_op ops[4];
    size_t n = 0;
    call->closing = true;
    if (!call->opened)
        ops[n++] = send_header(call);
    if (call->outbox.count > 0)
        ops[n++] = send_first(call);
    ops[n++] = send_status(call);
    if (!call->watched)
        ops[n++] = receive_close(call);
    start(call, ops, n, &call->finished);
}

/* The client is gone: nothing more is sent, and the call ends without a status. */
static void drop_call(struct rpc_call *call)
{
    call->closing = true;
    rpc_outbox_clear(&call->outbox);
    rpc_call_unref(call);
}

/* Nothing is under way: sends what is next. */
static void pump(struct rpc_call *call)
{
    bool ended = atomic_load(&call->ended);
    grpc_op ops[2];
    size_t n = 0;
    if (call->closing)
        return;
    if (ended && call->left) {
        drop_call(call);
        return;
    }
    if (ended && call->outbox.count <= 1) {
        close_call(call);
        return;
    }
    if (call->outbox.count == 0)
        return;
    if (!call->opened)
        ops[n++] = send_header(call);
    ops[n++] = send_first(call);
    atomic_store(&call->sending, ended || call->outbox.count > 0 ? SENDING_MORE : SENDING_ONE);
    ref(call);
    start(call, ops, n, &call->sent.event);
}

/* Sends what is next, now or when the message under way is done. */
static void push(struct rpc_call *call)
{
    int expected = SENDING_ONE;
    if (atomic_compare_exchange_strong(&call->sending, &expected, SENDING_MORE))
        return;
    if (expected == SENDING_NOTHING)
        pump(call);
}

static void client_left(struct rpc_call *call)
{
    call->left = true;
    if (atomic_load(&call->ended))
        return;
    call->method->handler->left(call);
    must(atomic_load(&call->ended));
}

static void post(struct rpc_step *step, bool ok)
{
    step->ok = ok;
    executor_post(step->call->worker->executor, &step->task);
}

static void on_leave(struct rpc_event *event, bool ok)
{
    struct rpc_step *step = container_of(event, struct rpc_step, event);
    if (atomic_load(&step->call->ended))
        rpc_call_unref(step->call);
    else
        post(step, ok);
}

static void leave_task(struct task *task)
{
    struct rpc_call *call = container_of(task, struct rpc_step, task)->call;
    client_left(call);
    rpc_call_unref(call);
}

static void on_sent(struct rpc_event *event, bool ok)
{
    struct rpc_step *step = container_of(event, struct rpc_step, event);
    int expected = SENDING_ONE;
    if (ok && atomic_compare_exchange_strong(&step->call->sending, &expected, SENDING_NOTHING))
        rpc_call_unref(step->call);
    else
        post(step, ok);
}

static void sent_task(struct task *task)
{
    struct rpc_step *step = container_of(task, struct rpc_step, task);
    struct rpc_call *call = step->call;
    atomic_store(&call->sending, SENDING_NOTHING);
    if (!step->ok)
        client_left(call);
    pump(call);
    if (call->full && call->outbox.bytes <= OUTBOX_ROOM_BYTES && !atomic_load(&call->ended)) {
        call->full = false;
        if (call->method->handler->writable != NULL)
            call->method->handler->writable(call);
    }
    rpc_call_unref(call);
}

static void on_received(struct rpc_event *event, bool ok)
{
    post(container_of(event, struct rpc_step, event), ok);
}

static void received_task(struct task *task)
{
    struct rpc_call *call = container_of(task, struct rpc_step, task)->call;
    if (!atomic_load(&call->ended))
        call->method->handler->received(call);
    rpc_call_unref(call);
}

static void on_finished(struct rpc_event *event, bool ok)
{
    (void)ok; /* nobody is left to hear of it */
    rpc_call_unref(container_of(event, struct rpc_call, finished));
}

static void arrived_task(struct task *task)
{
    struct rpc_call *call = container_of(task, struct rpc_call, arrived);
    call->method->handler->begin(call);
    if (!call->watched) {
        grpc_op op = receive_close(call);
        ref(call);
        start(call, &op, 1, &call->leave.event);
    }
    rpc_call_unref(call);
}

void rpc_call_start(struct rpc_call *call)
{
    atomic_store(&call->refs, 2); /* until the end has gone out, and for the task */
    atomic_store(&call->ended, false);
    atomic_store(&call->sending, SENDING_NOTHING);
    call->watched = call->left = call->full = call->opened = call->closing = false;
    call->has_header = call->lingers = false;
    call->n_trailers = 0;
    call->cancelled = 0;
    call->code = GRPC_STATUS_OK;
    call->body = grpc_empty_slice();
    call->message = grpc_empty_slice();
    call->arrived.run = arrived_task;
    call->leave = (struct rpc_step){.event.run = on_leave, .task.run = leave_task, .call = call};
    call->sent = (struct rpc_step){.event.run = on_sent, .task.run = sent_task, .call = call};
    call->receive =
        (struct rpc_step){.event.run = on_received, .task.run = received_task, .call = call};
    call->finished.run = on_finished;
    executor_post(call->worker->executor, &call->arrived);
}

enum verdict_code rpc_call_body(struct rpc_call *call, struct span *body)
{
    grpc_byte_buffer_reader reader;
    if (call->payload == NULL)
        return VERDICT_MALFORMED;
    if (call->payload->data.raw.compression != GRPC_COMPRESS_NONE)
        return VERDICT_BAD_COMPRESSION;
    const grpc_slice_buffer *pieces = &call->payload->data.raw.slice_buffer;
    const grpc_slice *whole = &call->body;
    if (pieces->count == 1) {
        whole = &pieces->slices[0];
    } else if (pieces->count > 1) {
        must(grpc_byte_buffer_reader_init(&reader, call->payload) != 0);
        call->body = grpc_byte_buffer_reader_readall(&reader);
        grpc_byte_buffer_reader_destroy(&reader);
    }
    *body = span_make((const char *)GRPC_SLICE_START_PTR(*whole), GRPC_SLICE_LENGTH(*whole));
    return VERDICT_OK;
}

void rpc_call_receive(struct rpc_call *call)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    must(call->method->handler->received != NULL && !atomic_load(&call->ended));
    grpc_slice_unref(call->body);
    call->body = grpc_empty_slice();
    if (call->payload != NULL)
        grpc_byte_buffer_destroy(call->payload);
    call->payload = NULL;
    op.data.recv_message.recv_message = &call->payload;
    ref(call);
    start(call, &op, 1, &call->receive.event);
}

size_t rpc_call_metadata_all(const struct rpc_call *call, const char *key, struct span *values,
                             size_t most)
{
    size_t n = 0;
    for (size_t i = 0; i < call->metadata.count; i++) {
        const grpc_metadata *pair = &call->metadata.metadata[i];
        if (grpc_slice_str_cmp(pair->key, key) != 0)
            continue;
        if (n < most)
            values[n] = span_make((const char *)GRPC_SLICE_START_PTR(pair->value),
                                  GRPC_SLICE_LENGTH(pair->value));
        n++;
    }
    return n;
}

struct span rpc_call_metadata(const struct rpc_call *call, const char *key)
{
    struct span value = SPAN_EMPTY;
    (void)rpc_call_metadata_all(call, key, &value, 1);
    return value;
}

void rpc_call_trailer(struct rpc_call *call, const char *key, struct span value)
{
    must(!atomic_load(&call->ended) && call->n_trailers < RPC_TRAILERS);
    grpc_metadata *pair = &call->trailers[call->n_trailers++];
    pair->key = grpc_slice_from_static_string(key);
    pair->value = grpc_slice_from_copied_buffer(value.at, value.len);
}

uint64_t rpc_call_timeout_ms(const struct rpc_call *call)
{
    gpr_timespec deadline = call->deadline;
    if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0)
        return 0;
    /* Each clock has its own "now"; times of different clocks must not be subtracted. */
    int32_t left_ms = gpr_time_to_millis(gpr_time_sub(deadline, gpr_now(deadline.clock_type)));
    return left_ms > 0 ? (uint64_t)left_ms : 1;
}

void rpc_call_name(struct rpc_call *call, struct span id)
{
    must(!call->has_header && !call->opened);
    call->header.key = grpc_slice_from_static_string("x-request-id");
    call->header.value = grpc_slice_from_copied_buffer(id.at, id.len);
    call->has_header = true;
}

enum port_state rpc_call_send(struct rpc_call *call, grpc_slice slice)
{
    must(!atomic_load(&call->ended));
    rpc_outbox_put(&call->outbox, slice);
    if (!call->method->streams)
        return PORT_READY;
    push(call);
    if (call->outbox.bytes > OUTBOX_FULL_BYTES)
        call->full = true;
    return call->full ? PORT_FULL : PORT_READY;
}

void rpc_call_conclude(struct rpc_call *call, enum grpc_code code, struct span message,
                       struct span details)
{
    must(!atomic_load(&call->ended));
    call->code = (grpc_status_code)code;
    if (message.len > 0)
        call->message = grpc_slice_from_copied_buffer(message.at, message.len);
    if (details.len > 0)
        rpc_call_trailer(call, "grpc-status-details-bin", details);
}

void rpc_call_end(struct rpc_call *call)
{
    must(!atomic_load(&call->ended));
    rpc_queue_linger(call->queue, call, tick_now_ns());
    atomic_store(&call->ended, true);
    push(call);
}
