/* A bump allocator: one request's memory, given back at once.
 *
 * The arena owns its blocks. Pointers live until arena_reset or arena_fini. One thread at a time.
 *
 * Two ways in. arena_alloc is for sizes that the code chooses (or that a cap already bounds): it
 * never fails, running out of memory ends the process. arena_try is for sizes that a peer chooses:
 * it returns NULL past the budget, or where memory is out, which is an ordinary error. Both count
 * towards the budget; what is left of a block when the next one is begun does not, so real memory
 * is at most about twice. */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

#include "shared/base/must.h"
#include "shared/base/span.h"

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first; the oldest is kept over a reset */
    char *next;                 /* free bytes of the newest block: [next, end) */
    char *end;
    size_t used_bytes;   /* handed out since the last reset, alignment included */
    size_t budget_bytes; /* what arena_try may bring used_bytes to */
};

/* An empty arena that holds no memory yet. */
void arena_init(struct arena *arena, size_t budget_bytes);
/* Gives all memory back. The arena may be initialised again. */
void arena_fini(struct arena *arena);
/* Forgets everything handed out; keeps the first block so that the next request need not malloc. */
void arena_reset(struct arena *arena);

/* `size` bytes aligned for any type, not cleared; never NULL, also for size 0. */
MUST_USE void *arena_alloc(struct arena *arena, size_t size);
/* The same, or NULL when the budget does not allow it, or there is no memory. */
MUST_USE void *arena_try(struct arena *arena, size_t size);
/* `size` zero bytes; never NULL. */
MUST_USE void *arena_zero(struct arena *arena, size_t size);
/* A NUL-terminated copy; never NULL. */
MUST_USE char *arena_copy(struct arena *arena, struct span text);

#endif
