#include "server/local_model.h"

#include "shared/base/tick.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static bool wait_for(int fd, short events, tick_ms until_ms)
{
    struct pollfd one = {.fd = fd, .events = events};
    tick_ms now_ms = tick_now_ms();
    return now_ms < until_ms && poll(&one, 1, (int)(until_ms - now_ms)) == 1;
}

static bool connect_to(int fd, uint16_t port, tick_ms until_ms)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int error = 0;
    socklen_t len = sizeof error;
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return true;
    return errno == EINPROGRESS && wait_for(fd, POLLOUT, until_ms) &&
           getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0;
}

/* All that comes until the server closes. */
static void receive(int fd, struct buf *answer, tick_ms until_ms)
{
    while (wait_for(fd, POLLIN, until_ms)) {
        char *room = buf_reserve(answer, 4096);
        ssize_t got = room != NULL ? recv(fd, room, 4096, 0) : 0;
        if (got <= 0)
            return;
        answer->len += (size_t)got;
    }
}

/* {"object":"list","data":[{"id":"llama3.2:latest","object":"model"}]} */
static bool read_models(struct span answer, struct local_model *found)
{
    const char *body = answer.len > 0 ? memmem(answer.at, answer.len, "\r\n\r\n", 4) : NULL;
    if (body == NULL || !span_starts_with(answer, "HTTP/1.0 200"))
        if (body == NULL || !span_starts_with(answer, "HTTP/1.1 200"))
            return false;
    size_t head = (size_t)(body - answer.at) + 4;
    json_t *list = json_loadb(answer.at + head, answer.len - head, 0, NULL);
    const json_t *first = json_array_get(json_object_get(list, "data"), 0);
    const char *id = json_string_value(json_object_get(first, "id"));
    bool usable = id != NULL && id[0] != '\0' && strlen(id) < sizeof found->model;
    if (usable)
        (void)snprintf(found->model, sizeof found->model, "%s", id);
    json_decref(list);
    return usable;
}

bool local_model_ask(uint16_t port, struct local_model *found)
{
    /* HTTP/1.0, so that the answer is neither chunked nor kept open. */
    static const char request[] = "GET /v1/models HTTP/1.0\r\nHost: 127.0.0.1\r\n"
                                  "Accept: application/json\r\n\r\n";
    tick_ms until_ms = tick_now_ms() + LOCAL_MODEL_MS;
    struct buf answer;
    bool usable = false;
    *found = (struct local_model){0};
    buf_init(&answer, NULL, LOCAL_MODEL_BYTES);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    if (connect_to(fd, port, until_ms) &&
        send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1) {
        receive(fd, &answer, until_ms);
        usable = read_models(buf_span(&answer), found);
    }
    (void)close(fd);
    buf_fini(&answer);
    (void)snprintf(found->url, sizeof found->url, "http://127.0.0.1:%u/v1", (unsigned)port);
    return usable;
}

bool local_model_find(const struct config *config, struct local_model *found)
{
    static const uint16_t ports[] = {11434, 8000, 8080};
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++)
        if (ports[i] != config->port && ports[i] != config->grpc_port &&
            local_model_ask(ports[i], found))
            return true;
    *found = (struct local_model){0};
    return false;
}
