/* Bytes that grow at the end, up to a limit.
 *
 * Memory comes from an arena (then buf_fini is not needed and growth leaves the old copy to the
 * arena) or from the heap (arena NULL). Writing past the limit sets `overflow` and writes nothing
 * more, so that a run of appends needs one check at its end. One thread at a time. */
#ifndef WEIR_BASE_BUF_H
#define WEIR_BASE_BUF_H

#include "shared/base/arena.h"
#include "shared/base/span.h"

#include <stdbool.h>
#include <stdint.h>

struct buf {
    char *at; /* owned by the buf, or by its arena; NULL while empty */
    size_t len;
    size_t cap;
    size_t limit; /* bytes at most */
    struct arena *arena;
    bool overflow;
};

/* `arena` may be NULL (heap) and must outlive the buf. */
void buf_init(struct buf *buf, struct arena *arena, size_t limit_bytes);
/* Frees heap memory; harmless on an arena's buf, on a zeroed one, and twice. */
void buf_fini(struct buf *buf);
/* Empties it; keeps the memory and the limit. */
void buf_clear(struct buf *buf);

void buf_put(struct buf *buf, const void *bytes, size_t len);
void buf_put_char(struct buf *buf, char c);
void buf_put_text(struct buf *buf, const char *text);
void buf_put_span(struct buf *buf, struct span text);
void buf_put_u64(struct buf *buf, uint64_t value);
void buf_put_i64(struct buf *buf, int64_t value);
/* printf for short texts (512 bytes at most are written). */
__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *buf, const char *format, ...);
/* `text` as the inside of a JSON string (RFC 8259), without the quotes. `text` must be UTF-8. */
void buf_put_json(struct buf *buf, struct span text);
/* "text" as a JSON string, quotes included. */
void buf_put_json_string(struct buf *buf, struct span text);

/* Room for `len` more bytes at the end, or NULL (and overflow set); the caller writes there and
 * then adds to buf->len what it wrote. */
MUST_USE char *buf_reserve(struct buf *buf, size_t len);

/* What is in it; valid until the next append, clear or fini. */
static inline struct span buf_span(const struct buf *buf)
{
    return (struct span){buf->at, buf->len};
}

#endif
