/* Watches the frames of one HTTP/2 connection (RFC 9113) that is relayed on: what the client says
 * has to be HTTP/2 as far as frames and header syntax go, and stay within the rules of
 * guard_rules.def; what the server says is counted along.
 *
 * Both sides are fed the bytes in the order in which they are relayed, in any pieces. Nothing is
 * changed or kept of them. Pure: time is passed in (tick_ms). Owner thread only. The owner calls
 * guard_frames_fini. After the first breach neither side must be fed again. */
#ifndef WEIR_SERVER_GUARD_FRAMES_H
#define WEIR_SERVER_GUARD_FRAMES_H

#include "server/guard_rules.h"
#include "server/guard_streams.h"
#include "server/hpack_walk.h"
#include "shared/base/must.h"
#include "shared/base/span.h"

enum {
    GUARD_FRAME_BYTES = 16384, /* the least that RFC 9113 lets a server offer, and all we do */
    GUARD_HEADER_BLOCK_BYTES = 65536, /* over all CONTINUATIONs */
    GUARD_CONTINUATIONS = 8,
    GUARD_OPEN_STREAMS = 100,
    GUARD_SETTINGS_ENTRIES = 32,
    GUARD_GOAWAY_BYTES = 64
};

/* The frame that is coming in. */
struct guard_frame {
    uint8_t head[9];
    uint8_t got;     /* of the head */
    uint32_t left;   /* of the payload */
    uint32_t at;     /* bytes of the payload so far */
    uint32_t word;   /* its first four bytes */
    uint32_t length; /* of the payload */
    uint32_t stream;
    uint8_t kind;
    uint8_t flags;
};

struct guard_frames {
    struct guard_frame client, server;
    struct hpack_walk walk;
    uint32_t block_bytes;     /* of the header block; 0 outside of one */
    uint32_t block_stream;    /* 0: outside of a block */
    uint8_t continuations;    /* in the block */
    uint8_t padding;          /* at the end of the HEADERS frame */
    uint8_t preface;          /* bytes of it so far */
    bool settings_seen;       /* the client's */
    uint8_t settings_unacked; /* the server's, not yet acknowledged */
    uint8_t pings_unacked;
    uint32_t last_stream; /* the highest that the client has opened */
    tick_ms since_ms;     /* when the unfinished frame or block began; TICK_NEVER: there is none */
    struct guard_budget budgets[GUARD_RULES];
    struct guard_streams streams;
};

void guard_frames_init(struct guard_frames *frames, tick_ms now_ms);
void guard_frames_fini(struct guard_frames *frames);
/* Bytes of the client, of the server: GUARD_FINE, or the rule that is broken in them. The client's
 * are not looked at any further then; the server's are. */
MUST_USE enum guard_rule guard_frames_client(struct guard_frames *frames, struct span bytes,
                                             tick_ms now_ms);
MUST_USE enum guard_rule guard_frames_server(struct guard_frames *frames, struct span bytes,
                                             tick_ms now_ms);
/* The client's preface and SETTINGS are complete. */
static inline bool guard_frames_begun(const struct guard_frames *frames)
{
    return frames->settings_seen;
}
/* For the last `ms` milliseconds nothing was read of the client: they count neither for its frame
 * nor for its requests. */
void guard_frames_excuse(struct guard_frames *frames, uint64_t ms);
/* How long the client has owed the end of the request it is slowest with; 0: it owes none. */
uint64_t guard_frames_owed_ms(const struct guard_frames *frames, tick_ms now_ms);
/* A GOAWAY that asks the client to open no more streams here, and refuses none that it has opened
 * meanwhile (RFC 9113, section 6.8); 0 likewise. */
size_t guard_frames_going(const struct guard_frames *frames, char out[GUARD_GOAWAY_BYTES]);
/* A GOAWAY that names the rule, in `out`; returns its length, 0 when the server's bytes so far end
 * inside a frame, so that nothing can be put behind them. */
size_t guard_frames_goaway(const struct guard_frames *frames, enum guard_rule rule,
                           char out[GUARD_GOAWAY_BYTES]);

#endif
