/* One h2o request <-> one struct request: checks what is HTTP's own, fills in what the core wants
 * to know, and turns what the core says into a response. */
#include "rest/rest_framing.h"
#include "rest/rest_headers.h"
#include "rest/rest_internal.h"
#include "shared/base/tick.h"
#include "shared/policy/hosts.h"

#include <sys/socket.h>

enum { PROBLEM_BYTES = 64 * 1024, OWN_BYTES = 4096, DEFLATE_LEVEL = 4 };

struct rest_connection *rest_connection_of(h2o_req_t *req)
{
    return req->conn->callbacks->get_socket(req->conn)->on_close.data;
}

struct span rest_path_of(const h2o_req_t *req)
{
    struct span target = span_make(req->path.base, req->path.len);
    if (req->query_at != SIZE_MAX)
        target.len = req->query_at;
    return target;
}

/* --- responses --- */

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 204:
        return "No Content";
    case 499:
        return "Client Closed Request";
    default:
        return "Error"; /* nobody reads it: RFC 9112 section 4 */
    }
}

/* The body compressed into the request pool, or as it was when that does not make it smaller. */
static struct span deflate_body(struct rest_worker *worker, h2o_req_t *req, struct span body)
{
    z_stream *deflater = &worker->deflater;
    if (!worker->deflater_is_ready) {
        must(deflateInit2(deflater, DEFLATE_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) ==
             Z_OK);
        worker->deflater_is_ready = true;
    }
    must(deflateReset(deflater) == Z_OK);
    char *out = h2o_mem_alloc_pool(&req->pool, body.len);
    deflater->next_in = (z_const Bytef *)(uintptr_t)body.at;
    deflater->avail_in = (uInt)body.len;
    deflater->next_out = (Bytef *)out;
    deflater->avail_out = (uInt)body.len;
    if (deflate(deflater, Z_FINISH) != Z_STREAM_END)
        return body;
    return span_make(out, body.len - deflater->avail_out);
}

static struct span compress_body(struct rest_worker *worker, h2o_req_t *req, struct span body)
{
    size_t least = worker->rest->settings.gzip_min_bytes;
    if (least == 0 || body.len < least)
        return body;
    rest_header_add(req, "vary", (struct span)SPAN_LITERAL("Accept-Encoding"));
    if (!rest_accepts_gzip(rest_header_find(req, "accept-encoding")))
        return body;
    struct span packed = deflate_body(worker, req, body);
    if (packed.at != body.at)
        rest_header_add(req, "content-encoding", (struct span)SPAN_LITERAL("gzip"));
    return packed;
}

void rest_respond(struct rest_worker *worker, h2o_req_t *req, int status, const char *type,
                  struct span body)
{
    static h2o_generator_t nothing = {NULL, NULL};
    bool head = h2o_memis(req->input.method.base, req->input.method.len, H2O_STRLIT("HEAD"));
    req->res.status = status;
    req->res.reason = reason_of(status);
    if (worker->draining)
        req->http1_is_persistent = 0;
    if (type != NULL) {
        rest_header_add(req, "content-type", span_of(type));
        if (!web_is_grpc(span_of(type))) /* its readers know nothing of codings */
            body = compress_body(worker, req, body);
        req->res.content_length = body.len;
    }
    h2o_iovec_t bytes = h2o_iovec_init(body.at, body.len);
    h2o_start_response(req, &nothing);
    h2o_send(req, &bytes, type != NULL && !head && body.len > 0 ? 1 : 0, H2O_SEND_STATE_FINAL);
}

/* Our own TLS; or the word of a proxy, if that is one of ours. */
static bool is_https(h2o_req_t *req, const struct request *request)
{
    if (rest_connection_of(req)->secure)
        return true;
    return request->behind_proxy && rest_says_https(rest_header_find(req, "x-forwarded-proto"));
}

