#include "server/probe.h"

#include "server/proxy_header.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/ssl.h>
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

/* TLS without asking whose certificate it is: this machine is asked about itself, and nothing
 * secret is said. NULL: no handshake. */
static SSL *begin_tls(int fd)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL)
        return NULL;
    (void)SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL *ssl = SSL_new(context);
    SSL_CTX_free(context); /* ssl has its own reference */
    if (ssl != NULL && SSL_set_fd(ssl, fd) == 1 && SSL_connect(ssl) == 1)
        return ssl;
    SSL_free(ssl);
    return NULL;
}

static bool say(int fd, SSL *ssl, const char *text, size_t len)
{
    return ssl != NULL ? SSL_write(ssl, text, (int)len) == (int)len
                       : send(fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static ssize_t hear(int fd, SSL *ssl, char *to, size_t len)
{
    return ssl != NULL ? SSL_read(ssl, to, (int)len) : recv(fd, to, len, 0);
}

static int ask(int fd, SSL *ssl)
{
    static const char question[] =
        "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    static const char wanted[] = "HTTP/1.1 200 ";
    char answer[sizeof wanted] = "";
    size_t got = 0;
    bool sent = say(fd, ssl, question, sizeof question - 1);
    while (sent && got < sizeof wanted - 1) {
        ssize_t n = hear(fd, ssl, answer + got, sizeof wanted - 1 - got);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    if (strcmp(answer, wanted) != 0)
        return fail("answer", got == 0 ? "none within its time" : "not 200");
    return 0;
}

int probe_run(const struct config *config)
{
    const char *why = "";
    SSL *ssl = NULL;
    int fd = connect_to(config->host, config->port, &why), code = 0;
    if (fd < 0)
        return fail("connect", why);
    bool tls = config->tls_cert_file[0] != '\0';
    if (config->proxy_protocol[0] != '\0')
        (void)say(fd, NULL, proxy_header_local, sizeof proxy_header_local);
    if (tls)
        ssl = begin_tls(fd);
    if (tls && ssl == NULL)
        code = fail("TLS", "no handshake");
    else if (config->tls_client_ca_file[0] == '\0') /* else nobody without a certificate is heard */
        code = ask(fd, ssl);
    SSL_free(ssl);
    (void)close(fd);
    return code;
}
