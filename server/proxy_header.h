/* The header of the PROXY protocol, by which a load balancer tells for whom it has connected.
 *
 * Versions 1 (a line of text) and 2 (binary) of HAProxy's doc/proxy-protocol.txt, of 2020/03/05.
 * Pure, and without memory of its own: it is given all bytes that have come so far, keeps none of
 * them, and looks at none behind the header. Lengths are bytes. Any thread. Whatever is not exactly
 * such a header is bad, as soon as that shows; the one cure is to close the connection.
 *
 * The fields (TLVs) behind the addresses of version 2 are skipped, checksums too. */
#ifndef WEIR_SERVER_PROXY_HEADER_H
#define WEIR_SERVER_PROXY_HEADER_H

#include "shared/base/must.h"
#include "shared/base/peer.h"
#include "shared/base/span.h"

enum {
    PROXY_HEADER_LINE_BYTES = 107, /* the longest line of version 1, its end included */
    PROXY_HEADER_MOST_BYTES = 4096 /* of version 2; the protocol means to stay below 536 */
};

enum proxy_header_result { PROXY_HEADER_WHOLE, PROXY_HEADER_PART, PROXY_HEADER_BAD };

struct proxy_header {
    /* WHOLE: its length. PART: as many bytes, which are more than there are, have to have come for
     * it to be whole; that it is bad may show before. */
    size_t bytes;
    /* It names a client. If not (LOCAL, UNKNOWN, or what is neither TCP over IPv4 nor over IPv6),
     * who connected is the client. */
    bool named;
    struct peer client;
};

/* Reads the header that `bytes` begin with. *header is set unless the result is BAD. */
MUST_USE enum proxy_header_result proxy_header_read(struct span bytes, struct proxy_header *header);

/* A header of version 2 that says: nobody's but my own connection. */
enum { PROXY_HEADER_LOCAL_BYTES = 16 };
extern const char proxy_header_local[PROXY_HEADER_LOCAL_BYTES];

#endif
