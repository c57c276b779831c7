/* HTTP POSTs to one server over libcurl on a libuv loop: a pool of transfers with kept connections.
 *
 * HTTP/1.1 in clear and over TLS, so that one connection carries one transfer: a slow reader holds
 * up nobody else, and the pool's size is the number of connections. Certificates are verified;
 * redirects, proxies and cookies are not followed, asked or kept.
 *
 * Owner thread only. `take` is called inside libcurl and may only look and store; everything else
 * is called from the loop, or between its callbacks, where all functions here may be used. */
#ifndef WEIR_LLM_TRANSFER_H
#define WEIR_LLM_TRANSFER_H

#include "shared/base/must.h"
#include "shared/base/span.h"
#include "shared/base/timers.h"

#include <stdbool.h>
#include <stdint.h>

struct transfer;
struct transfers;
struct uv_loop_s;

/* Fixed after start. Strings are borrowed during transfers_new only. */
struct transfer_settings {
    const char *base_url;
    const char *fixed_header;    /* one more line for all requests; NULL: none */
    const char *key_header;      /* what the key stands behind, such as "x-api-key: " */
    const char *ca_file;         /* NULL or "": the system's */
    uint64_t connect_timeout_ms; /* 0: libcurl's, 300 s */
    long most;                   /* transfers and connections at a time */
    long keep;                   /* idle connections kept, seconds after a burst; 0: none at all */
};

enum transfer_take {
    TRANSFER_TAKEN,
    TRANSFER_HOLD,  /* no room: nothing was taken, and nothing more is read until transfer_resume */
    TRANSFER_REFUSE /* the transfer fails */
};

enum transfer_fate {
    TRANSFER_COMPLETE,
    TRANSFER_UNREACHED, /* name, connect, TLS, or closed before the first byte of an answer */
    TRANSFER_TIMED_OUT, /* connecting */
    TRANSFER_BROKEN,    /* ended early: reset, or closed too soon */
    TRANSFER_NOT_HTTP,
    TRANSFER_REFUSED /* by `take`, or more headers than allowed */
};

struct transfer_end {
    enum transfer_fate fate;
    const char *reason; /* libcurl's words; lives for the duration of the call */
};

struct transfer_events {
    enum transfer_take (*take)(void *owner, struct span bytes);
    /* Once, unless cancelled. The transfer still answers transfer_status and the like, and is then
     * given back by transfer_cancel. */
    void (*end)(void *owner, const struct transfer_end *end);
    /* libcurl has worked: `take` and `end` may have been called for some owners. */
    void (*worked)(void *context);
};

MUST_USE struct transfers *transfers_new(struct uv_loop_s *loop, struct timers *timers,
                                         const struct transfer_settings *settings,
                                         const struct transfer_events *events, void *context);
/* All transfers must have been given back. `closed` is called once from the loop. */
void transfers_close(struct transfers *transfers, void (*closed)(void *context), void *context);

/* The key of transfers that start from now on; those under way keep theirs. Empty: none. It is
 * copied, and wiped when nobody uses it any more. */
void transfers_set_key(struct transfers *transfers, struct span key);
/* May one more be started? */
bool transfers_have_room(const struct transfers *transfers);
/* Starts a POST of `body`, which must stay until the transfer is given back, to `path` behind the
 * base URL. There must be room. */
MUST_USE struct transfer *transfer_start(struct transfers *transfers, struct span path,
                                         struct span body, void *owner);
/* Gives the transfer back; one that has not ended is cut off, its connection closed at once. */
void transfer_cancel(struct transfer *transfer);
/* Reads on after TRANSFER_HOLD; `take` may be called before this returns. Else harmless. */
void transfer_resume(struct transfer *transfer);

/* HTTP status; 0 when there is none yet. */
int transfer_status(const struct transfer *transfer);
bool transfer_is_event_stream(const struct transfer *transfer);
/* From Retry-After; 0 when there is none. */
uint64_t transfer_retry_after_ms(const struct transfer *transfer);

/* libcurl's global state. Once, from main, around everything else. */
void transfer_global_init(void);
void transfer_global_fini(void);

#endif
