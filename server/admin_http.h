/* The little HTTP/1.1 that the admin listener understands: the head of one GET or HEAD without a
 * body. Pure. Source: RFC 9112. */
#ifndef WEIR_SERVER_ADMIN_HTTP_H
#define WEIR_SERVER_ADMIN_HTTP_H

#include "shared/base/buf.h"
#include "shared/base/must.h"
#include "shared/base/span.h"

enum { ADMIN_HEAD_BYTES = 8 * 1024 };

enum admin_reading {
    ADMIN_MORE, /* the head does not end in these bytes */
    ADMIN_WHOLE,
    ADMIN_BAD
};

/* The spans point into the bytes that were read. */
struct admin_request {
    struct span method;
    struct span path; /* without the query */
    struct span host;
    bool openmetrics; /* the client prefers it */
};

MUST_USE enum admin_reading admin_http_read(struct span bytes, struct admin_request *request);

/* Appends a whole response, which ends the connection; `body` is left out after a HEAD. */
void admin_http_write(struct buf *out, int status, const char *type, struct span body, bool head);

#endif
