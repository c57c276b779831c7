/* How many requests may be worked on at once; what comes beyond is turned away at the door instead
 * of waiting where everybody waits longer (Google SRE book, chapter 21: load shedding).
 *
 * A counter: each admission_enter that said yes is followed by exactly one admission_leave. Any
 * thread, no lock. The one error is "full". */
#ifndef WEIR_POLICY_ADMISSION_H
#define WEIR_POLICY_ADMISSION_H

#include "shared/base/must.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct admission {
    uint64_t most; /* fixed after start */
    _Atomic uint64_t running;
    _Atomic uint64_t shed;
};

struct admission_stats {
    uint64_t running;
    uint64_t most;
    uint64_t shed; /* turned away so far */
};

static inline void admission_init(struct admission *admission, uint64_t most)
{
    admission->most = most;
    atomic_init(&admission->running, 0);
    atomic_init(&admission->shed, 0);
}

/* False: full. */
MUST_USE static inline bool admission_enter(struct admission *admission)
{
    uint64_t running = atomic_load_explicit(&admission->running, memory_order_relaxed);
    while (running < admission->most)
        if (atomic_compare_exchange_weak(&admission->running, &running, running + 1))
            return true;
    (void)atomic_fetch_add_explicit(&admission->shed, 1, memory_order_relaxed);
    return false;
}

static inline void admission_leave(struct admission *admission)
{
    must(atomic_fetch_sub(&admission->running, 1) > 0);
}

static inline struct admission_stats admission_read_stats(struct admission *admission)
{
    return (struct admission_stats){.running = atomic_load(&admission->running),
                                    .most = admission->most,
                                    .shed = atomic_load(&admission->shed)};
}

#endif
