/* The pieces of a stream, in order: one thread appends, any number read along without a lock.
 *
 * A piece never changes once it is in, so what a reader was given stays valid as long as the reader
 * has a reference. Each reader has a cursor of its own; a late one begins at the first piece.
 * Memory is a chain of blocks, so that a small piece costs little more than its bytes. */
#ifndef WEIR_POLICY_PIECES_H
#define WEIR_POLICY_PIECES_H

#include "shared/base/must.h"
#include "shared/base/span.h"

struct pieces;
struct pieces_block;

/* Owner thread only. */
struct pieces_cursor {
    const struct pieces_block *block;
    size_t offset;
    size_t bytes; /* of text read so far */
};

/* One reference. `limit_bytes` is what the pieces may take in memory. */
MUST_USE struct pieces *pieces_new(size_t limit_bytes);
/* Any thread. */
MUST_USE struct pieces *pieces_ref(struct pieces *pieces);
/* Any thread; accepts NULL, returns NULL. */
struct pieces *pieces_unref(struct pieces *pieces);

/* The writer's thread only. False, and nothing is appended, where it would pass the limit. */
MUST_USE bool pieces_append(struct pieces *pieces, struct span text);
/* Memory taken and text appended. The writer's thread, or any once the writer is done. */
size_t pieces_memory_bytes(const struct pieces *pieces);
size_t pieces_text_bytes(const struct pieces *pieces);

/* Any thread that has a reference. */
void pieces_start(const struct pieces *pieces, struct pieces_cursor *cursor);
/* The next piece, with a NUL behind it. False: there is none yet. */
MUST_USE bool pieces_next(struct pieces_cursor *cursor, struct span *text);

#endif
