/* A shard is a hash table over an array of entries that are named by 16-bit numbers, which is what
 * keeps a peer within its 64 bytes. Entries whose peer is full again are found by sweeping all of
 * them, but only when a newcomer finds no place, and as rarely as that pays. */
#include "shared/policy/bucket.h"

#include <pthread.h>
#include <stdlib.h>

enum { NONE = UINT16_MAX, FIRST_ENTRIES = 16, GROWTH = 16 };

/* A full table is swept no more often than this: the cost of a flood stays bounded, and newcomers
 * wait no longer than that for a place that has come free. */
enum { SWEEP_PAUSE_NS = 20000000 };

struct entry {
    struct siphash peer;
    uint64_t full_at_ns[BUCKET_LANES]; /* GCRA's theoretical arrival times; past: full */
    uint16_t next;                     /* of the same hash chain, or of the free ones; or NONE */
    bool taken;
};

struct shard {
    pthread_mutex_t mutex;
    struct entry *entries; /* `room` of them */
    uint16_t *chains;      /* entry numbers by hash, or NONE; as many */
    size_t room;
    size_t n;          /* taken */
    uint16_t free;     /* the first of those that are not */
    uint64_t now_ns;   /* the latest that was passed in */
    uint64_t sweep_ns; /* when a full table may be swept again */
    uint64_t crowd_full_at_ns[BUCKET_LANES];
    uint64_t allowed, refused, crowded_out;
} __attribute__((aligned(64)));

struct bucket_table {
    struct siphash_key key;
    size_t most; /* peers a shard */
    struct shard shards[BUCKET_SHARDS];
};

/* --- the table --- */

struct bucket_table *bucket_table_new(size_t most_peers, const struct siphash_key *key)
{
    must(most_peers >= BUCKET_SHARDS && most_peers <= BUCKET_MOST_PEERS);
    struct bucket_table *table = aligned_alloc(64, sizeof *table);
    must(table != NULL);
    memset(table, 0, sizeof *table);
    table->key = *key;
    table->most = most_peers / BUCKET_SHARDS;
    must(table->most < NONE);
    for (size_t i = 0; i < BUCKET_SHARDS; i++) {
        table->shards[i].free = NONE;
        must(pthread_mutex_init(&table->shards[i].mutex, NULL) == 0);
    }
    return table;
}

struct bucket_table *bucket_table_free(struct bucket_table *table)
{
    if (table == NULL)
        return NULL;
    for (size_t i = 0; i < BUCKET_SHARDS; i++) {
        struct shard *shard = &table->shards[i];
        free(shard->entries);
        free(shard->chains);
        must(pthread_mutex_destroy(&shard->mutex) == 0);
    }
    free(table);
    return NULL;
}

struct siphash bucket_peer(const struct bucket_table *table, struct span name)
{
    return siphash128(&table->key, name);
}

/* Time does not go back in a shard: threads read their clocks before they get the lock, and the
 * last call of a full bucket must not fail for a few nanoseconds. */
static struct shard *lock_shard(struct bucket_table *table, struct siphash peer, uint64_t *now_ns)
{
    struct shard *shard = &table->shards[peer.a % BUCKET_SHARDS];
    must(pthread_mutex_lock(&shard->mutex) == 0);
    if (*now_ns < shard->now_ns)
        *now_ns = shard->now_ns;
    shard->now_ns = *now_ns;
    return shard;
}

static void unlock(struct shard *shard)
{
    must(pthread_mutex_unlock(&shard->mutex) == 0);
}

/* --- places --- */

static uint16_t *chain_of(const struct shard *shard, struct siphash peer)
{
    return &shard->chains[(size_t)(((peer.b & UINT32_MAX) * shard->room) >> 32)];
}

static struct entry *find_locked(const struct shard *shard, struct siphash peer)
{
    if (shard->room == 0)
        return NULL;
    for (uint16_t i = *chain_of(shard, peer); i != NONE; i = shard->entries[i].next)
        if (shard->entries[i].peer.a == peer.a && shard->entries[i].peer.b == peer.b)
            return &shard->entries[i];
    return NULL;
}

