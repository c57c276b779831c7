#include "server/peek.h"

enum peek_result peek_decide(struct span first_bytes)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    size_t n = first_bytes.len < PEEK_BYTES ? first_bytes.len : PEEK_BYTES;
    if (n > 0 && memcmp(first_bytes.at, preface, n) != 0)
        return PEEK_HTTP1;
    return n == PEEK_BYTES ? PEEK_HTTP2 : PEEK_MORE;
}
