/* Open connections, in all and per address, against their caps.
 *
 * Bounded: it never holds more addresses than `most` connections. The hash is keyed with a random
 * seed (SipHash is not needed: what is stored is bounded by what is open). Front door's thread
 * only. An IPv6 address counts by its /64, which is what one subscriber gets. */
#ifndef WEIR_SERVER_TALLY_H
#define WEIR_SERVER_TALLY_H

#include "shared/base/must.h"
#include "shared/base/peer.h"

struct tally_slot;

struct tally {
    struct tally_slot *slots; /* open addressing; owned */
    size_t capacity;          /* a power of two */
    size_t addresses;
    size_t open;
    size_t most;
    size_t most_per_address;
    uint64_t seed;
};

enum tally_result { TALLY_FINE, TALLY_FULL, TALLY_ADDRESS_FULL };

void tally_init(struct tally *tally, size_t most, size_t most_per_address, uint64_t seed);
void tally_fini(struct tally *tally);
/* Counts one more connection, or says which cap forbids it. */
MUST_USE enum tally_result tally_enter(struct tally *tally, const struct peer *peer);
/* The same in two steps, for a connection whose address is told later. The first looks at the cap
 * in all only, and false is TALLY_FULL; the second may find TALLY_ADDRESS_FULL, and then the
 * connection is counted no more. */
MUST_USE bool tally_admit(struct tally *tally);
MUST_USE enum tally_result tally_name(struct tally *tally, const struct peer *peer);
/* One that was admitted leaves without having got a name. */
void tally_dismiss(struct tally *tally);
/* One less; it must have entered, or got its name. */
void tally_leave(struct tally *tally, const struct peer *peer);

#endif
