#include "server/peek.h"

#include <sys/socket.h>

enum peek_result peek_decide(struct span first_bytes)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    size_t n = first_bytes.len < PEEK_BYTES ? first_bytes.len : PEEK_BYTES;
    if (n > 0 && memcmp(first_bytes.at, preface, n) != 0)
        return PEEK_HTTP1;
    return n == PEEK_BYTES ? PEEK_HTTP2 : PEEK_MORE;
}

enum peek_result peek_look(int fd)
{
    char bytes[PEEK_BYTES];
    ssize_t got = recv(fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    return got > 0 ? peek_decide(span_make(bytes, (size_t)got)) : PEEK_MORE;
}

size_t peek_wants(int fd)
{
    return peek_look(fd) == PEEK_MORE ? PEEK_BYTES : 0;
}
