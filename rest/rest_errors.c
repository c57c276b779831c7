/* Errors that h2o finds before our handler runs (413, 417, bad framing of bodies): its text bodies
 * are replaced by what the dialect of the request says, and each gets its access line. */
#include "rest/rest_headers.h"
#include "rest/rest_internal.h"
#include "shared/base/tick.h"

enum { ERROR_BYTES = 4096 };

struct error_ostream {
    h2o_ostream_t super;
    h2o_iovec_t body;
    bool sent;
};

static void send_body(h2o_ostream_t *super, h2o_req_t *req, h2o_iovec_t *bufs, size_t n,
                      h2o_send_state_t state)
{
    struct error_ostream *self = (struct error_ostream *)super;
    (void)bufs;
    (void)n;
    h2o_ostream_send_next(&self->super, req, &self->body, self->sent ? 0 : 1, state);
    self->sent = true;
}

static enum verdict_code code_of(int status)
{
    switch (status) {
    case 413:
        return VERDICT_TOO_LARGE;
    case 417:
        return VERDICT_BAD_EXPECTATION;
    case 431:
        return VERDICT_HEADERS_TOO_LARGE;
    case 404:
        return VERDICT_NO_ROUTE;
    default:
        return status < 500 ? VERDICT_MALFORMED : VERDICT_INTERNAL;
    }
}

static size_t no_metadata(const struct request *request, const char *name, struct span *values,
                          size_t most)
{
    (void)request;
    (void)name;
    (void)values;
    (void)most;
    return 0;
}

static enum port_state send_nothing(struct request *request, const struct message_view *message)
{
    (void)request;
    (void)message;
    return PORT_READY;
}

static void finish_nothing(struct request *request, const struct verdict *verdict)
{
    (void)request;
    (void)verdict;
}

/* Through the core, so that such a request is logged like any other. */
static struct port silent_port(const struct rest_dialect *dialect)
{
    return (struct port){.protocol = dialect->protocol,
                         .status = dialect->status,
                         .metadata = no_metadata,
                         .send = send_nothing,
                         .finish = finish_nothing};
}

static struct rest_speech speech_of(const h2o_req_t *req, const struct rest_connection *connection)
{
    struct span path = rest_path_of(req);
    return rest_speech_of(rest_routes_find(&connection->worker->rest->routes, path), path,
                          rest_header_find(req, "content-type"),
                          rest_header_find(req, "connect-protocol-version"));
}

static h2o_iovec_t make_body(h2o_req_t *req, const struct rest_connection *connection,
                             struct rest_refusal *refusal)
{
    struct verdict verdict = verdict_of(code_of(req->res.status));
    struct rest_speech speech = speech_of(req, connection);
    struct port port = silent_port(speech.dialect);
    struct request request;
    struct buf body;
    request_init(&request, connection->worker->core_worker, &port);
    request.given =
        (struct request_given){.verb = span_make(req->input.method.base, req->input.method.len),
                               .path = rest_path_of(req),
                               .client_request_id = rest_header_find(req, "x-request-id"),
                               .peer = connection->peer,
                               .received_ns = tick_now_ns()};
    request_refuse(&request, &verdict);
    buf_init(&body, NULL, ERROR_BYTES);
    *refusal = speech.dialect->refuse(&body, speech.type, &request, &verdict);
    rest_common_headers(req, &request);
    h2o_iovec_t copy = h2o_strdup(&req->pool, body.at, body.len);
    buf_fini(&body);
    request_fini(&request);
    return copy;
}

static void setup(h2o_filter_t *self, h2o_req_t *req, h2o_ostream_t **slot)
{
    (void)self;
    ssize_t at = h2o_find_header(&req->res.headers, H2O_TOKEN_CONTENT_TYPE, -1);
    if (req->res.status >= 400 && at >= 0 &&
        h2o_memis(req->res.headers.entries[at].value.base, req->res.headers.entries[at].value.len,
                  H2O_STRLIT("text/plain; charset=utf-8"))) {
        struct error_ostream *ostream =
            (struct error_ostream *)h2o_add_ostream(req, sizeof *ostream, slot);
        struct rest_refusal refusal;
        ostream->super.do_send = send_body;
        ostream->body = make_body(req, rest_connection_of(req), &refusal);
        req->res.headers.entries[at].value = h2o_iovec_init(refusal.type, strlen(refusal.type));
        req->res.status = refusal.status;
        req->res.reason = refusal.status == 200 ? "OK" : "Error";
        ostream->sent = false;
        req->res.content_length = ostream->body.len;
        slot = &ostream->super.next;
    }
    h2o_setup_next_ostream(req, slot);
}

void rest_errors_install(h2o_pathconf_t *path)
{
    h2o_create_filter(path, sizeof(h2o_filter_t))->on_setup_ostream = setup;
}
