#include "rest/rest_internal.h"

#include <stdlib.h>
#include <unistd.h>

void rest_configure(struct rest *rest, h2o_globalconf_t *conf, size_t most_body_bytes)
{
    h2o_config_init(conf);
    conf->server_name = (h2o_iovec_t){NULL, 0};
    conf->max_request_entity_size = most_body_bytes;
    /* h2o has one time-out for the head, the body and the idle time between requests. */
    conf->http1.req_timeout = rest->settings.keep_alive_timeout_ms;
    conf->http1.upgrade_to_http2 = 0;
    h2o_hostconf_t *host =
        h2o_config_register_host(conf, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    h2o_create_handler(path, sizeof(h2o_handler_t))->on_req = rest_call_begin;
    rest_errors_install(path);
    rest_errors_install(&host->fallback_path);
}

struct rest *rest_new(const struct rest_settings *settings, const struct core *core)
{
    struct rest *rest = calloc(1, sizeof *rest);
    must(rest != NULL);
    rest->settings = *settings;
    rest->core = core;
    if (settings->hsts_max_age_s > 0) {
        (void)snprintf(rest->hsts_text, sizeof rest->hsts_text, "max-age=%llu; includeSubDomains",
                       (unsigned long long)settings->hsts_max_age_s);
        rest->headers.hsts = span_of(rest->hsts_text);
    }
    rest->headers.origins = span_of(settings->cors_allowed_origins);
    rest_routes_init(&rest->routes, core->contract);
    for (size_t i = 0; i < core->contract->n_methods; i++)
        if (core->contract->methods[i].kind == CONTRACT_CHAT && core->contract->methods[i].streams)
            rest->chat_stream = &core->contract->methods[i];
#ifdef WEIR_DEBUG_SURFACE
    if (core->debug)
        rest_docs_install(rest);
#endif
    /* One more byte than the cap: h2o refuses a chunked body that reaches the limit, and one with a
     * Content-Length only past it. The handler looks at the true size. */
    rest_configure(rest, &rest->conf, settings->max_body_bytes + 1);
    if (settings->http2)
        rest_http2_init(rest);
    return rest;
}

struct rest *rest_free(struct rest *rest)
{
    if (rest == NULL)
        return NULL;
    h2o_config_dispose(&rest->conf);
    if (rest->settings.http2)
        rest_http2_fini(rest);
    rest_routes_fini(&rest->routes);
    free(rest);
    return NULL;
}

struct rest_worker *rest_worker_new(struct rest *rest, struct uv_loop_s *loop,
                                    struct core_worker *core_worker)
{
    struct rest_worker *worker = calloc(1, sizeof *worker);
    must(worker != NULL);
    worker->rest = rest;
    worker->core_worker = core_worker;
    worker->loop = loop;
    link_init(&worker->lingering);
    h2o_context_init(&worker->context, loop, &rest->conf);
    if (rest->settings.http2)
        rest_http2_worker_init(worker);
    rest_patience_init(worker);
    worker->accept_context = (h2o_accept_ctx_t){.ctx = &worker->context, .hosts = rest->conf.hosts};
    return worker;
}

void rest_connection_over(struct rest_worker *worker, const struct peer *peer)
{
    worker->n_connections--;
    worker->rest->settings.closed(worker->rest->settings.context, peer);
}

static void on_connection_closed(void *data)
{
    struct rest_connection *connection = data;
    struct rest_worker *worker = connection->worker;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        worker->connections = connection->next;
    if (connection->relayed)
        worker->n_connections--;
    else if (!rest_linger_begin(connection))
        rest_connection_over(worker, &connection->peer);
    (void)certificate_unref(connection->certificate);
    free(connection);
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static struct rest_connection *make_connection(struct rest_worker *worker, int fd,
                                               const struct peer *peer)
{
    uv_tcp_t *handle = calloc(1, sizeof *handle);
    must(handle != NULL && uv_tcp_init(worker->loop, handle) == 0);
    if (uv_tcp_open(handle, fd) != 0) {
        (void)close(fd);
        uv_close((uv_handle_t *)handle, free_handle);
        return NULL;
    }
    struct rest_connection *connection = calloc(1, sizeof *connection);
    must(connection != NULL);
    *connection = (struct rest_connection){
        .worker = worker, .peer = *peer, .next = worker->connections, .held = -1};
    if (connection->next != NULL)
        connection->next->previous = connection;
    worker->connections = connection;
    worker->n_connections++;
    connection->socket = h2o_uv_socket_create((uv_stream_t *)handle, free_handle);
    connection->socket->on_close.cb = on_connection_closed;
    connection->socket->on_close.data = connection;
    rest_patience_begin(worker, connection);
    return connection;
}

static void accept_connection(struct rest_worker *worker, struct rest_connection *connection)
{
    if (connection->http2)
        rest_http2_accept(connection);
    else
        h2o_accept(&worker->accept_context, connection->socket);
    rest_drain_adopted(connection);
}

void rest_worker_adopt(struct rest_worker *worker, int fd, const struct peer *peer)
{
    const struct rest_settings *settings = &worker->rest->settings;
    struct rest_connection *connection = make_connection(worker, fd, peer);
    if (connection == NULL) {
        settings->closed(settings->context, peer);
        return;
    }
    rest_linger_hold(connection, fd);
    accept_connection(worker, connection);
}

void rest_worker_adopt_relayed(struct rest_worker *worker, int fd,
                               const struct rest_relayed *relayed)
{
    struct rest_connection *connection = make_connection(worker, fd, &relayed->peer);
    must(!relayed->http2 || worker->rest->settings.http2);
    if (connection == NULL) {
        (void)certificate_unref(relayed->certificate);
        return;
    }
    connection->relayed = true;
    connection->secure = relayed->secure;
    connection->http2 = relayed->http2;
    connection->certificate = relayed->certificate;
    accept_connection(worker, connection);
}

void rest_worker_free(struct rest_worker *worker)
{
    must(worker->n_connections == 0);
    timers_cancel(worker->core_worker->timers, &worker->look_again);
    rest_patience_fini(worker);
    h2o_context_dispose(&worker->context);
    if (worker->rest->settings.http2)
        rest_http2_worker_fini(worker);
    if (worker->deflater_is_ready)
        (void)deflateEnd(&worker->deflater);
    free(worker);
}
