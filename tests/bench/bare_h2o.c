/* Yardstick: h2o on libuv with nothing behind it. Answers every request with the same bytes.
 *   bare_h2o <file with header lines> <file with the body>
 * Prints its port and serves until it is ended. */
#include <uv.h>

#include <h2o.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static h2o_globalconf_t conf;
static h2o_context_t context;
static h2o_accept_ctx_t accept_context;
static h2o_iovec_t body;
static h2o_iovec_t names[32], values[32];
static size_t n_headers;

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
    static h2o_generator_t generator = {NULL, NULL};
    (void)self;
    req->res.status = 200;
    req->res.reason = "OK";
    req->res.content_length = body.len;
    for (size_t i = 0; i < n_headers; i++)
        h2o_add_header_by_str(&req->pool, &req->res.headers, names[i].base, names[i].len, 0, NULL,
                              values[i].base, values[i].len);
    h2o_start_response(req, &generator);
    h2o_send(req, &body, 1, H2O_SEND_STATE_FINAL);
    return 0;
}

static void on_connection(uv_stream_t *listener, int status)
{
    if (status != 0)
        return;
    uv_tcp_t *connection = h2o_mem_alloc(sizeof *connection);
    uv_tcp_init(listener->loop, connection);
    if (uv_accept(listener, (uv_stream_t *)connection) != 0) {
        uv_close((uv_handle_t *)connection, (uv_close_cb)free);
        return;
    }
    uv_tcp_nodelay(connection, 1);
    h2o_accept(&accept_context, h2o_uv_socket_create((uv_stream_t *)connection, (uv_close_cb)free));
}

static char *read_all(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *bytes = malloc(1 << 20);
    if (file == NULL || bytes == NULL)
        exit(2);
    *len = fread(bytes, 1, (1 << 20) - 1, file);
    bytes[*len] = '\0';
    (void)fclose(file);
    return bytes;
}

static void read_headers(char *text)
{
    char *next = NULL;
    for (char *line = strtok_r(text, "\r\n", &next); line != NULL && n_headers < 32;
         line = strtok_r(NULL, "\r\n", &next)) {
        char *colon = strstr(line, ": ");
        if (colon == NULL)
            continue;
        names[n_headers] = h2o_iovec_init(line, (size_t)(colon - line));
        values[n_headers] = h2o_iovec_init(colon + 2, strlen(colon + 2));
        n_headers++;
    }
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    size_t len;
    read_headers(read_all(argv[1], &len));
    body.base = read_all(argv[2], &body.len);

    h2o_config_init(&conf);
    conf.server_name = (h2o_iovec_t){NULL, 0};
    h2o_hostconf_t *host =
        h2o_config_register_host(&conf, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    h2o_create_handler(path, sizeof(h2o_handler_t))->on_req = on_request;

    uv_loop_t loop;
    uv_loop_init(&loop);
    h2o_context_init(&context, &loop, &conf);
    accept_context = (h2o_accept_ctx_t){.ctx = &context, .hosts = conf.hosts};

    uv_tcp_t listener;
    struct sockaddr_in address;
    int address_len = sizeof address;
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(&loop, &listener);
    if (uv_tcp_bind(&listener, (struct sockaddr *)&address, 0) != 0 ||
        uv_listen((uv_stream_t *)&listener, 1024, on_connection) != 0)
        return 1;
    uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &address_len);
    printf("%d\n", ntohs(address.sin_port));
    (void)fflush(stdout);
    return uv_run(&loop, UV_RUN_DEFAULT);
}
