/* HTTP/2 frames put together byte by byte, for the guard's tests. */
#ifndef WEIR_TESTS_UNIT_SERVER_FRAME_KIT_H
#define WEIR_TESTS_UNIT_SERVER_FRAME_KIT_H

#include "shared/base/buf.h"

enum frame_kind {
    DATA,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    PUSH_PROMISE,
    PING,
    GOAWAY,
    WINDOW_UPDATE,
    CONTINUATION
};
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, WITH_PRIORITY = 0x20 };

static const char frame_preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static inline void put_frame(struct buf *out, unsigned kind, unsigned flags, uint32_t stream,
                             const void *payload, size_t len)
{
    const char head[9] = {(char)(len >> 16),    (char)(len >> 8),    (char)len,
                          (char)kind,           (char)flags,         (char)(stream >> 24),
                          (char)(stream >> 16), (char)(stream >> 8), (char)stream};
    buf_put(out, head, sizeof head);
    buf_put(out, payload, len);
}

static inline void put_word_frame(struct buf *out, unsigned kind, uint32_t stream, uint32_t word)
{
    const char bytes[4] = {(char)(word >> 24), (char)(word >> 16), (char)(word >> 8), (char)word};
    put_frame(out, kind, 0, stream, bytes, sizeof bytes);
}

static inline void put_opening(struct buf *out)
{
    buf_put_text(out, frame_preface);
    put_frame(out, SETTINGS, 0, 0, NULL, 0);
}

#endif
