#include "server/balancers.h"

#include "server/socket.h"

#include <sys/socket.h>

bool balancers_any(const struct cidr_list *balancers)
{
    return balancers->n > 0;
}

static enum proxy_header_result look(int fd, struct proxy_header *header)
{
    char bytes[PROXY_HEADER_MOST_BYTES];
    ssize_t got = recv(fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    return proxy_header_read(span_make(bytes, got > 0 ? (size_t)got : 0), header);
}

static bool take(int fd, size_t len)
{
    char bytes[PROXY_HEADER_MOST_BYTES];
    must(len <= sizeof bytes);
    return recv(fd, bytes, len, MSG_DONTWAIT) == (ssize_t)len;
}

enum introduction balancers_introduce(const struct cidr_list *balancers, int fd, struct peer *peer)
{
    struct proxy_header header;
    bool listed = cidr_list_has(balancers, peer);
    if (!listed && !socket_is_own(fd, peer))
        return INTRODUCTION_FOREIGN;
    switch (look(fd, &header)) {
    case PROXY_HEADER_PART:
        return INTRODUCTION_PART;
    case PROXY_HEADER_BAD:
        return INTRODUCTION_BAD;
    case PROXY_HEADER_WHOLE:
        break;
    }
    if (header.named && !listed)
        return INTRODUCTION_FOREIGN;
    if (!take(fd, header.bytes))
        return INTRODUCTION_BAD;
    if (header.named)
        *peer = header.client;
    return INTRODUCED;
}

size_t balancers_look(int fd)
{
    struct proxy_header header;
    return look(fd, &header) == PROXY_HEADER_PART ? header.bytes : 0;
}
