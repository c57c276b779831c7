/* HTTP/2 for REST: h2o's, behind the guard, which has seen the preface and keeps floods off. What
 * h2o 2.2.5 lets through and HTTP/1.1 would not is refused here. */
#include "rest/rest_framing.h"
#include "rest/rest_internal.h"

#include <h2o/http2.h>
#include <sys/time.h>

/* A configuration, and contexts, of its own: over HTTP/1.1 a body that is too large is refused
 * before it is read; over HTTP/2 h2o would reset the stream, which says "try again". */
void rest_http2_init(struct rest *rest)
{
    rest_configure(rest, &rest->http2_conf, rest->settings.http2_body_bytes);
    rest->http2_conf.http2.idle_timeout = rest->settings.keep_alive_timeout_ms;
}

void rest_http2_fini(struct rest *rest)
{
    h2o_config_dispose(&rest->http2_conf);
}

void rest_http2_worker_init(struct rest_worker *worker)
{
    h2o_context_init(&worker->http2_context, worker->loop, &worker->rest->http2_conf);
    worker->http2_accept =
        (h2o_accept_ctx_t){.ctx = &worker->http2_context, .hosts = worker->rest->http2_conf.hosts};
}

void rest_http2_worker_fini(struct rest_worker *worker)
{
    h2o_context_dispose(&worker->http2_context);
}

void rest_http2_accept(struct rest_connection *connection)
{
    struct timeval now;
    (void)gettimeofday(&now, NULL);
    h2o_http2_accept(&connection->worker->http2_accept, connection->socket, now);
}

static struct span span_of_iovec(h2o_iovec_t bytes)
{
    return bytes.len > 0 ? span_make(bytes.base, bytes.len) : SPAN_EMPTY;
}

/* Without one, h2o takes the name of its configuration. */
static struct span authority_of(const h2o_req_t *req)
{
    return req->input.authority.base == req->hostconf->authority.hostport.base
               ? SPAN_EMPTY
               : span_of_iovec(req->input.authority);
}

/* Those that h2o does not refuse itself. */
static bool is_connection_field(struct span name)
{
    return span_is(name, "keep-alive") || span_is(name, "proxy-connection");
}

struct verdict rest_http2_check(const h2o_req_t *req)
{
    struct verdict verdict = verdict_of(VERDICT_OK);
    struct framing_head head = {.method = span_of_iovec(req->input.method),
                                .target = span_of_iovec(req->input.path),
                                .authority = authority_of(req),
                                .fields = req->headers.size};
    head.bytes = head.method.len + head.target.len + head.authority.len;
    for (size_t i = 0; i < req->headers.size; i++) {
        const h2o_header_t *header = &req->headers.entries[i];
        head.bytes += header->name->len + header->value.len + sizeof ": \r\n" - 1;
        head.has_nameless |= header->name->len == 0;
        head.has_connection_field |= is_connection_field(span_of_iovec(*header->name));
    }
    verdict.code = framing_check_decoded(&head, &verdict.detail);
    return verdict;
}
