#include "server/admin.h"

#include "server/admin_http.h"
#include "server/socket.h"
#include "shared/base/log.h"
#include "shared/base/version.h"
#include "shared/policy/hosts.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    MOST_CONNECTIONS = 32,
    CONNECTION_MS = 5000, /* for one from its first byte to its end */
    BACKLOG = 64,
    HANDLES = 2,                    /* of a connection */
    METRICS_BYTES = 8 * 1024 * 1024 /* bounded by the contract, not by callers */
};

struct admin {
    struct admin_settings settings;
    uv_loop_t *loop;
    uv_tcp_t listener;
    bool is_loopback; /* then pages of other sites must not reach it by a name of theirs */
    bool closing;
    struct admin_connection *connections;
    size_t n_connections;
};

struct admin_connection {
    struct admin *admin;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    struct buf response;
    struct admin_connection *next, *previous;
    unsigned open_handles;
    size_t len;
    char head[ADMIN_HEAD_BYTES];
};

static void free_when_done(struct admin *admin)
{
    if (admin->closing && admin->n_connections == 0 && admin->listener.data == NULL)
        free(admin);
}

/* --- connections --- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct admin_connection *connection = handle->data;
    struct admin *admin = connection->admin;
    if (--connection->open_handles > 0)
        return;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        admin->connections = connection->next;
    admin->n_connections--;
    buf_fini(&connection->response);
    free(connection);
    free_when_done(admin);
}

static void end(struct admin_connection *connection)
{
    if (uv_is_closing((uv_handle_t *)&connection->tcp))
        return;
    uv_close((uv_handle_t *)&connection->tcp, on_handle_closed);
    uv_close((uv_handle_t *)&connection->timer, on_handle_closed);
}

static void on_time_up(uv_timer_t *timer)
{
    end(timer->data);
}

static void on_written(uv_write_t *write, int status)
{
    (void)status;
    end(write->data);
}

static void write_version(struct buf *out)
{
    const struct exposition_label members[] = {
        {"version", weir_version},       {"branch", weir_branch},         {"commit", weir_commit},
        {"build_time", weir_build_time}, {"build_type", weir_build_type},
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        buf_put_char(out, i == 0 ? '{' : ',');
        buf_put_json_string(out, span_of(members[i].name));
        buf_put_char(out, ':');
        buf_put_json_string(out, span_of(members[i].value));
    }
    buf_put_char(out, '}');
}

/* The body into `out`; returns the status and settles *type. */
static int answer(struct admin *admin, const struct admin_request *request, struct buf *out,
                  const char **type)
{
    *type = "application/json";
    if (span_is(request->path, "/metrics")) {
        struct exposition exposition = {.out = out, .openmetrics = request->openmetrics};
        *type = exposition_type(request->openmetrics);
        admin->settings.write_metrics(admin->settings.context, &exposition);
        exposition_end(&exposition);
        return out->overflow ? 503 : 200;
    }
    if (span_is(request->path, "/ready") || span_is(request->path, "/readyz"))
        return readiness_write(admin->settings.readiness, out) ? 200 : 503;
    if (span_is(request->path, "/version")) {
        write_version(out);
        return 200;
    }
    bool live = span_is(request->path, "/live") || span_is(request->path, "/health") ||
                span_is(request->path, "/healthz");
    buf_put_text(out, live ? "{\"status\":\"ok\"}" : "{\"status\":\"not found\"}");
    return live ? 200 : 404;
}

/* An address or "localhost": no name that a page could have pointed here. */
static bool is_local_name(struct span authority)
{
    struct span host = hosts_of_authority(authority);
    bool is_address = host.len > 0;
    for (size_t i = 0; i < host.len; i++)
        is_address &=
            (host.at[i] >= '0' && host.at[i] <= '9') || host.at[i] == '.' || host.at[0] == '[';
    return is_address || span_is_nocase(host, "localhost");
}

