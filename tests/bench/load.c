/* Load over HTTP/1.1 that wrk and h2load cannot make: many streams at once, and an open load, whose
 * requests leave when they are due, however slow the answers are.
 *   load streams <port> <file with the request> <streams>
 *   load rate <port> <file with the request> <requests a second> <seconds>
 * Prints one line. streams: the whole ones, first chunk p50 and p99 after the request, a chunk p50
 * and p99 after it left the upstream, longest gap between two; in microseconds. rate: requests,
 * good ones, p50 and p99 after they were due in microseconds, most at once. */
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

enum { MOST_CONNECTIONS = 9500, MOST_SAMPLES = 1 << 21, STAMP = 19, PATIENCE_S = 20 };

struct conn {
    int fd;
    bool sent, busy;
    int64_t began, before;
    size_t used;
    struct conn *next; /* of the idle ones */
    char in[16384 + 1];
};

struct samples {
    int64_t *all;
    size_t n;
};

static char request[8192];
static size_t request_len;
static struct sockaddr_in target = {.sin_family = AF_INET};
static struct samples firsts, chunks;
static int64_t longest_gap;
static struct conn *idle;
static size_t n_conns, n_busy, most_busy, n_good, n_bad;
static bool streams;
static int epoll;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void note(struct samples *samples, int64_t value)
{
    if (samples->n < MOST_SAMPLES)
        samples->all[samples->n++] = value;
}

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static double micros_at(struct samples *samples, double part)
{
    if (samples->n == 0)
        return 0;
    qsort(samples->all, samples->n, sizeof *samples->all, compare);
    return (double)samples->all[(size_t)((double)(samples->n - 1) * part)] / 1e3;
}

static void drop(struct conn *conn)
{
    for (struct conn **at = &idle; *at != NULL; at = &(*at)->next) {
        if (*at == conn) {
            *at = conn->next;
            break;
        }
    }
    if (conn->busy) {
        n_busy--;
        n_bad++;
    }
    n_conns--;
    close(conn->fd);
    free(conn);
}

static void finish(struct conn *conn, bool good)
{
    conn->busy = false;
    n_busy--;
    *(good ? &n_good : &n_bad) += 1;
    conn->used = 0;
    if (streams)
        return;
    note(&firsts, now_ns() - conn->began);
    conn->next = idle;
    idle = conn;
}

/* Takes the stamped chunks off what was read; what may be the start of one stays. */
static void read_stamps(struct conn *conn)
{
    int64_t now = now_ns();
    char *at = conn->in, *mark;
    conn->in[conn->used] = '\0';
    while ((mark = strchr(at, '@')) != NULL && strlen(mark) > STAMP) {
        note(&chunks, now - strtoll(mark + 1, NULL, 10));
        if (conn->before == 0)
            note(&firsts, now - conn->began);
        else if (now - conn->before > longest_gap)
            longest_gap = now - conn->before;
        conn->before = now;
        at = mark + 1 + STAMP;
    }
    if (strstr(at, "[DONE]") != NULL) {
        finish(conn, true);
        return;
    }
    size_t rest = strlen(at), keep = mark != NULL ? strlen(mark) : rest < 8 ? rest : 8;
    memmove(conn->in, at + rest - keep, keep);
    conn->used = keep;
}

static void read_answer(struct conn *conn)
{
    conn->in[conn->used] = '\0';
    char *body = strstr(conn->in, "\r\n\r\n");
    if (body == NULL)
        return;
    char *length = strcasestr(conn->in, "\r\ncontent-length:");
    bool whole = length != NULL && length < body
                     ? conn->used >= (size_t)(body + 4 - conn->in) + strtoul(length + 17, NULL, 10)
                     : strcmp(conn->in + conn->used - 5, "0\r\n\r\n") == 0;
    if (whole)
        finish(conn, strncmp(conn->in, "HTTP/1.1 200", 12) == 0);
}

static void send_request(struct conn *conn)
{
    conn->sent = send(conn->fd, request, request_len, MSG_NOSIGNAL) == (ssize_t)request_len;
}

static void on_event(struct conn *conn, uint32_t events)
{
    if ((events & EPOLLOUT) != 0 && conn->busy && !conn->sent)
        send_request(conn);
    while ((events & EPOLLIN) != 0) {
        ssize_t got = recv(conn->fd, conn->in + conn->used, sizeof conn->in - 1 - conn->used, 0);
        if (got < 0)
            break;
        if (got == 0) {
            drop(conn);
            return;
        }
        conn->used += (size_t)got;
        if (!conn->busy)
            conn->used = 0;
        else if (streams)
            read_stamps(conn);
        else
            read_answer(conn);
    }
    if ((events & (EPOLLERR | EPOLLHUP)) != 0)
        drop(conn);
}

static void ask(int64_t due)
{
    struct conn *conn = idle;
    if (conn == NULL && n_conns >= MOST_CONNECTIONS) {
        n_bad++;
        return;
    }
    if (conn != NULL) {
        idle = conn->next;
    } else {
        int on = 1;
        conn = calloc(1, sizeof *conn);
        conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)connect(conn->fd, (struct sockaddr *)&target, sizeof target);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = conn};
        epoll_ctl(epoll, EPOLL_CTL_ADD, conn->fd, &event);
        n_conns++;
    }
    conn->busy = true;
    conn->began = due;
    if (++n_busy > most_busy)
        most_busy = n_busy;
    send_request(conn);
}

static bool prepare(char **argv)
{
    FILE *file = fopen(argv[3], "rb");
    if (file == NULL)
        return false;
    request_len = fread(request, 1, sizeof request, file);
    fclose(file);
    streams = strcmp(argv[1], "streams") == 0;
    target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    target.sin_port = htons((uint16_t)atoi(argv[2]));
    firsts.all = malloc(MOST_SAMPLES * sizeof(int64_t));
    chunks.all = malloc(MOST_SAMPLES * sizeof(int64_t));
    epoll = epoll_create1(0);
    return firsts.all != NULL && chunks.all != NULL;
}

int main(int argc, char **argv)
{
    if (argc < 5 || !prepare(argv))
        return 2;
    /* Streams begin within one second, as callers do not all come in one instant. */
    int64_t rate = atol(argv[4]), seconds = streams ? 1 : atol(argv[5]), asked = 0;
    int64_t began = now_ns(), all = rate * seconds, step = 1000000000 / rate;
    int64_t end = began + (seconds + PATIENCE_S) * INT64_C(1000000000);
    while (now_ns() < end && (asked < all || n_busy > 0)) {
        while (asked < all && began + asked * step <= now_ns()) {
            ask(began + asked * step);
            asked++;
        }
        int64_t rest = asked < all ? began + asked * step - now_ns() : 100000000;
        struct timespec wait = {.tv_nsec = rest < 0 ? 0 : rest % 1000000000};
        struct epoll_event events[256];
        int n = epoll_pwait2(epoll, events, 256, &wait, NULL);
        for (int i = 0; i < n; i++)
            on_event(events[i].data.ptr, events[i].events);
    }
    if (streams)
        printf("%zu %.1f %.1f %.1f %.1f %.1f\n", n_good, micros_at(&firsts, 0.5),
               micros_at(&firsts, 0.99), micros_at(&chunks, 0.5), micros_at(&chunks, 0.99),
               (double)longest_gap / 1e3);
    else
        printf("%lld %zu %.1f %.1f %zu\n", (long long)all, n_good, micros_at(&firsts, 0.5),
               micros_at(&firsts, 0.99), most_busy);
    return 0;
}
