#include "server/socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,
    USER_TIMEOUT_MS = 30000, /* sent data may stay unacknowledged for so long (tcp(7)) */
    KEEPALIVE_IDLE_S = 60,
    KEEPALIVE_INTERVAL_S = 10,
    KEEPALIVE_PROBES = 3
};

static void set(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

static int open_socket(const struct addrinfo *at)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    /* Whoever says nothing costs nothing: accepted when the first bytes are there. */
    set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1);
    if (at->ai_family == AF_INET6)
        set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int problem = errno;
    (void)close(fd);
    errno = problem;
    return -1;
}

int socket_listen(const char *host, uint16_t port, const char *host_setting,
                  const char *port_setting, char error[256])
{
    char service[8];
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    (void)snprintf(service, sizeof service, "%u", port);
    int failed = getaddrinfo(host, service, &hints, &found);
    if (failed != 0) {
        (void)snprintf(error, 256, "%s: %.100s: %s", host_setting, host, gai_strerror(failed));
        return -1;
    }
    int fd = open_socket(found);
    if (fd < 0)
        (void)snprintf(error, 256, "%s: cannot listen on %.100s port %u: %s",
                       errno == EADDRNOTAVAIL ? host_setting : port_setting, host, port,
                       strerror(errno));
    freeaddrinfo(found);
    return fd;
}

static struct peer own_address(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    must(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    return peer_from_sockaddr((const struct sockaddr *)&address);
}

uint16_t socket_port(int fd)
{
    return own_address(fd).port;
}

bool socket_is_loopback(int fd)
{
    struct peer own = own_address(fd);
    return peer_is_loopback(&own);
}

bool socket_is_own(int fd, const struct peer *peer)
{
    struct peer own = own_address(fd);
    return memcmp(own.address, peer->address, sizeof own.address) == 0;
}

int socket_accept(int fd, struct peer *peer)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    int accepted = accept4(fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0)
        return -1;
    *peer = peer_from_sockaddr((const struct sockaddr *)&address);
    set(accepted, IPPROTO_TCP, TCP_NODELAY, 1);
    set(accepted, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
    set(accepted, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(accepted, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set(accepted, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    set(accepted, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
    return accepted;
}
