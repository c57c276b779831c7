/* Strict framing of an HTTP/1.1 request head (N2), checked on the raw bytes: h2o hides duplicates
 * of Content-Length, Transfer-Encoding and Host from its handlers. Pure.
 *
 * Source: RFC 9112 sections 2.2, 3, 5.2 and 6; RFC 9110 section 7.2. */
#ifndef WEIR_REST_REST_FRAMING_H
#define WEIR_REST_REST_FRAMING_H

#include "shared/base/must.h"
#include "shared/base/span.h"
#include "shared/verdict.h"

enum { FRAMING_HEAD_BYTES = 16 * 1024, FRAMING_HEADERS = 100 };

/* `bytes` begins with the request line; more than the head may follow. VERDICT_OK, or MALFORMED,
 * HEADERS_TOO_LARGE, HTTP_VERSION with a sentence for the caller in *detail. */
MUST_USE enum verdict_code framing_check(struct span bytes, struct span *detail);

#endif
