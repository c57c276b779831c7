/* A circuit breaker around something that can fail, shared by all who call it.
 *
 *   CLOSED ──(failures)──> OPEN ──(recovery_ms)──> PROBING ──(probe good)──> CLOSED
 *                            ^                        └──(probe bad)──> OPEN
 *
 * CLOSED opens after so many failures in a row, or when the failure rate over the last calls of the
 * window reaches its bound. OPEN refuses until the recovery time is over; the next caller is then
 * the probe, alone, and its outcome decides. A probe that says nothing (NEUTRAL) gives its place to
 * the next caller; one that takes longer than the recovery time does not keep others from probing,
 * but still decides when it ends, unless another has. Calls that began before a transition do not
 * decide the new state. So every state has an exit, whatever callers do.
 *
 * After resilience4j's CircuitBreaker (count based window, results of earlier states ignored) and
 * M. Nygard, "Release It!", with the numbers of requirement C1.
 *
 * Pure: time is passed in, in milliseconds of a monotonic clock. Any thread; one mutex, inside. A
 * clock that a thread read a little earlier than another is harmless. */
#ifndef WEIR_POLICY_BREAKER_H
#define WEIR_POLICY_BREAKER_H

#include "shared/base/must.h"
#include "shared/base/tick.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { BREAKER_CALLS_MOST = 100 };

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_PROBING };
/* NEUTRAL: the call says nothing about the other side, such as one that its caller cancelled. */
enum breaker_outcome { BREAKER_GOOD, BREAKER_BAD, BREAKER_NEUTRAL };
enum breaker_change { BREAKER_STAYS, BREAKER_OPENS, BREAKER_CLOSES };

/* Fixed after start. */
struct breaker_settings {
    bool off;              /* lets everybody through and counts nothing */
    unsigned failures;     /* in a row that open it; 1 at least */
    unsigned rate_percent; /* of the calls in the window that open it when they fail */
    unsigned rate_least;   /* calls in the window for the rate to count */
    unsigned window_calls; /* BREAKER_CALLS_MOST at most */
    uint64_t window_ms;
    uint64_t recovery_ms; /* 1 at least */
};

/* What C1 asks for but the two numbers that are settings. */
static inline struct breaker_settings breaker_usual(unsigned failures, uint64_t recovery_ms)
{
    return (struct breaker_settings){.failures = failures,
                                     .rate_percent = 50,
                                     .rate_least = 20,
                                     .window_calls = BREAKER_CALLS_MOST,
                                     .window_ms = 60000,
                                     .recovery_ms = recovery_ms};
}

struct breaker {
    struct breaker_settings settings; /* fixed after init */
    struct {
        pthread_mutex_t mutex;
        enum breaker_state state;
        uint64_t era;     /* one more with each transition */
        uint64_t probe;   /* the latest probe's number */
        tick_ms probe_ms; /* OPEN, PROBING: when the next probe may go */
        unsigned in_a_row;
        /* A ring of outcomes, oldest first. */
        struct breaker_call {
            tick_ms ended_ms;
            bool bad;
        } calls[BREAKER_CALLS_MOST];
        size_t oldest, n_calls, n_bad;
        uint64_t opened, good, bad, neutral, refused;
    } shared;
};

/* What a call that was let through holds until it leaves. */
struct breaker_pass {
    uint64_t era;
    uint64_t probe; /* 0: it is none */
};

/* A snapshot, counted since init. */
struct breaker_stats {
    enum breaker_state state;
    uint64_t opened; /* transitions to OPEN */
    uint64_t good, bad, neutral, refused;
    unsigned in_a_row;
    unsigned window_calls, window_bad;
};

void breaker_init(struct breaker *breaker, const struct breaker_settings *settings);
void breaker_fini(struct breaker *breaker);

/* May a call be made now? True: it was given *pass and must leave with it, once. False:
 * *retry_after_ms says when to try again, 1 at least. */
MUST_USE bool breaker_enter(struct breaker *breaker, tick_ms now_ms, struct breaker_pass *pass,
                            uint64_t *retry_after_ms);
/* Says what the outcome has changed, for those who log it. */
enum breaker_change breaker_leave(struct breaker *breaker, const struct breaker_pass *pass,
                                  enum breaker_outcome outcome, tick_ms now_ms);
/* For how long a call would be refused now; 0: it would be let through. Takes no pass; for
 * readiness and for those who could wait. 0 as soon as a probe may go: who asks nobody because of
 * this answer would never learn better. */
uint64_t breaker_wait_ms(struct breaker *breaker, tick_ms now_ms);
void breaker_stats(struct breaker *breaker, struct breaker_stats *stats);

/* "closed", "open", "probing". */
const char *breaker_state_name(enum breaker_state state);

#endif
