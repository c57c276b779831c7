#include "tests/unit/server/loop_kit.h"

#include "shared/base/must.h"
#include "shared/base/tick.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_time(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static void on_timer_closed(uv_handle_t *handle)
{
    *(bool *)handle->data = true;
}

bool loop_until(uv_loop_t *loop, bool (*holds)(void *context), void *context, uint64_t most_ms,
                unsigned *turns)
{
    uv_timer_t timer;
    bool late = false, held = false;
    unsigned count = 0;
    must(uv_timer_init(loop, &timer) == 0);
    timer.data = &late;
    uv_update_time(loop);
    must(uv_timer_start(&timer, on_time, most_ms, 0) == 0);
    while (!(held = holds != NULL && holds(context)) && !late) {
        (void)uv_run(loop, UV_RUN_ONCE);
        count++;
    }
    late = false;
    uv_close((uv_handle_t *)&timer, on_timer_closed);
    while (!late)
        (void)uv_run(loop, UV_RUN_NOWAIT);
    if (turns != NULL)
        *turns = count;
    return held;
}

unsigned loop_for(uv_loop_t *loop, uint64_t ms)
{
    unsigned turns = 0;
    (void)loop_until(loop, NULL, NULL, ms, &turns);
    return turns;
}

void loop_close(uv_loop_t *loop)
{
    (void)uv_run(loop, UV_RUN_NOWAIT);
    must(uv_loop_close(loop) == 0);
}

static int connect_to(const struct sockaddr *address, socklen_t len)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, address, len) == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

int client_connect(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect_to((const struct sockaddr *)&address, sizeof address);
}

int client_connect_v6(uint16_t port)
{
    struct sockaddr_in6 address = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    return connect_to((const struct sockaddr *)&address, sizeof address);
}

void client_say(int fd, const char *text)
{
    must(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

void client_is_heard(int fd)
{
    struct tcp_info info = {.tcpi_unacked = 1};
    tick_ms until_ms = tick_now_ms() + 20000;
    while (info.tcpi_unacked > 0) {
        socklen_t len = sizeof info;
        must(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0);
        must(tick_now_ms() < until_ms);
        (void)sched_yield();
    }
}

bool client_is_closed(int fd, int ms)
{
    struct pollfd waited = {.fd = fd, .events = POLLIN};
    char byte;
    return poll(&waited, 1, ms) == 1 && recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) <= 0;
}

void client_pair(int fds[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(listening >= 0 && bind(listening, (struct sockaddr *)&address, len) == 0);
    must(listen(listening, 1) == 0);
    must(getsockname(listening, (struct sockaddr *)&address, &len) == 0);
    fds[0] = client_connect(ntohs(address.sin_port));
    fds[1] = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    must(fds[0] >= 0 && fds[1] >= 0);
    (void)close(listening);
}
