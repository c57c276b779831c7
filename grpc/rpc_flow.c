/* The port of gRPC: what the pipeline says about a request becomes messages and a status of its
 * call. */
#include "grpc/rpc_flow.h"

#include "grpc/rpc_call.h"
#include "shared/pipeline/status_details.h"

static struct rpc_call *call_of(struct request *request)
{
    return container_of(request, struct rpc_call, request);
}

static grpc_slice slice_of(const struct message_view *view)
{
    if (view->wire.len > 0 || view->message == NULL) /* an empty message has no bytes */
        return grpc_slice_from_copied_buffer(view->wire.at, view->wire.len);
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(view->message));
    (void)protobuf_c_message_pack(view->message, GRPC_SLICE_START_PTR(slice));
    return slice;
}

static size_t flow_metadata(const struct request *request, const char *name, struct span *values,
                            size_t most)
{
    const struct rpc_call *call =
        (const struct rpc_call *)((const char *)request - offsetof(struct rpc_call, request));
    return rpc_call_metadata_all(call, name, values, most);
}

static enum port_state flow_send(struct request *request, const struct message_view *view)
{
    if (view->kind == MESSAGE_WHOLE && view->message == NULL && view->wire.len == 0)
        return PORT_READY;
    return rpc_call_send(call_of(request), slice_of(view));
}

static void flow_finish(struct request *request, const struct verdict *verdict)
{
    struct rpc_call *call = call_of(request);
    struct span details = status_details_pack(verdict, &request->arena);
    /* The end of the call copies the texts, but it may also end the call's life, and the request's
     * memory with it: so the copies are made first. */
    rpc_call_conclude(call, verdict_row(verdict->code)->grpc_code, status_message(verdict),
                      details);
    for (size_t i = 0; i < request->n_notes; i++)
        rpc_call_trailer(call, request->notes[i].name, request->notes[i].value);
    request_fini(request);
    rpc_call_end(call);
}

static const struct port flow_port = {
    .protocol = "grpc",
    .metadata = flow_metadata,
    .send = flow_send,
    .finish = flow_finish,
};

static void flow_begin(struct rpc_call *call)
{
    struct request *request = &call->request;
    struct span path =
        span_make((const char *)GRPC_SLICE_START_PTR(call->path), GRPC_SLICE_LENGTH(call->path));
    enum verdict_code code = VERDICT_NO_METHOD;
    request_init(request, call->worker, &flow_port);
    request->given = (struct request_given){
        .method = call->method->flow,
        .encoding = REQUEST_PROTOBUF,
        .verb = SPAN_LITERAL("POST"),
        .path = call->method->path != NULL ? span_of(call->method->path) : path,
        .client_request_id = rpc_call_metadata(call, "x-request-id"),
        .peer = call->peer,
        .certificate = call->certificate,
        .secure = call->queue->listener->secure,
        .received_ns = call->received_ns,
        .timeout_ms = rpc_call_timeout_ms(call),
    };
    request_identify(request);
    rpc_call_name(call, span_of(request->id));
    if (call->method->flow != NULL)
        code = rpc_call_body(call, &request->given.body);
    if (code == VERDICT_OK) {
        request_begin(request);
    } else {
        struct verdict verdict = verdict_of(code);
        request_refuse(request, &verdict);
    }
}

static void flow_left(struct rpc_call *call)
{
    request_abandon(&call->request);
}

static void flow_writable(struct rpc_call *call)
{
    request_writable(&call->request);
}

const struct rpc_handler rpc_flow_handler = {
    .begin = flow_begin,
    .left = flow_left,
    .writable = flow_writable,
};
