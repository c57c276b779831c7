/* Single flight (C3, C5): identical concurrent questions share one upstream call.
 *
 * The first who asks leads: it starts the call, which belongs to the flight and stays on the worker
 * that started it (its home). Whoever asks the same before it has landed joins, on any worker. All
 * of them, the leader included, are waiters: each may leave at any time, and when the last one has
 * left the call is cancelled. The end, an answer or a failure, is for all that still wait; it is
 * told once, and the flight is then forgotten.
 *
 * A stream's pieces are kept from the first on. Each waiter reads them with a cursor of its own;
 * the call is paused when it is FLIGHT_AHEAD_BYTES ahead of the waiter that has read most.
 *
 * A waiter belongs to one worker, and only that worker's thread calls for it or wakes it; waiters
 * of other workers are woken by a task, one a worker however many wait there. Each shard of the
 * table has a mutex, never held while posting or waking. Bounded: `most` flights, each with a piece
 * limit; waiters are members of requests, which others bound. */
#ifndef WEIR_POLICY_FLIGHT_H
#define WEIR_POLICY_FLIGHT_H

#include "shared/base/list.h"
#include "shared/base/must.h"
#include "shared/base/siphash.h"
#include "shared/base/task.h"
#include "shared/policy/cache_entry.h"
#include "shared/policy/cache_key.h"

#include <stdint.h>

enum {
    FLIGHT_AHEAD_BYTES = 256 * 1024,
    FLIGHT_PIECES_BYTES = 16 * 1024 * 1024 /* memory for the pieces of one stream */
};

struct flights;
struct flight;

struct flight_settings {
    size_t most;      /* flights at a time */
    unsigned workers; /* indices are below this */
    struct siphash_key seed;
};

/* The worker that calls: its index, and how others reach it. */
struct flight_home {
    unsigned index;
    struct executor *executor;
};

struct flight_waiter {
    void (*wake)(struct flight_waiter *waiter); /* there is more to read, or the end */

    /* The flight's. */
    struct link link;
    struct flight *flight; /* NULL: waits for none */
};

/* Who carries the upstream call; on the home worker. */
struct flight_pilot {
    /* All have left: stop the call. The flight must not be used afterwards. `blamed`: the last to
     * leave said that the call is to blame. */
    void (*cancel)(struct flight_pilot *pilot, bool blamed);
    /* Go on after FLIGHT_PAUSE. May come when it was not paused. */
    void (*resume)(struct flight_pilot *pilot);
};

/* What is wrong with the question; rule and message are static. */
struct flight_fault {
    struct span rule; /* empty: nothing is */
    struct span message;
    char path[64];
    size_t path_len;
};

struct flight_end {
    struct cache_entry *entry; /* the answer; NULL: it failed */
    int code;                  /* of the failure; the caller's own */
    uint64_t retry_after_ms;
    struct flight_fault fault;
};

enum flight_place {
    FLIGHT_NONE,  /* there are too many flights: ask alone */
    FLIGHT_LEADS, /* start the call, then flight_fly; or end it at once by flight_land */
    FLIGHT_JOINED
};

enum flight_pace { FLIGHT_GOES_ON, FLIGHT_PAUSE, FLIGHT_TOO_LONG };

struct flights_stats {
    size_t flights; /* alive now */
    size_t waiters; /* now */
    uint64_t led;
    uint64_t joined;
    uint64_t refused; /* FLIGHT_NONE for want of room */
    uint64_t landed;
    uint64_t failed;
    uint64_t cancelled; /* the last waiter left before the end */
};

MUST_USE struct flights *flights_new(const struct flight_settings *settings);
/* No flight may be alive. Accepts NULL; returns NULL. */
struct flights *flights_free(struct flights *flights);
/* Any thread. A flight is alive until its call, its waiters and its tasks are done with it: with
 * none alive, nothing here touches an executor any more. */
size_t flights_alive(const struct flights *flights);
void flights_stats(const struct flights *flights, struct flights_stats *stats);

/* Leads or joins the flight of the key; `waiter->wake` is filled in. What has been said so far, and
 * perhaps the end, may be there already: nobody is woken for that. */
MUST_USE enum flight_place flight_join(struct flights *flights, const struct cache_key *key,
                                       const struct flight_home *here, bool streams,
                                       struct flight_waiter *waiter);
/* The same, but only ever leads: FLIGHT_NONE where a flight of the key is under way. */
MUST_USE enum flight_place flight_lead(struct flights *flights, const struct cache_key *key,
                                       const struct flight_home *here, bool streams,
                                       struct flight_waiter *waiter);
/* The waiter waits no longer, also after the end. True: it was the last of a flight that has not
 * ended, whose call will be cancelled by a task; `blamed` is for that. Harmless when it waits for
 * none. Its worker. */
bool flight_leave(struct flight_waiter *waiter, bool blamed);

/* For waiters: the pieces (NULL: unary) and the end (NULL: not yet; lives until flight_leave). Who
 * looks for the end first and for pieces then misses none. */
struct pieces *flight_pieces(const struct flight *flight);
const struct flight_end *flight_ended(const struct flight *flight);
/* A waiter has read `bytes` of text in all. */
void flight_read(struct flight *flight, size_t bytes);

/* The home worker's, from FLIGHT_LEADS on: the pilot must stay until cancel or flight_land. */
void flight_fly(struct flight *flight, struct flight_pilot *pilot);
/* Waiters of this worker (`here`, its executor) are woken inside, so not from a waiter's own call.
 */
MUST_USE enum flight_pace flight_append(struct flight *flight, struct span text,
                                        const struct executor *here);
/* The end; takes end->entry over. With `here` NULL all waiters are woken by tasks. The flight must
 * not be used afterwards, except by its waiters. */
void flight_land(struct flight *flight, const struct flight_end *end, const struct executor *here);

#endif
