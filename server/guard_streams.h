/* The open streams of a guarded connection: few, in no order. Pure; owner thread only. */
#ifndef WEIR_SERVER_GUARD_STREAMS_H
#define WEIR_SERVER_GUARD_STREAMS_H

#include "shared/base/must.h"
#include "shared/base/tick.h"

#include <stdbool.h>

struct guard_stream {
    uint32_t id : 31;
    uint32_t client_ended : 1;
    uint32_t server_ended : 1;
    uint32_t opened_ds : 31; /* tenths of a second, wrapping */
    uint32_t bytes;          /* of its body */
};

/* All zero is empty. The caller bounds the count. */
struct guard_streams {
    struct guard_stream *all; /* owned */
    uint32_t count, capacity;
    uint32_t owed;       /* of them, those that their clients have not ended */
    uint64_t owed_bytes; /* of the bodies of these */
    uint64_t bytes;      /* of the bodies of all */
    uint64_t most_bytes; /* 0: any */
    uint64_t excused_ms; /* time that counts for no client, in all */
};

/* What a stream takes behind the guard, besides its body. */
enum { GUARD_STREAM_BYTES = 16 * 1024 };

void guard_streams_fini(struct guard_streams *streams);
/* NULL: it is not open. Valid until the next call that changes the streams. */
struct guard_stream *guard_streams_find(const struct guard_streams *streams, uint32_t id);
struct guard_stream *guard_streams_add(struct guard_streams *streams, uint32_t id, tick_ms now_ms);
void guard_streams_remove(struct guard_streams *streams, struct guard_stream *stream);
/* Bytes of a body, which are held until the stream goes. False: too many, of all together. */
MUST_USE bool guard_streams_take(struct guard_streams *streams, struct guard_stream *stream,
                                 uint32_t bytes);
/* One side has no more to say; the stream goes when both have not. */
void guard_streams_client_ends(struct guard_streams *streams, struct guard_stream *stream);
void guard_streams_server_ends(struct guard_streams *streams, struct guard_stream *stream);
/* How long the oldest that its client has not ended has been open, without the time that is
 * excused; 0: there is none. */
uint64_t guard_streams_owed_ms(const struct guard_streams *streams, tick_ms now_ms);

#endif
