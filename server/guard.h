/* The guard: stands between clients and those who must not meet them bare.
 *
 * It keeps the client's socket on a worker's loop and hands one end of a socketpair on: to the C
 * core or, where there is TLS or HTTP/2, to the REST listener. HTTP/2 it watches by the rules of
 * guard_rules.def (N3). (h2o's own TLS on libuv never closes a connection that the client has
 * reset: it waits for a write that libuv has refused.) It carries TLS, counts, bounds time, and
 * passes bytes on unchanged. At most GUARD_BUFFER_BYTES wait each way; who is slower stops the
 * other side. An idle connection holds no buffers.
 *
 * One a worker, that worker's thread only, except guard_stats. */
#ifndef WEIR_SERVER_GUARD_H
#define WEIR_SERVER_GUARD_H

#include "server/guard_rules.h"
#include "server/tls.h"
#include "shared/base/peer.h"
#include "shared/base/timers.h"

#include <uv.h>

struct guard;

enum { GUARD_BUFFER_BYTES = 64 * 1024 };

struct guard_settings {
    uint64_t handshake_ms; /* for TLS, the preface and SETTINGS together */
    uint64_t frame_ms;     /* for the rest of a frame or header block that has begun */
    uint64_t message_ms;   /* for a client to end its request */
    uint64_t read_ms;      /* for a client to read something of what waits for it */
    uint64_t idle_ms;      /* without a byte from either side */
    uint64_t age_ms;       /* of a connection in all */
    uint64_t leave_ms;   /* age at which REST's HTTP/2 is asked to leave; the C core asks itself */
    uint64_t linger_ms;  /* for a client to hear a farewell */
    bool rules;          /* watch the HTTP/2 of gRPC; false: only pass it on. REST's always is */
    uint64_t body_bytes; /* of the bodies that are held for one connection at most */
    uint64_t held_bytes; /* of bodies and streams for all connections of this guard; 0: any */
    struct tls *tls;     /* NULL: plain text */
    /* One end of a pair is the callee's from here on; `certificate` is NULL or a reference that
     * becomes the callee's. */
    void (*to_rpc)(void *context, int fd, const struct peer *peer, struct certificate *certificate);
    void *rpc_context;
    /* A connection that was adopted is gone. */
    void (*closed)(void *context, const struct peer *peer);
    void *closed_context;
};

/* A REST connection that is handed on. */
struct guard_passed {
    struct peer peer;
    struct certificate *certificate; /* NULL, or a reference that becomes the callee's */
    bool tls;                        /* it came over that */
    bool http2;                      /* it has begun with its preface; else it is HTTP/1.1 */
};

/* Where a worker's guard hands REST connections on to. */
typedef void (*guard_to_rest)(void *context, int fd, const struct guard_passed *passed);

struct guard_stats {
    uint64_t open;
    uint64_t breaches[GUARD_RULES];
};

/* `settings` is copied, `loop` and `timers` must outlive the guard. */
MUST_USE struct guard *guard_new(uv_loop_t *loop, struct timers *timers,
                                 const struct guard_settings *settings, guard_to_rest to_rest,
                                 void *rest_context);
/* Takes a connected, non-blocking socket over, for gRPC (TLS_RPC) or REST's HTTP/2 (TLS_REST_2);
 * or, with TLS only, for REST or for what ALPN tells. */
void guard_adopt(struct guard *guard, int fd, const struct peer *peer, enum tls_use use);
/* Those who have not begun are given a second. The others end when those who have them end; where
 * the rules hold, clients are asked by a GOAWAY to open no more streams. */
void guard_drain(struct guard *guard);
/* Ends all; the loop must run until they are gone. */
void guard_abort(struct guard *guard);
/* Connections that are open. */
size_t guard_connections(const struct guard *guard);
/* A snapshot; any thread. */
void guard_stats(const struct guard *guard, struct guard_stats *stats);
/* When no connection is left. Accepts NULL. */
struct guard *guard_free(struct guard *guard);

#endif
