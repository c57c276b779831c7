#include "shared/policy/flight.h"

#include <pthread.h>
#include <stdlib.h>

enum { SHARDS = 16, SHARD_BUCKETS = 64 };
enum errand { ERRAND_CANCEL = 1, ERRAND_BLAME = 2, ERRAND_RESUME = 4 };

/* Where the waiters of one worker are. */
struct desk {
    struct flight *flight;
    _Atomic(struct executor *) executor; /* NULL: nobody of that worker has joined yet */
    atomic_bool posted;
    struct task task;
    struct link waiters; /* that worker's thread only */
};

struct flight {
    /* Fixed from the start. */
    struct flights *flights;
    struct cache_key key;
    uint64_t hash;
    struct executor *home;
    struct pieces *pieces; /* the home worker appends */

    /* The home worker's thread. */
    struct flight_pilot *pilot; /* NULL: nothing flies */

    /* Under the shard's lock. */
    struct flight *chain;
    bool listed;
    size_t waiters;
    struct flight_end end; /* written once, before `ended` */

    /* Any thread. */
    atomic_uint refs; /* the call, each waiter, each posted task */
    atomic_bool ended;
    atomic_bool paused;
    atomic_size_t said; /* bytes of text */
    atomic_size_t read; /* by the waiter that has read most */
    atomic_uint errands;
    struct task errand;
    struct desk desks[]; /* one a worker */
};

struct shard {
    pthread_mutex_t lock;
    struct flight *buckets[SHARD_BUCKETS];
} __attribute__((aligned(64)));

struct flights {
    struct shard shards[SHARDS];
    struct flight_settings settings; /* fixed */
    atomic_size_t alive;
    atomic_size_t waiters;
    atomic_uint_fast64_t led, joined, refused, landed, failed, cancelled;
};

struct flights *flights_new(const struct flight_settings *settings)
{
    struct flights *flights = aligned_alloc(64, sizeof *flights);
    must(flights != NULL && settings->workers > 0);
    memset(flights, 0, sizeof *flights);
    flights->settings = *settings;
    for (size_t i = 0; i < SHARDS; i++)
        must(pthread_mutex_init(&flights->shards[i].lock, NULL) == 0);
    return flights;
}

struct flights *flights_free(struct flights *flights)
{
    if (flights == NULL)
        return NULL;
    must(flights_alive(flights) == 0);
    for (size_t i = 0; i < SHARDS; i++)
        must(pthread_mutex_destroy(&flights->shards[i].lock) == 0);
    free(flights);
    return NULL;
}

size_t flights_alive(const struct flights *flights)
{
    return atomic_load(&flights->alive);
}

void flights_stats(const struct flights *flights, struct flights_stats *stats)
{
    *stats = (struct flights_stats){.flights = atomic_load(&flights->alive),
                                    .waiters = atomic_load(&flights->waiters),
                                    .led = atomic_load(&flights->led),
                                    .joined = atomic_load(&flights->joined),
                                    .refused = atomic_load(&flights->refused),
                                    .landed = atomic_load(&flights->landed),
                                    .failed = atomic_load(&flights->failed),
                                    .cancelled = atomic_load(&flights->cancelled)};
}

/* --- the life of a flight --- */

static void ref(struct flight *flight)
{
    must(atomic_fetch_add_explicit(&flight->refs, 1, memory_order_relaxed) > 0);
}

static void unref(struct flight *flight)
{
    struct flights *flights = flight->flights;
    if (atomic_fetch_sub_explicit(&flight->refs, 1, memory_order_acq_rel) > 1)
        return;
    must(!flight->listed && flight->pilot == NULL && flight->waiters == 0);
    flight->end.entry = cache_entry_unref(flight->end.entry);
    flight->pieces = pieces_unref(flight->pieces);
    free(flight);
    atomic_fetch_sub(&flights->alive, 1);
}

/* --- waking --- */

/* A waiter may leave in its wake, and others may join; each is woken once. */
static void wake_waiters(struct desk *desk)
{
    struct link round;
    link_init(&round);
    link_move_all(&desk->waiters, &round);
    while (!link_is_alone(&round)) {
        struct flight_waiter *waiter = container_of(round.after, struct flight_waiter, link);
        link_remove(&waiter->link);
        link_append(&desk->waiters, &waiter->link);
        waiter->wake(waiter);
    }
}

static void desk_task(struct task *task)
{
    struct desk *desk = container_of(task, struct desk, task);
    struct flight *flight = desk->flight;
    atomic_store(&desk->posted, false); /* first: what comes from here on is posted again */
    wake_waiters(desk);
    unref(flight);
}

