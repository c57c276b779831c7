/* Strict framing of a request head (N2). Of HTTP/1.1 it is checked on the raw bytes: h2o hides
 * duplicates of Content-Length, Transfer-Encoding and Host from its handlers. Pure.
 *
 * Source: RFC 9112 sections 2.2, 3, 5.2 and 6; RFC 9110 section 7.2; RFC 9113 section
 * 8.2 and 8.3. */
#ifndef WEIR_REST_REST_FRAMING_H
#define WEIR_REST_REST_FRAMING_H

#include "shared/base/must.h"
#include "shared/base/span.h"
#include "shared/verdict.h"

enum { FRAMING_HEAD_BYTES = 16 * 1024, FRAMING_HEADERS = 100 };

/* `bytes` begins with the request line; more than the head may follow. VERDICT_OK, or MALFORMED,
 * HEADERS_TOO_LARGE, HTTP_VERSION with a sentence for the caller in *detail. */
MUST_USE enum verdict_code framing_check(struct span bytes, struct span *detail);

/* A head that came over HTTP/2 and has been decoded. Names in lower case, no Connection, no
 * Transfer-Encoding and a Content-Length that fits the body are the decoder's to see to. */
struct framing_head {
    struct span method, target, authority;
    size_t fields;
    size_t bytes; /* as HTTP/1.1 would have them */
    bool has_nameless;
    bool has_connection_field; /* one that is about the connection (RFC 9113 section 8.2.2) */
};

MUST_USE enum verdict_code framing_check_decoded(const struct framing_head *head,
                                                 struct span *detail);

#endif
