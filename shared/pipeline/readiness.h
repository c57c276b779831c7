/* Is this instance able to serve (O7)? One object a process; any thread may read and set.
 *
 * Reasons are classed: a warn makes the instance unready, an info never does. */
#ifndef WEIR_PIPELINE_READINESS_H
#define WEIR_PIPELINE_READINESS_H

#include "shared/base/buf.h"

#include <stdatomic.h>
#include <stdbool.h>

struct readiness {
    atomic_bool started;       /* listeners are open */
    atomic_bool draining;      /* SIGTERM was seen */
    atomic_bool no_key_set;    /* the keys of tokens have not been fetched yet */
    atomic_bool offline_model; /* info: answers come from the built-in model */
};

void readiness_init(struct readiness *readiness);
bool readiness_ok(const struct readiness *readiness);
/* Appends {"status":"ok"} or {"status":"unavailable","reasons":[{"class":"warn","reason":"..."}]};
 * info reasons are listed in both. Returns which of the two it was. */
bool readiness_write(const struct readiness *readiness, struct buf *out);

#endif
