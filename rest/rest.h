/* The REST and SSE listener: HTTP/1.1 and, if wanted, HTTP/2 <-> struct request, on h2o.
 *
 * One `struct rest` a process (fixed after start), one `struct rest_worker` a worker (owner thread
 * only). It never accepts: the front door hands connections over. */
#ifndef WEIR_REST_REST_H
#define WEIR_REST_REST_H

#include "shared/base/certificate.h"
#include "shared/base/must.h"
#include "shared/base/peer.h"
#include "shared/pipeline/core.h"

struct uv_loop_s;
struct rest;
struct rest_worker;

struct rest_settings {
    size_t max_body_bytes;
    uint64_t held_bytes; /* of requests over HTTP/1.1 in part, of one worker; 0: any */
    bool http2;
    /* A body up to this is read before it is refused, over HTTP/2: h2o cannot answer before. What
     * one connection may have held of them is the guard's to bound. */
    size_t http2_body_bytes;
    uint64_t keep_alive_timeout_ms; /* idle between requests */
    uint64_t handshake_timeout_ms;  /* for TLS */
    uint64_t head_timeout_ms;       /* for the head of a request, and for the first byte of all */
    uint64_t body_timeout_ms;       /* for a body; h2o's own time-out holds, too */
    uint64_t read_timeout_ms;       /* for a client to read what waits for it when all is said */
    size_t gzip_min_bytes;          /* 0: never */
    uint64_t sse_comment_ms;        /* silence after which a comment line is sent */
    /* Lists of shared/policy/origins.h and hosts.h, well formed; they outlive the listener.
     * NULL is the empty list. */
    const char *cors_allowed_origins;
    const char *trusted_hosts;
    uint64_t hsts_max_age_s; /* 0: no Strict-Transport-Security */
    /* A connection that was handed over is gone. Called on the worker's thread. */
    void (*closed)(void *context, const struct peer *peer);
    void *context;
};

/* `settings` is copied; `core` must outlive it. */
MUST_USE struct rest *rest_new(const struct rest_settings *settings, const struct core *core);
/* After all workers are gone. Accepts NULL. */
struct rest *rest_free(struct rest *rest);

MUST_USE struct rest_worker *rest_worker_new(struct rest *rest, struct uv_loop_s *loop,
                                             struct core_worker *worker);
/* Takes a connected, non-blocking socket over; owns `fd` from here on. */
void rest_worker_adopt(struct rest_worker *worker, int fd, const struct peer *peer);
/* A connection that comes through somebody who counts its end, and its TLS and the floods of HTTP/2
 * are kept off by. */
struct rest_relayed {
    struct peer peer;
    struct certificate *certificate; /* NULL, or a reference that becomes the worker's */
    bool secure;                     /* it came over TLS */
    bool http2;                      /* it speaks that, which has to be on; else HTTP/1.1 */
};

void rest_worker_adopt_relayed(struct rest_worker *worker, int fd,
                               const struct rest_relayed *relayed);
/* Every connection ends after its next response. Idle ones are closed, at once or, where a request
 * may be on its way (they were in use a moment ago, or have sent a part of it), a little later. */
void rest_worker_drain(struct rest_worker *worker);
/* The time for that is up: connections without a request are closed now. After drain, behind
 * core_worker_cut. */
void rest_worker_cut(struct rest_worker *worker);
/* Ends what is left: pending requests are abandoned, sockets shut down. */
void rest_worker_abort(struct rest_worker *worker);
/* When no connection is left: each has been told by `closed`. Before the loop is closed. */
void rest_worker_free(struct rest_worker *worker);

#endif