void rest_common_headers(h2o_req_t *req, const struct request *request)
{
    const struct rest *rest = rest_connection_of(req)->worker->rest;
    rest_headers_add(req, &rest->headers, is_https(req, request), request->id);
}

void rest_call_headers(struct rest_call *call)
{
    const struct request *request = &call->request;
    rest_common_headers(call->req, request);
    if (!call->speech.dialect->notes_in_headers)
        return;
    for (size_t i = 0; i < request->n_notes; i++)
        rest_header_add(call->req, request->notes[i].name, request->notes[i].value);
}

static void respond_problem(struct rest_call *call, const struct verdict *verdict)
{
    h2o_req_t *req = call->req;
    struct buf body;
    buf_init(&body, &call->request.arena, PROBLEM_BYTES);
    struct rest_refusal refusal =
        call->speech.dialect->refuse(&body, call->speech.type, &call->request, verdict);
    rest_call_headers(call);
    if (verdict->retry_after_ms > 0) {
        struct buf seconds;
        buf_init(&seconds, &call->request.arena, 32);
        buf_put_u64(&seconds, (verdict->retry_after_ms + 999) / 1000);
        rest_header_add(req, "retry-after", buf_span(&seconds));
    }
    rest_respond(call->connection->worker, req, refusal.status, refusal.type, buf_span(&body));
}

static void respond_own(struct rest_call *call, const struct verdict *verdict)
{
    rest_common_headers(call->req, &call->request);
    rest_respond(call->connection->worker, call->req, verdict_row(verdict->code)->http_status,
                 verdict->code == VERDICT_NO_CONTENT ? NULL : "application/json", call->own_body);
}

static void respond_document(struct rest_call *call)
{
    const struct rest_document *document = call->document;
    rest_call_headers(call);
    if (document->policy != NULL)
        rest_header_replace(call->req, "content-security-policy", span_of(document->policy));
    rest_respond(call->connection->worker, call->req, 200, document->type, *document->body);
}

static void respond_answer(struct rest_call *call)
{
    const struct web_type *type = call->speech.type;
    struct span body = call->speech.dialect->answer(call);
    rest_call_headers(call);
    rest_respond(call->connection->worker, call->req, 200,
                 type != NULL ? type->name : "application/json", body);
}

/* --- the port --- */

static struct rest_call *call_of(struct request *request)
{
    return container_of(request, struct rest_call, request);
}

/* After h2o has given the request up its headers are gone, too. */
static size_t rest_metadata(const struct request *request, const char *name, struct span *values,
                            size_t most)
{
    const struct rest_call *call =
        (const struct rest_call *)((const char *)request - offsetof(struct rest_call, request));
    return call->req != NULL ? rest_header_values(call->req, name, values, most) : 0;
}

static enum port_state rest_send(struct request *request, const struct message_view *message)
{
    struct rest_call *call = call_of(request);
    switch (message->kind) {
    case MESSAGE_ANSWER:
        call->answer = *message;
        call->has_answer = true;
        break;
    case MESSAGE_PIECE:
        return call->req != NULL ? rest_stream_piece(call, message) : PORT_READY;
    case MESSAGE_WHOLE:
        if (call->req != NULL)
            rest_stream_whole(call, message);
        break;
    }
    return PORT_READY;
}

static void rest_finish(struct request *request, const struct verdict *verdict)
{
    struct rest_call *call = call_of(request);
    rest_leave_end(call);
    if (call->req == NULL)
        return; /* disposed of: there is nobody to answer */
    if (verdict->code == VERDICT_CANCELLED)
        call->req->http1_is_persistent = 0;
    if (call->stream.open) {
        rest_stream_end(call, verdict);
        return;
    }
    call->answered = true;
    if (call->document != NULL)
        respond_document(call);
    else if (call->own)
        respond_own(call, verdict);
    else if (verdict->code == VERDICT_OK && call->has_answer)
        respond_answer(call);
    else
        respond_problem(call, verdict);
}

