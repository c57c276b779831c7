/* Which protocol does a connection on a shared port speak? Its first bytes tell. Pure. */
#ifndef WEIR_SERVER_PEEK_H
#define WEIR_SERVER_PEEK_H

#include "shared/base/span.h"

enum { PEEK_BYTES = 24 }; /* of the HTTP/2 connection preface, RFC 9113 section 3.4 */

enum peek_result {
    PEEK_HTTP1, /* anything that does not begin like the preface */
    PEEK_HTTP2,
    PEEK_MORE /* the beginning of a preface */
};

enum peek_result peek_decide(struct span first_bytes);

#endif
