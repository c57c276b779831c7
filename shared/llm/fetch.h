/* Images from URLs that callers name (U4): the one place that all such fetches pass. One fetcher a
 * worker, over libcurl on the worker's loop.
 *
 * Each address is looked at by the guard when its socket is made, so it is the address connected to
 * that was checked, whatever a name server says before or after; if one that a name stands for is
 * refused, the whole fetch is. Connections are never used again. Redirects are followed by hand,
 * FETCH_REDIRECTS at most, each checked like the first URL, none from https to http. At most
 * FETCH_BYTES and FETCH_TIME_MS in all. Sent are no credentials, no cookies, no referrer, and no
 * proxy is asked; certificates are verified.
 *
 * Owner thread only. A fetch that was started ends in exactly one `done`, from the loop, or in
 * fetch_cancel. */
#ifndef WEIR_LLM_FETCH_H
#define WEIR_LLM_FETCH_H

#include "shared/base/must.h"
#include "shared/base/span.h"
#include "shared/base/timers.h"
#include "shared/llm/fetch_guard.h"

enum {
    FETCH_BYTES = 5 * 1024 * 1024,
    FETCH_TIME_MS = 10 * 1000,
    FETCH_REDIRECTS = 3,
    FETCH_AT_A_TIME = 16 /* of a worker; each may hold FETCH_BYTES */
};

struct fetcher;
struct fetch_job;
struct uv_loop_s;

/* Fixed after start; borrowed, and must outlive the fetcher. */
struct fetch_settings {
    const struct fetch_guard *guard;
    const char *ca_file; /* NULL: the system's */
    /* For tests: "host:port:address[,address]", the name server's answer for the hop (0 is the
     * first), as CURLOPT_RESOLVE takes it. NULL: ask the real one. */
    const char *(*resolve)(void *context, unsigned hop);
    void *context;
    tick_ms time_ms; /* for tests; 0: FETCH_TIME_MS */
};

enum fetch_end {
    FETCH_DONE,
    FETCH_FORBIDDEN, /* by the guard, on the way */
    FETCH_UNREACHED, /* name, connect, TLS, or broken off */
    FETCH_TIMED_OUT,
    FETCH_REFUSED, /* an HTTP status other than 200, or too many redirects */
    FETCH_TOO_LARGE,
    FETCH_NO_IMAGE /* neither by its Content-Type nor by its first bytes; both are needed */
};

/* Lives for the duration of the call of `done`. */
struct fetch_result {
    enum fetch_end end;
    const char *type;   /* FETCH_DONE: "image/png"; static */
    struct span bytes;  /* FETCH_DONE */
    const char *reason; /* for the log: no URL, no address; static, or gone with the result */
};

typedef void fetch_done(void *context, const struct fetch_result *result);

MUST_USE struct fetcher *fetcher_new(struct uv_loop_s *loop, struct timers *timers,
                                     const struct fetch_settings *settings);
/* All fetches must have ended. `closed` is called once, from the loop. */
void fetcher_close(struct fetcher *fetcher, void (*closed)(void *context), void *context);

/* NULL: FETCH_AT_A_TIME are running. A URL that the guard refuses ends in FETCH_FORBIDDEN. */
MUST_USE struct fetch_job *fetch_start(struct fetcher *fetcher, struct span url, fetch_done *done,
                                       void *context);
/* No `done` comes; the connection is closed. */
void fetch_cancel(struct fetch_job *job);

/* "done", "forbidden", ...: for logs. */
const char *fetch_end_name(enum fetch_end end);

#endif
