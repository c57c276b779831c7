/* A worker's timers: a binary heap by due time, driven by whoever owns the loop.
 *
 * Pure: time is passed in. Owner thread only. A timer is a member of the object that it serves;
 * the object owns it and must cancel it before it goes away. */
#ifndef WEIR_BASE_TIMERS_H
#define WEIR_BASE_TIMERS_H

#include "shared/base/tick.h"

#include <stdbool.h>
#include <stddef.h>

struct timer {
    tick_ms due_ms;
    void (*fire)(struct timer *timer,
                 tick_ms now_ms); /* may set or cancel any timer, also itself */
    size_t place;                 /* 1 + index in the heap; 0 while not set */
};

struct timers {
    struct timer **heap; /* owned; the timers are not */
    size_t count;
    size_t capacity;
    tick_ms not_before_ms; /* during a run: the tick after it; else 0 */
    /* Called when the earliest due time moved earlier, so that the loop can re-arm. May be NULL. */
    void (*earlier)(struct timers *timers, void *context);
    void *context;
};

void timers_init(struct timers *timers);
/* Frees the heap. Timers still set are forgotten, not fired. */
void timers_fini(struct timers *timers);
/* Sets or moves `timer`; its `fire` must be filled in. */
void timers_set(struct timers *timers, struct timer *timer, tick_ms due_ms);
/* Harmless when it is not set. */
void timers_cancel(struct timers *timers, struct timer *timer);
static inline bool timer_is_set(const struct timer *timer)
{
    return timer->place != 0;
}
/* When the earliest is due; TICK_NEVER when there is none. */
tick_ms timers_next_due(const struct timers *timers);
/* Fires all that are due at `now_ms`, earliest first, each removed before its call. Timers set
 * during the run are due at now_ms + 1 at the earliest, so the call always ends. Not to be called
 * from a `fire`. */
void timers_run(struct timers *timers, tick_ms now_ms);

#endif
