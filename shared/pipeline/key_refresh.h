/* How the identity step asks for fresh keys, and how it is told that they came.
 *
 * Implemented by the server, which fetches on a thread of its own. Asking never blocks. A waiter
 * that was taken is always posted, exactly once, when the refresh has ended, well or not; until
 * then it belongs to the refresh. */
#ifndef WEIR_PIPELINE_KEY_REFRESH_H
#define WEIR_PIPELINE_KEY_REFRESH_H

#include "shared/base/must.h"
#include "shared/base/task.h"

#include <stdbool.h>
#include <stddef.h>

struct key_waiter {
    struct task task;
    struct executor *executor; /* where the task is posted */
    struct key_waiter *next;   /* the refresh's */
};

struct key_refresh {
    /* Any thread. False: there is no refresh now (the last one was not long ago, too many wait, or
     * the keys come from no source that could be asked), and the waiter was not taken. */
    bool (*ask)(struct key_refresh *refresh, struct key_waiter *waiter);
};

static inline MUST_USE bool key_refresh_ask(struct key_refresh *refresh, struct key_waiter *waiter)
{
    return refresh != NULL && refresh->ask(refresh, waiter);
}

#endif
