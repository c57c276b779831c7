/* Peers that keep breaking the rules, and for how long they are shut out: so many violations within
 * a period block the peer for a minute.
 *
 * Exact: a peer's last violations are kept with their times (100 ms fine), and the block begins
 * with the one that makes the period full. The table is bounded. A place is free again when its
 * last violation is older than the period and no block runs; when none is free, the peer with the
 * fewest violations that count gives way, but never a blocked one: a blocked peer can not be pushed
 * out by inventing others. What finds no place is counted in the stats and not remembered.
 *
 * Times are milliseconds of a monotonic clock, passed in. Any thread; a shard has a mutex inside.
 * Nothing here fails. */
#ifndef WEIR_POLICY_VIOLATIONS_H
#define WEIR_POLICY_VIOLATIONS_H

#include "shared/base/siphash.h"
#include "shared/base/tick.h"
#include "shared/policy/rate.h"

#include <stddef.h>

enum { VIOLATIONS_MOST_COUNT = 32, VIOLATIONS_PEERS = 16384, VIOLATIONS_BLOCK_MS = 60000 };

struct violations;

struct violations_stats {
    uint64_t violations;
    uint64_t blocks;    /* begun */
    uint64_t forgotten; /* violations that found no place */
    size_t peers;       /* places taken, running out or not */
};

/* `threshold.count` violations (1 to VIOLATIONS_MOST_COUNT) within threshold.period_ns block. */
MUST_USE struct violations *violations_new(struct rate threshold);
/* Accepts NULL, returns NULL. */
struct violations *violations_free(struct violations *violations);

/* Milliseconds that the peer is still blocked; 0: it is not. Cheap while nobody misbehaves. `peer`
 * is a keyed hash (bucket_peer). */
uint64_t violations_blocked_ms(struct violations *violations, struct siphash peer, tick_ms now_ms);
/* Notes a violation. True: with it a block began. */
bool violations_add(struct violations *violations, struct siphash peer, tick_ms now_ms);

void violations_read_stats(struct violations *violations, struct violations_stats *stats);

#endif