static void link_locked(struct shard *shard, uint16_t number)
{
    uint16_t *chain = chain_of(shard, shard->entries[number].peer);
    shard->entries[number].next = *chain;
    *chain = number;
}

static uint64_t full_at(const struct entry *entry)
{
    uint64_t latest = 0;
    for (size_t i = 0; i < BUCKET_LANES; i++)
        if (entry->full_at_ns[i] > latest)
            latest = entry->full_at_ns[i];
    return latest;
}

/* Gives the places of those who are full again free, and makes chains of the others and of the free
 * ones anew. */
static void sweep_locked(struct shard *shard, uint64_t now_ns)
{
    shard->n = 0;
    shard->free = NONE;
    memset(shard->chains, 0xff, shard->room * sizeof *shard->chains);
    for (size_t i = shard->room; i-- > 0;) {
        struct entry *entry = &shard->entries[i];
        if (!entry->taken || full_at(entry) <= now_ns) {
            entry->taken = false;
            entry->next = shard->free;
            shard->free = (uint16_t)i;
            continue;
        }
        link_locked(shard, (uint16_t)i);
        shard->n++;
    }
    shard->sweep_ns = now_ns + SWEEP_PAUSE_NS;
}

static void *resize(void *array, size_t n, size_t size)
{
    array = reallocarray(array, n, size);
    must(array != NULL);
    return array;
}

/* By little at a time: what is not yet used counts towards the bytes of a peer, too. */
static void grow_locked(struct shard *shard, size_t most, uint64_t now_ns)
{
    size_t room = shard->room + shard->room / GROWTH + FIRST_ENTRIES;
    if (room > most)
        room = most;
    shard->entries = resize(shard->entries, room, sizeof *shard->entries);
    shard->chains = resize(shard->chains, room, sizeof *shard->chains);
    memset(&shard->entries[shard->room], 0, (room - shard->room) * sizeof *shard->entries);
    shard->room = room;
    sweep_locked(shard, now_ns);
}

/* Sees to it that there is a free place, if there can be one. Growing waits until sweeping no
 * longer yields a good part of the table, so that either is rare. */
static void make_room_locked(struct shard *shard, size_t most, uint64_t now_ns)
{
    if (shard->free != NONE)
        return;
    if (shard->room == most) {
        if (now_ns >= shard->sweep_ns)
            sweep_locked(shard, now_ns);
        return;
    }
    if (shard->room > 0)
        sweep_locked(shard, now_ns);
    if (shard->room - shard->n <= shard->room / GROWTH)
        grow_locked(shard, most, now_ns);
}

static struct entry *add_locked(struct shard *shard, size_t most, struct siphash peer,
                                uint64_t now_ns)
{
    make_room_locked(shard, most, now_ns);
    if (shard->free == NONE)
        return NULL;
    uint16_t number = shard->free;
    struct entry *entry = &shard->entries[number];
    shard->free = entry->next;
    *entry = (struct entry){.peer = peer, .taken = true};
    link_locked(shard, number);
    shard->n++;
    return entry;
}

/* --- one bucket --- */

/* Where the bucket stands after the ask, and what to tell of it as long as nothing is taken. */
static uint64_t weigh(uint64_t full_at_ns, const struct bucket_ask *ask, uint64_t now_ns,
                      struct bucket_answer *answer)
{
    uint64_t interval_ns = ask->rate.period_ns / ask->rate.count;
    uint64_t depth_ns = interval_ns * ask->rate.count;
    must(ask->cost <= ask->rate.count);
    if (full_at_ns < now_ns)
        full_at_ns = now_ns;
    if (full_at_ns - now_ns > depth_ns) /* the peer's rate has changed since */
        full_at_ns = now_ns + depth_ns;
    uint64_t after_ns = full_at_ns + interval_ns * ask->cost;
    *answer = (struct bucket_answer){
        .refused = after_ns - now_ns > depth_ns,
        .remaining = (uint32_t)((depth_ns - (full_at_ns - now_ns)) / interval_ns),
        .full_after_ns = full_at_ns - now_ns};
    if (answer->refused)
        answer->retry_after_ns = after_ns - now_ns - depth_ns;
    return after_ns;
}

