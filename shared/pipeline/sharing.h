/* Answers kept and shared between requests: the cache and the flights of a process, and what one
 * request has to do with them.
 *
 * `struct sharing` is one a process, made before the workers; any thread may use it. `struct share`
 * is a member of a request: its worker's thread only. */
#ifndef WEIR_PIPELINE_SHARING_H
#define WEIR_PIPELINE_SHARING_H

#include "shared/base/must.h"
#include "shared/base/timers.h"
#include "shared/policy/cache.h"
#include "shared/policy/flight.h"

struct shared_run;

struct sharing_settings {
    size_t most_entries;
    size_t most_bytes;
    uint64_t ttl_ms;
    const char *model; /* who answers by default; outlives the sharing */
    unsigned workers;
};

struct sharing {
    struct cache *cache;
    struct flights *flights;
    struct cache_key_maker *keys;
    const char *model;
};

MUST_USE struct sharing *sharing_new(const struct sharing_settings *settings);
/* No flight may be alive. Accepts NULL; returns NULL. */
struct sharing *sharing_free(struct sharing *sharing);

/* What the access line says as `cache`. */
enum share_state {
    SHARE_UNKNOWN, /* the request did not come that far, or there is no model behind it */
    SHARE_HIT,     /* answered from the cache */
    SHARE_MISS,    /* asked the model, for itself and whoever joined */
    SHARE_JOIN,    /* waited for the call of another */
    SHARE_REFRESH, /* asked the model before the kept answer expired */
    SHARE_BYPASS   /* asked the model for itself alone */
};

/* "hit" and so on; NULL for SHARE_UNKNOWN. */
const char *share_state_name(enum share_state state);

struct share {
    enum share_state state;
    struct cache_key key;
    struct span canonical;        /* the request as it is hashed; in the request's arena */
    struct flight_waiter waiter;  /* its place in a flight */
    struct shared_run *run;       /* the call that this request has started, while both last */
    struct pieces_cursor cursor;  /* in a flight's stream, or a kept one */
    struct timer soon;            /* reads on from the loop */
    struct cache_entry *kept;     /* the answer, for the reply; held until the request is freed */
    struct cache_entry *fallback; /* while refreshing: the answer that still holds */
    uint64_t waits_since_ns;
};

#endif
