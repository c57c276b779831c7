/* Which hosts this service answers for (H5): against DNS rebinding, and against caches and links
 * that are poisoned with a made-up Host. Pure; the list is text that somebody else owns and that
 * outlives its use. Any thread.
 *
 * A list is comma-separated: "api.example.com", "*.example.com" (any name below it, not itself),
 * "192.0.2.7", "[2001:db8::7]". No ports: whatever port the request names is fine.
 *
 * Source: RFC 9110 section 7.2, RFC 3986 section 3.2. */
#ifndef WEIR_POLICY_HOSTS_H
#define WEIR_POLICY_HOSTS_H

#include "shared/base/must.h"
#include "shared/base/span.h"

/* Is every item of the list well formed? Else *bad is the first that is not. */
MUST_USE bool hosts_check(struct span list, struct span *bad);
/* Is the host of `authority` ("host", "host:port") on the list? Case does not count, nor a dot at
 * the end. An empty list has every well-formed host on it. */
MUST_USE bool hosts_allow(struct span list, struct span authority);
/* The host in "host", "host:port", "[v6]" or "[v6]:port", brackets kept and a dot at its end left
 * out; empty when it is none of these. */
struct span hosts_of_authority(struct span authority);

#endif