static const uint64_t all_full[BUCKET_LANES];

/* --- asks --- */

static bool check(const uint64_t *full_at_ns, const struct bucket_ask *asks, size_t n,
                  uint64_t now_ns, struct bucket_answer *answers)
{
    bool passed = true;
    for (size_t i = 0; i < n; i++) {
        answers[i] = (struct bucket_answer){.remaining = UINT32_MAX};
        if (asks[i].rate.count > 0)
            (void)weigh(full_at_ns[asks[i].lane], &asks[i], now_ns, &answers[i]);
        passed &= !answers[i].refused;
    }
    return passed;
}

static void take(uint64_t *full_at_ns, const struct bucket_ask *asks, size_t n, uint64_t now_ns,
                 struct bucket_answer *answers)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t *lane = &full_at_ns[asks[i].lane];
        if (asks[i].rate.count == 0)
            continue;
        *lane = weigh(*lane, &asks[i], now_ns, &answers[i]);
        answers[i].remaining -= asks[i].cost;
        answers[i].full_after_ns = *lane - now_ns;
    }
}

bool bucket_take(struct bucket_table *table, struct siphash peer, const struct bucket_ask *asks,
                 size_t n, uint64_t now_ns, struct bucket_answer *answers)
{
    struct shard *shard = lock_shard(table, peer, &now_ns);
    struct entry *entry = find_locked(shard, peer);
    if (entry == NULL)
        entry = add_locked(shard, table->most, peer, now_ns);
    uint64_t *lanes = entry != NULL ? entry->full_at_ns : shard->crowd_full_at_ns;
    bool passed = check(lanes, asks, n, now_ns, answers);
    if (passed) {
        take(lanes, asks, n, now_ns, answers);
        shard->allowed++;
    } else {
        shard->refused++;
    }
    if (entry == NULL)
        shard->crowded_out++;
    unlock(shard);
    return passed;
}

bool bucket_look(struct bucket_table *table, struct siphash peer, const struct bucket_ask *ask,
                 uint64_t now_ns, struct bucket_answer *answer)
{
    struct shard *shard = lock_shard(table, peer, &now_ns);
    const struct entry *entry = find_locked(shard, peer);
    bool full = shard->n == table->most && now_ns < shard->sweep_ns;
    const uint64_t *lanes = entry != NULL ? entry->full_at_ns
                            : full        ? shard->crowd_full_at_ns
                                          : all_full;
    bool passed = check(lanes, ask, 1, now_ns, answer);
    unlock(shard);
    return passed;
}

void bucket_charge(struct bucket_table *table, struct siphash peer, const struct bucket_ask *ask,
                   uint64_t now_ns)
{
    struct bucket_answer answer;
    if (ask->rate.count == 0)
        return;
    struct shard *shard = lock_shard(table, peer, &now_ns);
    struct entry *entry = find_locked(shard, peer);
    if (entry == NULL)
        entry = add_locked(shard, table->most, peer, now_ns);
    uint64_t *lane =
        entry != NULL ? &entry->full_at_ns[ask->lane] : &shard->crowd_full_at_ns[ask->lane];
    uint64_t after_ns = weigh(*lane, ask, now_ns, &answer);
    if (answer.refused) /* to the bottom, not below */
        after_ns -= answer.retry_after_ns;
    if (after_ns > *lane)
        *lane = after_ns;
    unlock(shard);
}

void bucket_read_stats(struct bucket_table *table, struct bucket_stats *stats)
{
    *stats = (struct bucket_stats){.bytes = sizeof *table};
    for (size_t i = 0; i < BUCKET_SHARDS; i++) {
        struct shard *shard = &table->shards[i];
        must(pthread_mutex_lock(&shard->mutex) == 0);
        stats->peers += shard->n;
        stats->bytes += shard->room * (sizeof *shard->entries + sizeof *shard->chains);
        stats->allowed += shard->allowed;
        stats->refused += shard->refused;
        stats->crowded_out += shard->crowded_out;
        unlock(shard);
    }
}
