/* A model's server that takes its time, for the benchmark. Answers every POST as OpenAI does.
 *   slow_upstream <milliseconds> <chunks>
 * An answer comes after that time; where the body wants a stream, a chunk comes at once and then
 * one each time. A chunk's text is "@" and the nanosecond of CLOCK_MONOTONIC at which it left, in
 * 19 digits. Prints its port and serves until it is ended. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK                                                                                      \
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"    \
    "\"model\":\"mock\",\"choices\":[{\"index\":0,\"delta\":{%s},\"finish_reason\":%s}]}\n\n"

static const char answer[] =
    "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":"
    "\"mock\","
    "\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\","
    "\"content\":\"Arr, follow the gulls, matey.\"}}],\"usage\":{\"prompt_tokens\":40,"
    "\"completion_tokens\":9,\"total_tokens\":49}}";

struct conn {
    int fd;
    long left; /* chunks to come; -1 is a whole answer */
    bool waiting, closed;
    int64_t due;
    struct conn *next;
    size_t used;
    char in[8192];
};

/* All wait for the same time, so that who came first is due first. */
static struct conn *first, *last;
static int64_t wait_ns;
static long n_chunks;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void put(const struct conn *conn, const char *bytes, size_t len)
{
    if (send(conn->fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
        shutdown(conn->fd, SHUT_RDWR);
}

static void wait_for_turn(struct conn *conn, int64_t now)
{
    conn->due = now + wait_ns;
    conn->next = NULL;
    conn->waiting = true;
    *(first == NULL ? &first : &last->next) = conn;
    last = conn;
}

static void say_all(const struct conn *conn)
{
    char out[1024];
    int len = snprintf(out, sizeof out,
                       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       sizeof answer - 1, answer);
    put(conn, out, (size_t)len);
}

static void say_chunk(struct conn *conn, int64_t now)
{
    char event[512], delta[64], out[1024];
    const char *head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n";
    snprintf(delta, sizeof delta, "\"content\":\"@%019lld\"", (long long)now);
    int len = conn->left > 0
                  ? snprintf(event, sizeof event, CHUNK, delta, "null")
                  : snprintf(event, sizeof event, CHUNK "data: [DONE]\n\n", "", "\"stop\"");
    len = snprintf(out, sizeof out, "%s%x\r\n%s\r\n%s", conn->left == n_chunks ? head : "",
                   (unsigned)len, event, conn->left > 0 ? "" : "0\r\n\r\n");
    put(conn, out, (size_t)len);
    if (conn->left-- > 0)
        wait_for_turn(conn, now);
}

static void on_turn(int64_t now)
{
    while (first != NULL && first->due <= now) {
        struct conn *conn = first;
        first = conn->next;
        conn->waiting = false;
        if (conn->closed) {
            close(conn->fd);
            free(conn);
        } else if (conn->left >= 0) {
            say_chunk(conn, now_ns());
        } else {
            say_all(conn);
        }
    }
}

/* Takes a request off what was read, once it is whole. */
static void take(struct conn *conn)
{
    conn->in[conn->used] = '\0';
    char *body = strstr(conn->in, "\r\n\r\n"),
         *length = strcasestr(conn->in, "\r\ncontent-length:");
    if (body == NULL || length == NULL || conn->waiting)
        return;
    body += 4;
    if (conn->used < (size_t)(body - conn->in) + strtoul(length + 17, NULL, 10))
        return;
    bool stream = strstr(body, "\"stream\":true") != NULL;
    conn->used = 0;
    conn->left = stream ? n_chunks : -1;
    if (stream)
        say_chunk(conn, now_ns());
    else
        wait_for_turn(conn, now_ns());
}

static void on_bytes(struct conn *conn)
{
    ssize_t got = recv(conn->fd, conn->in + conn->used, sizeof conn->in - 1 - conn->used, 0);
    if (got > 0) {
        conn->used += (size_t)got;
        take(conn);
        return;
    }
    if (conn->waiting) {
        conn->closed = true;
        shutdown(conn->fd, SHUT_RDWR);
        return;
    }
    close(conn->fd);
    free(conn);
}

static void on_newcomer(int poll, int listener)
{
    int fd = accept(listener, NULL, NULL), on = 1;
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct conn *conn = calloc(1, sizeof *conn);
    conn->fd = fd;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET | EPOLLRDHUP, .data.ptr = conn};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0), poll = epoll_create1(0);
    if (argc != 3 || bind(listener, (struct sockaddr *)&at, len) != 0 ||
        listen(listener, 4096) != 0 || getsockname(listener, (struct sockaddr *)&at, &len) != 0)
        return 2;
    wait_ns = atol(argv[1]) * INT64_C(1000000);
    n_chunks = atol(argv[2]);
    struct epoll_event event = {.events = EPOLLIN}, events[256];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    for (;;) {
        int64_t rest = first == NULL ? 1000000000 : first->due - now_ns();
        struct timespec wait = {.tv_nsec = rest < 0 ? 0 : rest % 1000000000,
                                .tv_sec = rest < 0 ? 0 : rest / 1000000000};
        int n = epoll_pwait2(poll, events, 256, &wait, NULL);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                on_newcomer(poll, listener);
            else
                on_bytes(events[i].data.ptr);
        }
        on_turn(now_ns());
    }
}
