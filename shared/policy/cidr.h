/* A list of address ranges as settings spell it: "10.0.0.0/8, 2001:db8::/32, 192.0.2.7".
 *
 * Notation of RFC 4632 and RFC 4291; an address alone is a range of one; bits behind the prefix are
 * ignored. An IPv4-mapped IPv6 range is the IPv4 range. Owned by who parsed it, constant after; any
 * thread may ask. The one error is a text that is not such a list. */
#ifndef WEIR_POLICY_CIDR_H
#define WEIR_POLICY_CIDR_H

#include "shared/base/must.h"
#include "shared/base/peer.h"
#include "shared/base/span.h"

enum { CIDR_MOST = 1024 };

struct cidr {
    uint8_t address[16]; /* IPv4 mapped, as in struct peer */
    uint8_t bits;        /* of the 128 */
};

/* Zero is the empty list. */
struct cidr_list {
    struct cidr *items;
    size_t n;
};

/* Reads an address: "192.0.2.7", "2001:db8::1", no port, no brackets, no zone. Port is 0. */
MUST_USE bool cidr_read_address(struct span text, struct peer *peer);
/* Items apart by commas, space around them ignored, empty text the empty list, CIDR_MOST at most.
 * False: *wrong is the item that is none, and the list is empty. `list` may be NULL: only a check.
 */
MUST_USE bool cidr_list_parse(struct span text, struct cidr_list *list, struct span *wrong);
/* Harmless on a zeroed list. */
void cidr_list_free(struct cidr_list *list);
bool cidr_list_has(const struct cidr_list *list, const struct peer *peer);

#endif
