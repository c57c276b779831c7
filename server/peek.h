/* Which protocol does a connection on a shared port speak? Its first bytes tell. */
#ifndef WEIR_SERVER_PEEK_H
#define WEIR_SERVER_PEEK_H

#include "shared/base/span.h"

enum { PEEK_BYTES = 24 }; /* of the HTTP/2 connection preface, RFC 9113 section 3.4 */

enum peek_result {
    PEEK_HTTP1, /* anything that does not begin like the preface */
    PEEK_HTTP2,
    PEEK_MORE /* the beginning of a preface */
};

/* Pure. */
enum peek_result peek_decide(struct span first_bytes);
/* The same of what a socket has; it stays unread. */
enum peek_result peek_look(int fd);
/* For a lobby: 0 if that tells, else how many bytes it takes. */
size_t peek_wants(int fd);

#endif
