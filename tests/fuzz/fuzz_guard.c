/* Both sides of a guarded connection, fed whole and byte by byte, come to the same end.
 *
 * The input is a row of records: a byte that says who speaks and how much time has passed, two for
 * the length, and what is said. */
#include "server/guard_frames.h"
#include "tests/support/exact.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_BODY_BYTES = 4096 }; /* in half of the runs, as for REST; else any, as for gRPC */

typedef enum guard_rule (*feeder)(struct guard_frames *, struct span, tick_ms);

static enum guard_rule feed_bytes(feeder feed, struct guard_frames *frames, struct span bytes,
                                  tick_ms now_ms)
{
    enum guard_rule rule = GUARD_FINE;
    for (size_t i = 0; i < bytes.len && rule == GUARD_FINE; i++) {
        struct span byte = exact_copy(span_make(bytes.at + i, 1));
        rule = feed(frames, byte, now_ms);
        exact_free(byte);
    }
    return rule;
}

static void compare(const struct guard_frames *a, const struct guard_frames *b)
{
    must(a->streams.count == b->streams.count && a->streams.count <= GUARD_OPEN_STREAMS);
    must(a->last_stream == b->last_stream && a->block_stream == b->block_stream);
    must(a->client.got == b->client.got && a->server.got == b->server.got);
    must(a->block_bytes <= GUARD_HEADER_BLOCK_BYTES && a->walk.fields <= HPACK_FIELDS);
    must(guard_frames_begun(a) == guard_frames_begun(b));
    must(a->streams.bytes == b->streams.bytes);
    must(a->streams.most_bytes == 0 || a->streams.bytes <= a->streams.most_bytes);
    must(a->streams.owed <= a->streams.count && a->streams.owed_bytes <= a->streams.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct guard_frames whole, bytes;
    char goaway[GUARD_GOAWAY_BYTES];
    tick_ms now_ms = 1000;
    enum guard_rule rule = GUARD_FINE;
    guard_frames_init(&whole, now_ms);
    guard_frames_init(&bytes, now_ms);
    whole.streams.most_bytes = bytes.streams.most_bytes = size % 2 * MOST_BODY_BYTES;
    while (size >= 3 && rule == GUARD_FINE) {
        feeder feed = data[0] % 2 == 0 ? guard_frames_client : guard_frames_server;
        size_t len = (size_t)data[1] << 8 | data[2];
        now_ms += data[0] / 2;
        data += 3;
        size -= 3;
        len = len < size ? len : size;
        struct span said = span_make((const char *)data, len);
        rule = feed(&whole, said, now_ms);
        must(rule == feed_bytes(feed, &bytes, said, now_ms));
        if (rule == GUARD_FINE)
            compare(&whole, &bytes);
        data += len;
        size -= len;
    }
    must(guard_frames_owed_ms(&whole, now_ms) == guard_frames_owed_ms(&bytes, now_ms));
    must(guard_frames_goaway(&whole, GUARD_RESETS, goaway) <= sizeof goaway);
    guard_frames_fini(&whole);
    guard_frames_fini(&bytes);
    return 0;
}