static void respond(struct admin_connection *connection, enum admin_reading reading,
                    const struct admin_request *request)
{
    struct admin *admin = connection->admin;
    const char *type = "application/json";
    struct buf body;
    int status = 400;
    bool head = span_is(request->method, "HEAD");
    buf_init(&body, NULL, METRICS_BYTES);
    if (reading == ADMIN_BAD || (admin->is_loopback && !is_local_name(request->host)))
        buf_put_text(&body, "{\"status\":\"bad request\"}");
    else if (!head && !span_is(request->method, "GET"))
        status = 405;
    else
        status = answer(admin, request, &body, &type);
    admin_http_write(&connection->response, status, type, buf_span(&body), head);
    buf_fini(&body);
    uv_buf_t bytes = uv_buf_init(connection->response.at, (unsigned)connection->response.len);
    connection->write.data = connection;
    (void)uv_read_stop((uv_stream_t *)&connection->tcp);
    if (uv_write(&connection->write, (uv_stream_t *)&connection->tcp, &bytes, 1, on_written) != 0)
        end(connection);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    struct admin_connection *connection = handle->data;
    (void)suggested;
    *room = uv_buf_init(connection->head + connection->len,
                        (unsigned)(sizeof connection->head - connection->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *room)
{
    struct admin_connection *connection = stream->data;
    struct admin_request request;
    (void)room;
    if (n < 0) {
        end(connection);
        return;
    }
    connection->len += (size_t)n;
    enum admin_reading reading =
        admin_http_read(span_make(connection->head, connection->len), &request);
    if (reading != ADMIN_MORE)
        respond(connection, reading, &request);
}

/* Makes room for one who may be a probe: the oldest has had the most time. */
static void end_oldest(struct admin *admin)
{
    struct admin_connection *oldest = NULL;
    for (struct admin_connection *at = admin->connections; at != NULL; at = at->next)
        if (!uv_is_closing((uv_handle_t *)&at->tcp))
            oldest = at;
    if (oldest != NULL)
        end(oldest);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct admin *admin = listener->data;
    if (status < 0)
        return;
    if (admin->n_connections >= MOST_CONNECTIONS)
        end_oldest(admin);
    struct admin_connection *connection = calloc(1, sizeof *connection);
    must(connection != NULL);
    connection->admin = admin;
    connection->open_handles = HANDLES;
    must(uv_tcp_init(admin->loop, &connection->tcp) == 0);
    must(uv_timer_init(admin->loop, &connection->timer) == 0);
    connection->tcp.data = connection->timer.data = connection;
    buf_init(&connection->response, NULL, METRICS_BYTES + ADMIN_HEAD_BYTES);
    connection->next = admin->connections;
    if (connection->next != NULL)
        connection->next->previous = connection;
    admin->connections = connection;
    admin->n_connections++;
    if (uv_accept(listener, (uv_stream_t *)&connection->tcp) != 0 ||
        uv_read_start((uv_stream_t *)&connection->tcp, give_room, on_read) != 0) {
        end(connection);
        return;
    }
    must(uv_timer_start(&connection->timer, on_time_up, CONNECTION_MS, 0) == 0);
}

/* --- the listener --- */

struct admin *admin_open(uv_loop_t *loop, const struct admin_settings *settings, char error[256])
{
    int fd = socket_listen(settings->host, settings->port, "ADMIN_HOST", "ADMIN_PORT", error);
    if (fd < 0)
        return NULL;
    struct admin *admin = calloc(1, sizeof *admin);
    must(admin != NULL);
    admin->settings = *settings;
    admin->loop = loop;
    admin->is_loopback = socket_is_loopback(fd);
    if (!admin->is_loopback)
        log_event(LOG_WARNING, "admin", "reachable_by_others", "setting", "ADMIN_HOST");
    must(uv_tcp_init(loop, &admin->listener) == 0);
    admin->listener.data = admin;
    must(uv_tcp_open(&admin->listener, fd) == 0);
    must(uv_listen((uv_stream_t *)&admin->listener, BACKLOG, on_connection) == 0);
    return admin;
}

uint16_t admin_port(const struct admin *admin)
{
    uv_os_fd_t fd;
    must(uv_fileno((const uv_handle_t *)&admin->listener, &fd) == 0);
    return socket_port(fd);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct admin *admin = handle->data;
    handle->data = NULL;
    free_when_done(admin);
}

void admin_close(struct admin *admin)
{
    if (admin == NULL || admin->closing)
        return;
    admin->closing = true;
    for (struct admin_connection *at = admin->connections; at != NULL; at = at->next)
        end(at);
    uv_close((uv_handle_t *)&admin->listener, on_listener_closed);
}
