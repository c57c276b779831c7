/* Calls of the OpenAI-shaped routes: the port of REST, with another JSON. */
#include "rest/rest_internal.h"

#include "weir/v1/chat.pb-c.h"

#include <time.h>

bool rest_chat_has(const struct rest_route *route)
{
    return route != NULL && route->rpc == NULL &&
           ((route->post != NULL && route->post->kind == CONTRACT_CHAT) ||
            (route->get != NULL && route->get->kind == CONTRACT_MODELS));
}

static struct rest_call *call_of(struct request *request)
{
    return container_of(request, struct rest_call, request);
}

/* The one word of weir's own: an answer may be kept whatever the temperature is. */
static bool asks_for_cache(const struct rest_call *call)
{
    struct span said = rest_header_find(call->req, "x-weir-cache");
    return span_is_nocase(said, "true") || span_is(said, "1");
}

/* The path behind the route names the model, if the request has a field for it. */
static enum verdict_code decode_name(struct request *request, struct verdict *verdict)
{
    static const struct violation wrong = {SPAN_LITERAL("model"), SPAN_LITERAL("invalid_value"),
                                           SPAN_LITERAL("must be UTF-8")};
    const struct contract_method *method = request->given.method;
    ProtobufCMessage *message = arena_alloc(&request->arena, method->request->pb->sizeof_message);
    protobuf_c_message_init(method->request->pb, message);
    request->message = message;
    if (message->descriptor != &weir__v1__get_model_request__descriptor)
        return VERDICT_OK;
    if (rest_chat_read_name(span_from(request->given.path, strlen(method->routes[0].path)),
                            &request->arena, &((Weir__V1__GetModelRequest *)message)->model))
        return VERDICT_OK;
    *verdict =
        (struct verdict){.code = VERDICT_BAD_MESSAGE, .violations = &wrong, .n_violations = 1};
    return verdict->code;
}

static enum verdict_code decode(struct request *request, struct verdict *verdict)
{
    struct rest_call *call = call_of(request);
    if (request->given.method->kind == CONTRACT_MODELS)
        return decode_name(request, verdict);
    Weir__V1__ChatRequest *chat = NULL;
    if (rest_chat_read(request->given.body, &request->arena, &chat, &call->chat.form, verdict) !=
        VERDICT_OK)
        return verdict->code;
    chat->cache = asks_for_cache(call);
    request->message = &chat->base;
    if (call->chat.form.stream)
        request->given.method = call->connection->worker->rest->chat_stream;
    return VERDICT_OK;
}

void rest_chat_begin(struct rest_call *call)
{
    call->chat.created_s = time(NULL);
    call->request.given.decode = decode;
}

static struct rest_chat_head head_of(const struct rest_call *call)
{
    const Weir__V1__ChatRequest *chat = (const Weir__V1__ChatRequest *)call->request.message;
    return (struct rest_chat_head){.request_id = call->request.id,
                                   .created_s = call->chat.created_s,
                                   .model = span_of(chat->model)};
}

/* A kept message, which this process has packed itself. */
static ProtobufCMessage *unpack(const ProtobufCMessageDescriptor *type, struct span wire)
{
    ProtobufCMessage *message =
        protobuf_c_message_unpack(type, NULL, wire.len, (const uint8_t *)wire.at);
    must(message != NULL);
    return message;
}

static struct span openai_answer(struct rest_call *call)
{
    struct buf out;
    buf_init(&out, &call->request.arena, REST_ANSWER_BYTES);
    if (call->request.given.method->kind == CONTRACT_MODELS) {
        rest_chat_write_models(&out, call->answer.message);
        return buf_span(&out);
    }
    struct rest_chat_head head = head_of(call);
    ProtobufCMessage *kept = call->answer.message == NULL
                                 ? unpack(&weir__v1__chat_response__descriptor, call->answer.wire)
                                 : NULL;
    const ProtobufCMessage *answer = kept != NULL ? kept : call->answer.message;
    rest_chat_write(&out, &head, (const Weir__V1__ChatResponse *)answer);
    if (kept != NULL)
        protobuf_c_message_free_unpacked(kept, NULL);
    return buf_span(&out);
}

static struct rest_refusal openai_refuse(struct buf *out, const struct web_type *type,
                                         struct request *request, const struct verdict *verdict)
{
    (void)type;
    (void)request;
    rest_chat_write_error(out, verdict);
    return (struct rest_refusal){rest_chat_status(verdict), "application/json"};
}

static void begin(struct rest_call *call, struct buf *out)
{
    if (call->chat.chunk_head.len > 0)
        return;
    struct rest_chat_head head = head_of(call);
    struct buf text;
    buf_init(&text, &call->request.arena, REST_ANSWER_BYTES);
    rest_chat_write_chunk_head(&text, &head);
    call->chat.chunk_head = buf_span(&text);
    rest_chat_write_begin(out, call->chat.chunk_head);
}

static void openai_piece(struct buf *out, struct rest_call *call, const struct message_view *piece)
{
    begin(call, out);
    rest_chat_write_piece(out, call->chat.chunk_head, piece->text);
}

static void openai_whole(struct buf *out, struct rest_call *call, const struct message_view *last)
{
    begin(call, out);
    rest_chat_write_end(out, call->chat.chunk_head, (const Weir__V1__ChatChunk *)last->message,
                        call->chat.form.include_usage);
}

static void openai_end(struct buf *out, struct rest_call *call, const struct verdict *verdict)
{
    (void)call;
    if (verdict->code == VERDICT_OK || verdict->code == VERDICT_CANCELLED)
        return;
    buf_put_text(out, "data: ");
    rest_chat_write_error(out, verdict);
    buf_put_text(out, "\n\n");
}

const struct rest_dialect rest_openai = {
    .protocol = "rest",
    .status = rest_chat_status,
    .notes_in_headers = true,
    .silence = ":\n\n",
    .answer = openai_answer,
    .refuse = openai_refuse,
    .piece = openai_piece,
    .whole = openai_whole,
    .end = openai_end,
};
