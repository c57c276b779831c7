/* HTTP/1.1 in as far as libcurl's POSTs need it. */
#include "tests/unit/llm/upstream.h"

#include "shared/base/must.h"

#include <stdlib.h>

struct connection {
    uv_tcp_t tcp;
    uv_timer_t timer;
    struct upstream *upstream;
    struct connection *next; /* all of the upstream's, so that they can be closed */
    struct buf in;
    const struct act *act; /* NULL: no answer under way */
    unsigned left;         /* of a flood */
    unsigned handles;
    bool closing;
};

struct writing {
    uv_write_t write;
    struct connection *connection;
    struct buf text;
};

static struct connection *all; /* of all upstreams */

static void step(struct connection *connection);
static void begin(struct connection *connection);

static void on_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    if (--connection->handles > 0)
        return;
    struct connection **at = &all;
    while (*at != connection)
        at = &(*at)->next;
    *at = connection->next;
    buf_fini(&connection->in);
    free(connection);
}

static void over(struct connection *connection)
{
    if (connection->act != NULL)
        connection->upstream->running--;
    connection->act = NULL;
}

static void close_connection(struct connection *connection, bool reset)
{
    if (connection->closing)
        return;
    connection->closing = true;
    over(connection);
    connection->upstream->open--;
    uv_close((uv_handle_t *)&connection->timer, on_closed);
    if (reset)
        must(uv_tcp_close_reset(&connection->tcp, on_closed) == 0);
    else
        uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

static void on_written(uv_write_t *write, int status)
{
    struct writing *writing = container_of(write, struct writing, write);
    struct connection *connection = writing->connection;
    if (status == 0)
        connection->upstream->written += writing->text.len;
    buf_fini(&writing->text);
    free(writing);
    if (status == 0 && !connection->closing)
        step(connection);
}

/* Goes on with the script when it is written. */
static void say(struct connection *connection, const char *text, bool chunk)
{
    struct writing *writing = calloc(1, sizeof *writing);
    must(writing != NULL);
    writing->connection = connection;
    buf_init(&writing->text, NULL, 16 << 20);
    if (chunk)
        buf_printf(&writing->text, "%zx\r\n", strlen(text));
    buf_put_text(&writing->text, text);
    if (chunk)
        buf_put_text(&writing->text, "\r\n");
    uv_buf_t bytes = uv_buf_init(writing->text.at, (unsigned)writing->text.len);
    must(uv_write(&writing->write, (uv_stream_t *)&connection->tcp, &bytes, 1, on_written) == 0);
}

static void on_timer(uv_timer_t *timer)
{
    step(timer->data);
}

static void step(struct connection *connection)
{
    const struct act *act = connection->act;
    if (act == NULL)
        return;
    if (act->kind == ACT_FLOOD && connection->left == 0)
        connection->left = act->count;
    if (act->kind != ACT_FLOOD || --connection->left == 0)
        connection->act = act + 1;
    switch (act->kind) {
    case ACT_SAY:
        say(connection, act->text, false);
        break;
    case ACT_EVENT:
    case ACT_FLOOD:
        say(connection, act->text, true);
        break;
    case ACT_WAIT:
        must(uv_timer_start(&connection->timer, on_timer, act->count, 0) == 0);
        break;
    case ACT_CLOSE:
    case ACT_RESET:
        close_connection(connection, act->kind == ACT_RESET);
        break;
    case ACT_HANG:
        break;
    case ACT_END:
        connection->upstream->answered++;
        connection->act = act;
        over(connection);
        begin(connection);
    }
}

/* A whole request? Then its length. */
static size_t request_bytes(const struct buf *in)
{
    const char *end = in->len > 0 ? memmem(in->at, in->len, "\r\n\r\n", 4) : NULL;
    if (end == NULL)
        return 0;
    size_t head = (size_t)(end - in->at) + 4;
    const char *length = memmem(in->at, head, "Content-Length: ", 16);
    size_t all_bytes = head + (length != NULL ? strtoul(length + 16, NULL, 10) : 0);
    return all_bytes <= in->len ? all_bytes : 0;
}

static void begin(struct connection *connection)
{
    struct upstream *upstream = connection->upstream;
    size_t len = request_bytes(&connection->in);
    if (len == 0)
        return;
    must(connection->act == NULL && len == connection->in.len);
    buf_clear(&upstream->request);
    buf_put_span(&upstream->request, buf_span(&connection->in));
    buf_clear(&connection->in);
    upstream->requests++;
    upstream->running++;
    if (upstream->running > upstream->most_running)
        upstream->most_running = upstream->running;
    connection->act = upstream->script;
    connection->left = 0;
    step(connection);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *out)
{
    static char room[65536];
    (void)handle;
    (void)size;
    *out = uv_buf_init(room, sizeof room);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    struct connection *connection = stream->data;
    if (n < 0) {
        connection->upstream->aborted += connection->act != NULL;
        close_connection(connection, false);
        return;
    }
    buf_put(&connection->in, bytes->base, (size_t)n);
    begin(connection);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct upstream *upstream = listener->data;
    struct connection *connection = calloc(1, sizeof *connection);
    must(status == 0 && connection != NULL);
    connection->upstream = upstream;
    connection->next = all;
    all = connection;
    connection->handles = 2;
    buf_init(&connection->in, NULL, 64 << 20);
    must(uv_tcp_init(upstream->loop, &connection->tcp) == 0);
    must(uv_timer_init(upstream->loop, &connection->timer) == 0);
    connection->tcp.data = connection->timer.data = connection;
    must(uv_accept(listener, (uv_stream_t *)&connection->tcp) == 0);
    must(uv_tcp_nodelay(&connection->tcp, 1) == 0);
    must(uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read) == 0);
    upstream->connections++;
    upstream->open++;
}

/* Both families have their port in the same place. */
static void listen_at(struct upstream *upstream, const struct sockaddr *at)
{
    struct sockaddr_storage address;
    int len = sizeof address;
    must(uv_tcp_init(upstream->loop, &upstream->listener) == 0);
    upstream->listener.data = upstream;
    must(uv_tcp_bind(&upstream->listener, at, 0) == 0);
    must(uv_tcp_getsockname(&upstream->listener, (struct sockaddr *)&address, &len) == 0);
    upstream->port = ntohs(((const struct sockaddr_in *)(const void *)&address)->sin_port);
    must(uv_listen((uv_stream_t *)&upstream->listener, 1024, on_connection) == 0);
}

void upstream_start(struct upstream *upstream, uv_loop_t *loop)
{
    struct sockaddr_in address;
    *upstream = (struct upstream){.loop = loop};
    buf_init(&upstream->request, NULL, 64 << 20);
    must(uv_ip4_addr("127.0.0.1", 0, &address) == 0);
    listen_at(upstream, (struct sockaddr *)&address);
}

void upstream_move_to_ipv6(struct upstream *upstream)
{
    struct sockaddr_in6 address;
    must(uv_ip6_addr("::1", 0, &address) == 0);
    uv_close((uv_handle_t *)&upstream->listener, NULL);
    (void)uv_run(upstream->loop, UV_RUN_NOWAIT);
    listen_at(upstream, (struct sockaddr *)&address);
}

void upstream_stop(struct upstream *upstream)
{
    for (struct connection *one = all; one != NULL; one = one->next)
        if (one->upstream == upstream)
            close_connection(one, false);
    uv_close((uv_handle_t *)&upstream->listener, NULL);
    buf_fini(&upstream->request);
}
