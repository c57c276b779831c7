/* Which web origins may read this service's answers (H2). Pure; the list is text that somebody else
 * owns and that outlives its use. Any thread.
 *
 * A list is comma-separated: "https://app.example.com", "http://localhost:3000"; or "*" alone. It
 * is compared byte by byte with what a browser sends: there are no wildcards inside an origin, no
 * default ports, and "null" is never on it.
 *
 * Source: RFC 6454 section 7, the Fetch standard (CORS protocol). */
#ifndef WEIR_POLICY_ORIGINS_H
#define WEIR_POLICY_ORIGINS_H

#include "shared/base/must.h"
#include "shared/base/span.h"

/* Is every item of the list one that a browser could send? Else *bad is the first that is not. */
MUST_USE bool origins_check(struct span list, struct span *bad);
/* Is it "*"? */
bool origins_any(struct span list);
/* Is `origin`, the value of an Origin header, on the list? An empty list has nobody on it. */
MUST_USE bool origins_allow(struct span list, struct span origin);

#endif