/* The caller has a reference. */
static void wake_all(struct flight *flight, const struct executor *here)
{
    struct desk *local = NULL;
    for (unsigned i = 0; i < flight->flights->settings.workers; i++) {
        struct desk *desk = &flight->desks[i];
        struct executor *executor = atomic_load(&desk->executor);
        if (executor == NULL)
            continue;
        if (executor == here) {
            local = desk;
        } else if (!atomic_exchange(&desk->posted, true)) {
            ref(flight);
            executor_post(executor, &desk->task);
        }
    }
    if (local != NULL)
        wake_waiters(local);
}

static void errand_task(struct task *task)
{
    struct flight *flight = container_of(task, struct flight, errand);
    unsigned errands = atomic_exchange(&flight->errands, 0);
    struct flight_pilot *pilot = flight->pilot;
    if (pilot != NULL && (errands & ERRAND_CANCEL) != 0) {
        flight->pilot = NULL;
        pilot->cancel(pilot, (errands & ERRAND_BLAME) != 0);
        unref(flight); /* the call's */
    } else if (pilot != NULL && (errands & ERRAND_RESUME) != 0) {
        pilot->resume(pilot);
    }
    unref(flight);
}

/* The caller has a reference. */
static void send_home(struct flight *flight, unsigned what)
{
    if (atomic_fetch_or(&flight->errands, what) != 0)
        return; /* the task that is posted takes it along */
    ref(flight);
    executor_post(flight->home, &flight->errand);
}

/* --- the table --- */

static struct shard *shard_of(struct flights *flights, uint64_t hash)
{
    return &flights->shards[(hash >> 32) % SHARDS];
}

static struct flight **find_locked(struct shard *shard, const struct cache_key *key, uint64_t hash)
{
    struct flight **at = &shard->buckets[hash % SHARD_BUCKETS];
    while (*at != NULL && !((*at)->hash == hash && cache_key_equal(&(*at)->key, key)))
        at = &(*at)->chain;
    return at;
}

static void unlist_locked(struct shard *shard, struct flight *flight)
{
    if (!flight->listed)
        return;
    struct flight **at = find_locked(shard, &flight->key, flight->hash);
    must(*at == flight);
    *at = flight->chain;
    flight->listed = false;
}

/* NULL: there are too many. Its one reference is the call's. */
static struct flight *new_flight(struct flights *flights, const struct cache_key *key,
                                 uint64_t hash, const struct flight_home *here, bool streams)
{
    unsigned workers = flights->settings.workers;
    if (atomic_fetch_add(&flights->alive, 1) >= flights->settings.most) {
        atomic_fetch_sub(&flights->alive, 1);
        return NULL;
    }
    struct flight *flight = calloc(1, sizeof *flight + workers * sizeof(struct desk));
    must(flight != NULL);
    flight->flights = flights;
    flight->key = *key;
    flight->hash = hash;
    flight->home = here->executor;
    flight->errand.run = errand_task;
    flight->pieces = streams ? pieces_new(FLIGHT_PIECES_BYTES) : NULL;
    atomic_init(&flight->refs, 1);
    for (unsigned i = 0; i < workers; i++) {
        flight->desks[i].flight = flight;
        flight->desks[i].task.run = desk_task;
        link_init(&flight->desks[i].waiters);
    }
    return flight;
}

static struct flight *drop_unused(struct flight *flight)
{
    if (flight != NULL)
        unref(flight);
    return NULL;
}

/* The one that is under way, or `fresh` (which may be NULL) put in its place, with one more waiter.
 */
static struct flight *board(struct flights *flights, const struct cache_key *key, uint64_t hash,
                            const struct flight_home *here, struct flight *fresh, bool only_lead)
{
    struct shard *shard = shard_of(flights, hash);
    must(pthread_mutex_lock(&shard->lock) == 0);
    struct flight **at = find_locked(shard, key, hash);
    bool under_way = *at != NULL;
    if (!under_way && fresh != NULL) {
        *at = fresh;
        fresh->listed = true;
    }
    struct flight *flight = only_lead && under_way ? NULL : *at;
    if (flight != NULL) {
        flight->waiters++;
        ref(flight);
        atomic_store(&flight->desks[here->index].executor, here->executor);
    }
    must(pthread_mutex_unlock(&shard->lock) == 0);
    return flight;
}

