#include "server/guard_streams.h"

#include <stdlib.h>

enum { TENTHS = 0x7fffffff, FIRST_CAPACITY = 4 };

void guard_streams_fini(struct guard_streams *streams)
{
    free(streams->all);
    *streams = (struct guard_streams){0};
}

struct guard_stream *guard_streams_find(const struct guard_streams *streams, uint32_t id)
{
    /* Calls end soon after they begin: the newest first. */
    for (uint32_t i = streams->count; i > 0; i--)
        if (streams->all[i - 1].id == id)
            return &streams->all[i - 1];
    return NULL;
}

/* On a clock that stands still while clients are excused. */
static uint32_t tenths_of(const struct guard_streams *streams, tick_ms now_ms)
{
    return (uint32_t)((now_ms - streams->excused_ms) / 100) & TENTHS;
}

struct guard_stream *guard_streams_add(struct guard_streams *streams, uint32_t id, tick_ms now_ms)
{
    if (streams->count == streams->capacity) {
        streams->capacity = streams->capacity > 0 ? streams->capacity * 2 : FIRST_CAPACITY;
        streams->all = realloc(streams->all, streams->capacity * sizeof *streams->all);
        must(streams->all != NULL);
    }
    struct guard_stream *stream = &streams->all[streams->count++];
    streams->owed++;
    *stream = (struct guard_stream){.id = id & 0x7fffffff,
                                    .opened_ds = tenths_of(streams, now_ms) & TENTHS};
    return stream;
}

static void no_longer_owed(struct guard_streams *streams, const struct guard_stream *stream)
{
    if (stream->client_ended != 0)
        return;
    streams->owed--;
    streams->owed_bytes -= stream->bytes;
}

void guard_streams_remove(struct guard_streams *streams, struct guard_stream *stream)
{
    no_longer_owed(streams, stream);
    streams->bytes -= stream->bytes;
    *stream = streams->all[--streams->count];
}

bool guard_streams_take(struct guard_streams *streams, struct guard_stream *stream, uint32_t bytes)
{
    stream->bytes += bytes; /* wraps in a stream of 4 GiB: what is taken off is what was put on */
    streams->bytes += bytes;
    streams->owed_bytes += stream->client_ended == 0 ? bytes : 0;
    return streams->most_bytes == 0 || streams->bytes <= streams->most_bytes;
}

static void remove_if_over(struct guard_streams *streams, struct guard_stream *stream)
{
    if (stream->client_ended != 0 && stream->server_ended != 0)
        guard_streams_remove(streams, stream);
}

void guard_streams_client_ends(struct guard_streams *streams, struct guard_stream *stream)
{
    no_longer_owed(streams, stream);
    stream->client_ended = 1;
    remove_if_over(streams, stream);
}

void guard_streams_server_ends(struct guard_streams *streams, struct guard_stream *stream)
{
    stream->server_ended = 1;
    remove_if_over(streams, stream);
}

uint64_t guard_streams_owed_ms(const struct guard_streams *streams, tick_ms now_ms)
{
    uint32_t most_ds = 0;
    for (uint32_t i = 0; i < streams->count; i++) {
        const struct guard_stream *stream = &streams->all[i];
        uint32_t age_ds = (tenths_of(streams, now_ms) - stream->opened_ds) & TENTHS;
        if (stream->client_ended == 0 && age_ds > most_ds)
            most_ds = age_ds;
    }
    return (uint64_t)most_ds * 100;
}
