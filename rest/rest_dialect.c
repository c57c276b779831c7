#include "rest/rest_dialect.h"

#include "rest/rest_headers.h"
#include "rest/rest_internal.h"
#include "shared/flow/base64.h"
#include "shared/flow/json.h"

static const struct rest_dialect *dialect_of(enum web_protocol protocol)
{
    switch (protocol) {
    case WEB_CONNECT:
        return &rest_connect;
    case WEB_CONNECT_STREAM:
        return &rest_connect_stream;
    case WEB_GRPC:
    case WEB_GRPC_TEXT:
        break;
    }
    return &rest_grpc_web;
}

/* Connect has media types of its own for streams, gRPC-Web has not. */
static bool fits(const struct web_type *type, const struct contract_method *rpc)
{
    if (type->protocol == WEB_CONNECT)
        return !rpc->streams;
    return type->protocol != WEB_CONNECT_STREAM || rpc->streams;
}

/* Where there is no such path, JSON alone does not make it Connect. */
static bool is_plain(const struct web_type *type, struct span connect_version)
{
    if (type == NULL)
        return true;
    return type->protocol == WEB_CONNECT && !type->protobuf && connect_version.len == 0;
}

struct rest_speech rest_speech_of(const struct rest_route *route, struct span path,
                                  struct span content_type, struct span connect_version)
{
    const struct rest_speech plain = {.dialect = &rest_plain, .understood = true};
    const struct web_type *type = web_type_of(content_type);
    bool grpc = web_is_grpc(content_type);
    /* OpenAI's SDKs ask for much that is not here, all of it below /v1/. */
    if (rest_chat_has(route) || (route == NULL && span_starts_with(path, "/v1/")))
        return (struct rest_speech){.dialect = &rest_openai, .understood = true};
    if (route != NULL && route->rpc == NULL)
        return plain;
    if (route == NULL && !grpc && is_plain(type, connect_version))
        return plain;
    if (type != NULL && (route == NULL || fits(type, route->rpc)))
        return (struct rest_speech){dialect_of(type->protocol), type, true};
    /* Both say errors in a form that every client of theirs reads. */
    if (grpc)
        return (struct rest_speech){
            &rest_grpc_web, web_type_of((struct span)SPAN_LITERAL("application/grpc-web")), false};
    return (struct rest_speech){&rest_connect,
                                web_type_of((struct span)SPAN_LITERAL("application/json")), false};
}

const char *rest_speech_accepts(const struct contract_method *rpc)
{
    return rpc->streams ? "application/connect+json, application/connect+proto, "
                          "application/grpc-web+proto, application/grpc-web-text+proto"
                        : "application/json, application/proto, "
                          "application/grpc-web+proto, application/grpc-web-text+proto";
}

struct verdict rest_speech_refused(const struct contract_method *rpc)
{
    return (struct verdict){
        .code = VERDICT_BAD_MEDIA_TYPE,
        .detail = span_of(rpc->streams
                              ? "Send Content-Type: application/connect+json, "
                                "application/connect+proto, application/grpc-web+proto or "
                                "application/grpc-web-text+proto."
                              : "Send Content-Type: application/json, application/proto, "
                                "application/grpc-web+proto or application/grpc-web-text+proto.")};
}

static struct verdict malformed(const char *sentence)
{
    return (struct verdict){.code = VERDICT_MALFORMED, .detail = span_of(sentence)};
}

static bool is_compressed(const h2o_req_t *req, const char *header)
{
    struct span coding = rest_header_find(req, header);
    return coding.len > 0 && !span_is_nocase(coding, "identity");
}

static struct verdict read_connect_headers(struct rest_call *call)
{
    struct span version = rest_header_find(call->req, "connect-protocol-version");
    struct span timeout = rest_header_find(call->req, "connect-timeout-ms");
    if (version.len > 0 && !span_is(version, "1"))
        return malformed("Only Connect-Protocol-Version: 1 is spoken here.");
    if (timeout.len > 0 && !web_timeout_connect(timeout, &call->request.given.timeout_ms))
        return malformed("Connect-Timeout-Ms is a number of at most 10 digits.");
    return verdict_of(is_compressed(call->req, "connect-content-encoding") ? VERDICT_BAD_COMPRESSION
                                                                           : VERDICT_OK);
}

static struct verdict read_grpc_headers(struct rest_call *call)
{
    struct span timeout = rest_header_find(call->req, "grpc-timeout");
    if (timeout.len > 0 && !web_timeout_grpc(timeout, &call->request.given.timeout_ms))
        return malformed("Grpc-Timeout is a number of at most 8 digits and one of H, M, S, m, u, "
                         "n.");
    return verdict_of(is_compressed(call->req, "grpc-encoding") ? VERDICT_BAD_COMPRESSION
                                                                : VERDICT_OK);
}

/* The body's size is bounded by now. */
static bool decode_text(struct request *request)
{
    struct span text = request->given.body;
    char *bytes = arena_alloc(&request->arena, base64_decoded_most(text.len));
    size_t len = 0;
    if (!web_text_decode(text, bytes, &len))
        return false;
    request->given.body = span_make(bytes, len);
    return true;
}

struct verdict rest_speech_read(struct rest_call *call)
{
    struct request *request = &call->request;
    enum web_protocol protocol = call->speech.type->protocol;
    bool connect = protocol == WEB_CONNECT || protocol == WEB_CONNECT_STREAM;
    struct verdict verdict = connect ? read_connect_headers(call) : read_grpc_headers(call);
    if (verdict.code == VERDICT_OK && is_compressed(call->req, "content-encoding"))
        verdict = verdict_of(VERDICT_BAD_COMPRESSION);
    if (verdict.code != VERDICT_OK)
        return verdict;
    request->given.encoding = call->speech.type->protobuf ? REQUEST_PROTOBUF : REQUEST_JSON;
    if (protocol == WEB_GRPC_TEXT && !decode_text(request))
        return malformed("The body is not base64.");
    if (protocol != WEB_CONNECT)
        verdict.code = web_unframe(request->given.body, &request->given.body, &verdict.detail);
    return verdict;
}

void rest_speech_put(struct buf *out, const struct web_type *type, const struct message_view *view)
{
    if (type != NULL && type->protobuf) {
        if (view->wire.len > 0) {
            buf_put_span(out, view->wire);
            return;
        }
        size_t len = protobuf_c_message_get_packed_size(view->message);
        char *room = buf_reserve(out, len);
        if (room != NULL)
            out->len += protobuf_c_message_pack(view->message, (uint8_t *)room);
    } else if (view->json.len > 0) {
        buf_put_span(out, view->json);
    } else {
        json_write(out, view->type, view->message);
    }
}
