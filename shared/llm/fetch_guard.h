/* What may be fetched when a caller names the URL (U4): which addresses are public, which URLs are
 * plain enough, which bytes are an image. Pure: nothing is resolved or connected here.
 *
 * The address is what counts, and it is asked about when it is about to be connected to, each time
 * (fetch.h). The look at the URL before is there to refuse at once, with a reason for the caller,
 * what can be known to be wrong.
 *
 * Any thread. Sources: the special-purpose registries of IANA (RFC 6890, as of 2025), RFC 6052,
 * 8215 (NAT64), 5214 (ISATAP), 7526 (6to4), 4380 (Teredo). */
#ifndef WEIR_LLM_FETCH_GUARD_H
#define WEIR_LLM_FETCH_GUARD_H

#include "shared/base/must.h"
#include "shared/base/peer.h"
#include "shared/base/span.h"
#include "shared/policy/cidr.h"

enum { FETCH_URL_BYTES = 2048 };

/* Zero is the strict one. Fixed after start. */
struct fetch_guard {
    struct cidr_list exempt; /* may be fetched from, at any port, although they are not public */
};

enum fetch_refusal {
    FETCH_FINE,
    FETCH_BAD_URL,
    FETCH_SCHEME,
    FETCH_CREDENTIALS, /* user name or password in the URL */
    FETCH_PORT,
    FETCH_NOT_PUBLIC
};

/* Is it an address of the public Internet, for one machine? Addresses that carry an IPv4 address
 * (mapped, NAT64, ISATAP) are as public as that; 6to4, Teredo and the local NAT64 prefix are not.
 */
MUST_USE bool fetch_guard_is_public(const struct peer *peer);
/* May it be connected to? The port counts, too: 80, 443, 8080 and 8443 are the web's. */
MUST_USE enum fetch_refusal fetch_guard_address(const struct fetch_guard *guard,
                                                const struct peer *peer);
/* http or https, no credentials, visible ASCII, a host; if that is an address in any of the
 * spellings that libcurl takes for one, or "localhost", one that may be connected to. */
MUST_USE enum fetch_refusal fetch_guard_url(const struct fetch_guard *guard, struct span url);

/* A sentence for the caller; "" for FETCH_FINE. */
const char *fetch_refusal_text(enum fetch_refusal refusal);

/* The media type that the first bytes prove: PNG, JPEG, GIF or WebP, what all providers take; NULL:
 * none of them. */
const char *fetch_image_type(struct span bytes);
/* Does a Content-Type promise one of them? It may be NULL. */
MUST_USE bool fetch_promises_image(const char *content_type);

#endif
