#include "server/probe.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PROBE_SECONDS = 2 };

static int fail(const char *what, const char *why)
{
    (void)fprintf(stderr, "weir: health: %s: %s\n", what, why);
    return 1;
}

/* Whoever listens on all addresses listens on the loopback, too. */
static const char *address_of(const char *host)
{
    if (strcmp(host, "0.0.0.0") == 0)
        return "127.0.0.1";
    return strcmp(host, "::") == 0 ? "::1" : host;
}

/* A connected socket with time-outs; -1: *why says why. */
static int connect_to(const char *host, uint64_t port, const char **why)
{
    const struct timeval limit = {.tv_sec = PROBE_SECONDS};
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *address = NULL;
    char service[24];
    (void)snprintf(service, sizeof service, "%u", (unsigned)port);
    int wrong = getaddrinfo(address_of(host), service, &hints, &address);
    if (wrong != 0) {
        *why = gai_strerror(wrong);
        return -1;
    }
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    }
    if (fd < 0 || connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
        *why = strerror(errno);
        if (fd >= 0)
            (void)close(fd);
        fd = -1;
    }
    freeaddrinfo(address);
    return fd;
}

int probe_run(const struct config *config)
{
    static const char question[] =
        "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    static const char wanted[] = "HTTP/1.1 200 ";
    char answer[sizeof wanted] = "";
    size_t got = 0;
    const char *why = "";
    int fd = connect_to(config->host, config->port, &why);
    if (fd < 0)
        return fail("connect", why);
    bool sent = send(fd, question, sizeof question - 1, MSG_NOSIGNAL) == sizeof question - 1;
    while (sent && got < sizeof wanted - 1) {
        ssize_t n = recv(fd, answer + got, sizeof wanted - 1 - got, 0);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    (void)close(fd);
    if (strcmp(answer, wanted) != 0)
        return fail("answer", got == 0 ? "none within its time" : "not 200");
    return 0;
}