static enum flight_place enter(struct flights *flights, const struct cache_key *key,
                               const struct flight_home *here, bool streams, bool only_lead,
                               struct flight_waiter *waiter)
{
    uint64_t hash = siphash128(&flights->settings.seed, cache_key_span(key)).a;
    struct flight *fresh = NULL, *flight = NULL;
    must(waiter->flight == NULL && here->index < flights->settings.workers);
    if (!only_lead)
        flight = board(flights, key, hash, here, NULL, false);
    if (flight == NULL) {
        fresh = new_flight(flights, key, hash, here, streams);
        flight = board(flights, key, hash, here, fresh, only_lead);
    }
    if (flight != fresh)
        fresh = drop_unused(fresh);
    if (flight == NULL) {
        atomic_fetch_add(&flights->refused, !only_lead);
        return FLIGHT_NONE;
    }
    must((flight->pieces != NULL) == streams);
    waiter->flight = flight;
    link_init(&waiter->link);
    link_append(&flight->desks[here->index].waiters, &waiter->link);
    atomic_fetch_add(&flights->waiters, 1);
    atomic_fetch_add(fresh != NULL ? &flights->led : &flights->joined, 1);
    return fresh != NULL ? FLIGHT_LEADS : FLIGHT_JOINED;
}

enum flight_place flight_join(struct flights *flights, const struct cache_key *key,
                              const struct flight_home *here, bool streams,
                              struct flight_waiter *waiter)
{
    return enter(flights, key, here, streams, false, waiter);
}

enum flight_place flight_lead(struct flights *flights, const struct cache_key *key,
                              const struct flight_home *here, bool streams,
                              struct flight_waiter *waiter)
{
    return enter(flights, key, here, streams, true, waiter);
}

bool flight_leave(struct flight_waiter *waiter, bool blamed)
{
    struct flight *flight = waiter->flight;
    if (flight == NULL)
        return false;
    struct flights *flights = flight->flights;
    struct shard *shard = shard_of(flights, flight->hash);
    waiter->flight = NULL;
    link_remove(&waiter->link);
    must(pthread_mutex_lock(&shard->lock) == 0);
    must(flight->waiters > 0);
    flight->waiters--;
    bool last = flight->waiters == 0 && !atomic_load(&flight->ended);
    if (last) /* who asks now asks anew */
        unlist_locked(shard, flight);
    must(pthread_mutex_unlock(&shard->lock) == 0);
    atomic_fetch_sub(&flights->waiters, 1);
    if (last) {
        atomic_fetch_add(&flights->cancelled, 1);
        send_home(flight, ERRAND_CANCEL | (blamed ? ERRAND_BLAME : 0U));
    }
    unref(flight);
    return last;
}

/* --- for waiters --- */

struct pieces *flight_pieces(const struct flight *flight)
{
    return flight->pieces;
}

const struct flight_end *flight_ended(const struct flight *flight)
{
    return atomic_load(&flight->ended) ? &flight->end : NULL;
}

void flight_read(struct flight *flight, size_t bytes)
{
    size_t read = atomic_load(&flight->read);
    while (bytes > read && !atomic_compare_exchange_weak(&flight->read, &read, bytes))
        ;
    read = bytes > read ? bytes : read;
    /* The home worker says that it pauses before it looks at `read` again; so one of the two sees
     * what the other did. */
    if (atomic_load(&flight->paused) &&
        atomic_load(&flight->said) <= read + FLIGHT_AHEAD_BYTES / 2 &&
        atomic_exchange(&flight->paused, false))
        send_home(flight, ERRAND_RESUME);
}

/* --- for the home worker --- */

void flight_fly(struct flight *flight, struct flight_pilot *pilot)
{
    must(flight->pilot == NULL && !atomic_load(&flight->ended));
    flight->pilot = pilot;
}

enum flight_pace flight_append(struct flight *flight, struct span text, const struct executor *here)
{
    if (!pieces_append(flight->pieces, text))
        return FLIGHT_TOO_LONG;
    size_t said = atomic_fetch_add(&flight->said, text.len) + text.len;
    wake_all(flight, here);
    if (said - atomic_load(&flight->read) < FLIGHT_AHEAD_BYTES)
        return FLIGHT_GOES_ON;
    atomic_store(&flight->paused, true);
    if (said - atomic_load(&flight->read) >= FLIGHT_AHEAD_BYTES)
        return FLIGHT_PAUSE;
    atomic_store(&flight->paused, false);
    return FLIGHT_GOES_ON;
}

void flight_land(struct flight *flight, const struct flight_end *end, const struct executor *here)
{
    struct flights *flights = flight->flights;
    struct shard *shard = shard_of(flights, flight->hash);
    must(pthread_mutex_lock(&shard->lock) == 0);
    must(!atomic_load(&flight->ended));
    flight->end = *end;
    atomic_store(&flight->ended, true);
    unlist_locked(shard, flight);
    must(pthread_mutex_unlock(&shard->lock) == 0);
    atomic_fetch_add(end->entry != NULL ? &flights->landed : &flights->failed, 1);
    flight->pilot = NULL;
    wake_all(flight, here);
    unref(flight); /* the call's */
}