static struct port port_of(const struct rest_dialect *dialect)
{
    return (struct port){.protocol = dialect->protocol,
                         .status = dialect->status,
                         .metadata = rest_metadata,
                         .send = rest_send,
                         .finish = rest_finish};
}

/* --- the life of a call --- */

static void dispose(void *pointer)
{
    struct rest_call *call = pointer;
    if (call->req->http1_is_persistent)
        call->connection->bytes_before_last = call->connection->socket->bytes_written;
    call->req = NULL;
    if (call->next != NULL)
        call->next->previous = call->previous;
    if (call->previous != NULL)
        call->previous->next = call->next;
    else
        call->connection->calls = call->next;
    call->connection->active_ms = tick_now_ms();
    if (!call->request.finished)
        request_abandon(&call->request);
    rest_leave_end(call);
    rest_stream_fini(call);
    request_fini(&call->request);
}

static struct rest_call *make_call(struct rest_connection *connection, h2o_req_t *req,
                                   const struct rest_route *route)
{
    struct rest_call *call = h2o_mem_alloc_shared(&req->pool, sizeof *call, dispose);
    memset(call, 0, sizeof *call);
    call->connection = connection;
    call->req = req;
    call->next = connection->calls;
    if (call->next != NULL)
        call->next->previous = call;
    connection->calls = call;
    connection->patience = (struct rest_patience){.served = true};
    call->speech = rest_speech_of(route, rest_path_of(req), rest_header_find(req, "content-type"),
                                  rest_header_find(req, "connect-protocol-version"));
    call->port = port_of(call->speech.dialect);
    request_init(&call->request, connection->worker->core_worker, &call->port);
    call->request.given =
        (struct request_given){.encoding = REQUEST_JSON,
                               .body = span_make(req->entity.base, req->entity.len),
                               .verb = span_make(req->input.method.base, req->input.method.len),
                               .path = rest_path_of(req),
                               .client_request_id = rest_header_find(req, "x-request-id"),
                               .peer = connection->peer,
                               .certificate = connection->certificate,
                               .secure = connection->secure,
                               .received_ns = tick_now_ns()};
    if (rest_chat_has(route))
        rest_chat_begin(call);
    return call;
}

static struct verdict check_framing(h2o_req_t *req)
{
    struct verdict verdict = verdict_of(VERDICT_OK);
    h2o_socket_t *socket = req->conn->callbacks->get_socket(req->conn);
    if (rest_connection_of(req)->http2)
        return rest_http2_check(req);
    verdict.code =
        framing_check(span_make(socket->input->bytes, socket->input->size), &verdict.detail);
    if (verdict.code != VERDICT_OK)
        req->http1_is_persistent = 0;
    return verdict;
}

/* Probes come with the instance's own address as Host, which nobody can list (H5). */
static bool is_probe(const struct rest_route *route)
{
    return route != NULL && ((route->get != NULL && route->get->kind == CONTRACT_HEALTH) ||
                             route->system == REST_READY || route->system == REST_UP);
}

/* The Host decides nothing but whether the request is for us; which is said before its route is. */
static struct verdict check_host(const struct rest *rest, const h2o_req_t *req,
                                 const struct rest_route *route)
{
    struct span hosts = span_of(rest->settings.trusted_hosts);
    struct span authority = span_make(req->input.authority.base, req->input.authority.len);
    bool fine = hosts.len == 0 || is_probe(route) || hosts_allow(hosts, authority);
    return verdict_of(fine ? VERDICT_OK : VERDICT_FORBIDDEN_HOST);
}

/* What HTTP itself has to say about a request to a known path. */
static enum verdict_code check_request(const struct rest *rest, const h2o_req_t *req,
                                       const struct rest_route *route, bool get, bool post)
{
    struct span type = rest_header_find(req, "content-type");
    if (!(get && rest_route_has_get(route)) &&
        !(post && (route->post != NULL || route->rpc != NULL)))
        return VERDICT_BAD_HTTP_METHOD;
    if (req->entity.len > rest->settings.max_body_bytes)
        return VERDICT_TOO_LARGE;
    if (post && route->rpc == NULL && (type.len > 0 ? !rest_is_json(type) : req->entity.len > 0))
        return VERDICT_BAD_MEDIA_TYPE;
    return VERDICT_OK;
}

