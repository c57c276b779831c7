/* The rate limiter's table: a few token buckets for each of up to a million peers.
 *
 * Algorithm: GCRA (ITU-T I.371, the virtual scheduling form). A bucket is one number, the
 * "theoretical arrival time" at which it will be full again; that is also all that there is to know
 * about it, so a peer whose buckets are full again is forgotten without loss and its place given to
 * the next. A peer that has spent anything is never forgotten: when the table is full of such peers
 * those that are not in it share one set of buckets per shard until places come free. Inventing
 * peers therefore neither resets a limit nor grows memory past the bound; it can only make
 * strangers wait.
 *
 * Units: nanoseconds of a monotonic clock, passed in. Memory: 64 bytes a peer at most, taken as
 * peers come, kept until bucket_table_free. Any thread may call; a shard has a mutex inside.
 * Nothing here fails: running out of memory ends the process, far below the bound's 64 MB. */
#ifndef WEIR_POLICY_BUCKET_H
#define WEIR_POLICY_BUCKET_H

#include "shared/base/siphash.h"
#include "shared/policy/rate.h"

#include <stddef.h>

/* What is counted of a peer, each in a bucket of its own. */
enum bucket_lane { BUCKET_CALLS, BUCKET_HEAVY, BUCKET_BURST, BUCKET_CREDENTIALS, BUCKET_LANES };

enum { BUCKET_MOST_PEERS = 1000000, BUCKET_SHARDS = 256 };

struct bucket_table;

struct bucket_ask {
    enum bucket_lane lane;
    struct rate rate; /* a rate of 0 is never refused and nothing is kept of it */
    uint32_t cost;    /* at most rate.count */
};

struct bucket_answer {
    bool refused;
    uint32_t remaining;      /* of rate.count, after what was taken */
    uint64_t full_after_ns;  /* until all of it is there again */
    uint64_t retry_after_ns; /* refused: until the same ask would pass */
};

struct bucket_stats {
    size_t peers;         /* places taken */
    size_t bytes;         /* held for them */
    uint64_t allowed;     /* asks */
    uint64_t refused;     /* asks, once each, however many lanes refused */
    uint64_t crowded_out; /* asks that met the shared buckets of a full shard */
};

/* `key` is random, `most_peers` 256 to BUCKET_MOST_PEERS, rounded down to a multiple of 256. */
MUST_USE struct bucket_table *bucket_table_new(size_t most_peers, const struct siphash_key *key);
/* Accepts NULL, returns NULL. */
struct bucket_table *bucket_table_free(struct bucket_table *table);

/* The table's name of a peer: a hash, so no peer's name is kept. */
struct siphash bucket_peer(const struct bucket_table *table, struct span name);

/* Checks all asks of one peer, then takes all of them; if one is refused nothing is taken. True:
 * all passed. `answers` has n places; lanes are all different. */
MUST_USE bool bucket_take(struct bucket_table *table, struct siphash peer,
                          const struct bucket_ask *asks, size_t n, uint64_t now_ns,
                          struct bucket_answer *answers);
/* Would the ask pass? Takes nothing and remembers nobody. */
MUST_USE bool bucket_look(struct bucket_table *table, struct siphash peer,
                          const struct bucket_ask *ask, uint64_t now_ns,
                          struct bucket_answer *answer);
/* Takes the cost, or whatever is left of it: for what has already happened. */
void bucket_charge(struct bucket_table *table, struct siphash peer, const struct bucket_ask *ask,
                   uint64_t now_ns);

void bucket_read_stats(struct bucket_table *table, struct bucket_stats *stats);

#endif
