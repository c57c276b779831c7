/* One small document by HTTP GET, for threads that may block.
 *
 * By https, or by http where the URL says so (the settings allow that on loopback only), with the
 * rules of shared/llm/curl_rules.h: a redirect is not followed, it is a failure. The caller owns
 * all that it passes in. Any thread, once llm_global_init has prepared libcurl. */
#ifndef WEIR_SERVER_FETCH_H
#define WEIR_SERVER_FETCH_H

#include "shared/base/buf.h"
#include "shared/base/must.h"

#include <stdatomic.h>
#include <stdbool.h>

enum { FETCH_PROBLEM_BYTES = 200 };

struct fetch {
    const char *url;
    const char *ca_file; /* NULL: the system's */
    long connect_timeout_ms;
    long total_timeout_ms;
    atomic_bool *stop; /* once it is set, the fetch fails within a second; NULL: never */
};

/* The body of a 200 answer into `body` (its limit is the cap). False: `problem` says why not. */
MUST_USE bool fetch_get(const struct fetch *fetch, struct buf *body,
                        char problem[FETCH_PROBLEM_BYTES]);

#endif