static void refuse(struct rest_call *call, struct verdict verdict)
{
    request_refuse(&call->request, &verdict);
}

/* What the protocol of an rpc has to say. */
static struct verdict check_rpc(struct rest_call *call, const struct contract_method *rpc)
{
    if (call->speech.understood)
        return rest_speech_read(call);
    rest_header_add(call->req, "accept-post", span_of(rest_speech_accepts(rpc)));
    return rest_speech_refused(rpc);
}

static void answer_options(struct rest_call *call, const struct rest_route *route)
{
    call->own = true;
    rest_header_add(call->req, "allow", span_of(rest_route_allow(route)));
    refuse(call, verdict_of(VERDICT_NO_CONTENT));
}

static void answer_system(struct rest_call *call, enum rest_system system)
{
    struct buf body;
    buf_init(&body, &call->request.arena, OWN_BYTES);
    enum verdict_code code =
        rest_system_answer(call->connection->worker->rest->core, system, &body);
    call->own = true;
    call->own_body = buf_span(&body);
    refuse(call, verdict_of(code));
}

static void run_flow(struct rest_call *call, const struct contract_method *method)
{
    call->request.given.method = method;
    if (method->kind == CONTRACT_HEALTH)
        call->request.given.body = SPAN_EMPTY;
    request_begin(&call->request);
}

int rest_call_begin(h2o_handler_t *self, h2o_req_t *req)
{
    struct rest_connection *connection = rest_connection_of(req);
    const struct rest *rest = connection->worker->rest;
    bool get = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("GET")) ||
               h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD"));
    bool post = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("POST"));
    bool options = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("OPTIONS"));
    const struct rest_route *route = rest_routes_find(&rest->routes, rest_path_of(req));
    bool last = !req->http1_is_persistent;
    struct verdict verdict = check_framing(req);
    (void)self;
    connection->client_ends = last && verdict.code == VERDICT_OK;
    if (connection->worker->draining)
        req->http1_is_persistent = 0;
    if (verdict.code == VERDICT_OK)
        verdict = check_host(rest, req, route);
    struct rest_call *call = make_call(connection, req, route);
    if (verdict.code == VERDICT_OK && route == NULL)
        verdict = verdict_of(call->speech.type == NULL ? VERDICT_NO_ROUTE : VERDICT_NO_METHOD);
    if (verdict.code == VERDICT_OK && options) {
        answer_options(call, route);
        return 0;
    }
    if (verdict.code == VERDICT_OK)
        verdict = verdict_of(check_request(rest, req, route, get, post));
    if (verdict.code == VERDICT_OK && route->rpc != NULL)
        verdict = check_rpc(call, route->rpc);
    if (verdict.code == VERDICT_OK && get && route->system != REST_NO_SYSTEM) {
        answer_system(call, route->system);
        return 0;
    }
    if (verdict.code == VERDICT_OK && get && route->document != NULL) {
        call->document = route->document;
        refuse(call, verdict);
        return 0;
    }
    if (verdict.code != VERDICT_OK) {
        if (verdict.code == VERDICT_BAD_HTTP_METHOD)
            rest_header_add(req, "allow", span_of(rest_route_allow(route)));
        refuse(call, verdict);
        return 0;
    }
    /* The answer may come, and the call go, before this returns; a call that stays is the
     * connection's. Over HTTP/2 h2o itself sees who leaves. */
    run_flow(call, route->rpc != NULL ? route->rpc : get ? route->get : route->post);
    if (!connection->http2 && connection->calls != NULL && !connection->calls->request.finished)
        rest_leave_begin(connection->calls);
    return 0;
}
