/* Is this instance able to serve (O7)? One object a process; any thread may read and set.
 *
 * Reasons are classed: a warn makes the instance unready, an info never does. A provider that is
 * not asked because its breaker is open (or its key is not there yet) is a warn when no other is
 * left, else an info; as soon as a probe may go it is neither, or no request would ever come and be
 * that probe. */
#ifndef WEIR_PIPELINE_READINESS_H
#define WEIR_PIPELINE_READINESS_H

#include "shared/base/buf.h"

#include <stdatomic.h>
#include <stdbool.h>

/* `usable` of them would be asked now; of the others so many lack their key, and the rest's
 * breakers are open. */
struct readiness_providers {
    size_t count, usable, keyless;
};

struct readiness {
    atomic_bool started;       /* listeners are open */
    atomic_bool draining;      /* SIGTERM was seen */
    atomic_bool no_key_set;    /* the keys of tokens have not been fetched yet */
    atomic_bool offline_model; /* info: answers come from the built-in model */
    /* How the model's providers stand. Fixed before others use the object; any thread calls it.
     * NULL: there are none. */
    void (*providers)(void *context, struct readiness_providers *now);
    void *providers_context;
};

void readiness_init(struct readiness *readiness);
bool readiness_ok(const struct readiness *readiness);
/* Appends {"status":"ok"} or {"status":"unavailable","reasons":[{"class":"warn","reason":"..."}]};
 * info reasons are listed in both. Returns which of the two it was. */
bool readiness_write(const struct readiness *readiness, struct buf *out);

#endif
