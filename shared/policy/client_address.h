/* Who the client is when a proxy stands between: the right-most entry of X-Forwarded-For that was
 * not written by a proxy of ours.
 *
 * Each proxy appends the address it was called from, so the list is to be believed from the right,
 * as far as trusted hands go; what stands left of that is whatever the client liked to send. Two
 * ways to say how far: the proxies' addresses, or how many there are (platforms whose front ends
 * have no fixed address). The policy is constant after start; pure, any thread. Nothing here fails:
 * whatever cannot be read leaves the socket's own address. */
#ifndef WEIR_POLICY_CLIENT_ADDRESS_H
#define WEIR_POLICY_CLIENT_ADDRESS_H

#include "shared/policy/cidr.h"

struct client_address_policy {
    struct cidr_list proxies; /* empty: none is trusted by its address */
    unsigned hops;            /* entries that proxies of ours have appended; 0: not counted */
};

/* Header values that are looked at; more of them than this are not believed at all. */
enum { CLIENT_ADDRESS_VALUES = 128 };

/* Does the socket belong to a proxy of ours, so that X-Forwarded-For and X-Forwarded-Proto say what
 * is so? */
bool client_address_is_proxy(const struct client_address_policy *policy, const struct peer *socket);

/* `values` are all X-Forwarded-For values in the order of arrival; `n` of them, which may be more
 * than CLIENT_ADDRESS_VALUES (then only the socket counts). The port of the result is 0 when it is
 * not the socket's. */
struct peer client_address(const struct client_address_policy *policy, const struct peer *socket,
                           const struct span *values, size_t n);

#endif
