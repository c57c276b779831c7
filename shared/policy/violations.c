/* Small sets: a peer's hash names one set of a few places, which is searched whole. */
#include "shared/policy/violations.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { WAYS = 16, SETS = VIOLATIONS_PEERS / WAYS, SHARDS = 16, STEP_MS = 100 };

struct offender {
    struct siphash peer;
    uint64_t blocked_until_ms;
    uint32_t at[VIOLATIONS_MOST_COUNT]; /* in steps of 100 ms; a ring of threshold.count */
    uint8_t next;                       /* where the ring goes on */
    uint8_t n;                          /* in the ring */
    bool taken;
};

struct violations {
    struct rate threshold; /* fixed after start */
    uint64_t period_steps;
    struct siphash none;
    atomic_size_t peers; /* 0: nobody has ever misbehaved */
    struct {
        pthread_mutex_t mutex;
        uint64_t violations, blocks, forgotten;
    } __attribute__((aligned(64))) shards[SHARDS];
    struct offender *sets[SETS]; /* under the shard's mutex; made when first needed */
};

struct violations *violations_new(struct rate threshold)
{
    must(threshold.count >= 1 && threshold.count <= VIOLATIONS_MOST_COUNT);
    struct violations *violations = aligned_alloc(64, sizeof *violations);
    must(violations != NULL);
    memset(violations, 0, sizeof *violations);
    violations->threshold = threshold;
    violations->period_steps = threshold.period_ns / 1000000U / STEP_MS;
    for (size_t i = 0; i < SHARDS; i++)
        must(pthread_mutex_init(&violations->shards[i].mutex, NULL) == 0);
    return violations;
}

struct violations *violations_free(struct violations *violations)
{
    if (violations == NULL)
        return NULL;
    for (size_t i = 0; i < SHARDS; i++)
        must(pthread_mutex_destroy(&violations->shards[i].mutex) == 0);
    for (size_t i = 0; i < SETS; i++)
        free(violations->sets[i]);
    free(violations);
    return NULL;
}

static size_t set_of(struct siphash peer)
{
    return peer.a % SETS;
}

static void lock(struct violations *violations, size_t set)
{
    must(pthread_mutex_lock(&violations->shards[set % SHARDS].mutex) == 0);
}

static void unlock(struct violations *violations, size_t set)
{
    must(pthread_mutex_unlock(&violations->shards[set % SHARDS].mutex) == 0);
}

static struct offender *find_locked(struct violations *violations, size_t set, struct siphash peer)
{
    struct offender *offenders = violations->sets[set];
    for (size_t i = 0; offenders != NULL && i < WAYS; i++)
        if (offenders[i].taken && offenders[i].peer.a == peer.a && offenders[i].peer.b == peer.b)
            return &offenders[i];
    return NULL;
}

/* How many of the violations still count. */
static size_t count_recent(const struct violations *violations, const struct offender *offender,
                           uint64_t now_step)
{
    size_t recent = 0;
    for (size_t i = 0; i < offender->n; i++)
        recent += now_step < offender->at[i] + violations->period_steps ? 1 : 0;
    return recent;
}

/* A place for a new offender: a free one, or the one whose peer has the least to answer for. */
static struct offender *place_locked(struct violations *violations, size_t set, tick_ms now_ms)
{
    if (violations->sets[set] == NULL) {
        violations->sets[set] = calloc(WAYS, sizeof(struct offender));
        must(violations->sets[set] != NULL);
    }
    struct offender *best = NULL;
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < WAYS; i++) {
        struct offender *offender = &violations->sets[set][i];
        if (!offender->taken) {
            (void)atomic_fetch_add(&violations->peers, 1);
            return offender;
        }
        size_t recent = count_recent(violations, offender, now_ms / STEP_MS);
        if (offender->blocked_until_ms <= now_ms && recent < least) {
            best = offender;
            least = recent;
        }
    }
    return best;
}

uint64_t violations_blocked_ms(struct violations *violations, struct siphash peer, tick_ms now_ms)
{
    size_t set = set_of(peer);
    if (atomic_load_explicit(&violations->peers, memory_order_relaxed) == 0)
        return 0;
    lock(violations, set);
    const struct offender *offender = find_locked(violations, set, peer);
    uint64_t until_ms = offender != NULL ? offender->blocked_until_ms : 0;
    unlock(violations, set);
    return until_ms > now_ms ? until_ms - now_ms : 0;
}

static bool note_locked(struct violations *violations, struct offender *offender, tick_ms now_ms)
{
    uint64_t now_step = now_ms / STEP_MS;
    offender->at[offender->next] = (uint32_t)now_step;
    offender->next = (uint8_t)((offender->next + 1U) % violations->threshold.count);
    if (offender->n < violations->threshold.count)
        offender->n++;
    if (offender->blocked_until_ms > now_ms ||
        count_recent(violations, offender, now_step) < violations->threshold.count)
        return false;
    offender->blocked_until_ms = now_ms + VIOLATIONS_BLOCK_MS;
    /* A clean slate afterwards: what led to this block does not lead to the next. */
    offender->n = 0;
    offender->next = 0;
    return true;
}

bool violations_add(struct violations *violations, struct siphash peer, tick_ms now_ms)
{
    size_t set = set_of(peer);
    bool begun = false;
    lock(violations, set);
    violations->shards[set % SHARDS].violations++;
    struct offender *offender = find_locked(violations, set, peer);
    if (offender == NULL) {
        offender = place_locked(violations, set, now_ms);
        if (offender != NULL)
            *offender = (struct offender){.peer = peer, .taken = true};
    }
    if (offender != NULL)
        begun = note_locked(violations, offender, now_ms);
    else
        violations->shards[set % SHARDS].forgotten++;
    if (begun)
        violations->shards[set % SHARDS].blocks++;
    unlock(violations, set);
    return begun;
}

void violations_read_stats(struct violations *violations, struct violations_stats *stats)
{
    *stats = (struct violations_stats){.peers = atomic_load(&violations->peers)};
    for (size_t i = 0; i < SHARDS; i++) {
        lock(violations, i);
        stats->violations += violations->shards[i].violations;
        stats->blocks += violations->shards[i].blocks;
        stats->forgotten += violations->shards[i].forgotten;
        unlock(violations, i);
    }
}
