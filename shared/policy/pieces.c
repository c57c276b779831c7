#include "shared/policy/pieces.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

enum { FIRST_BLOCK_BYTES = 1024, LARGEST_BLOCK_BYTES = 64 * 1024 };

/* Records: the length (32 bits), the text, a NUL, and what aligns the next record. */
struct pieces_block {
    _Atomic(struct pieces_block *) next; /* set when `used` will not change again */
    atomic_size_t used;
    size_t room;
    char bytes[];
};

struct pieces {
    atomic_uint refs;
    struct pieces_block *first; /* fixed */

    /* The writer's. */
    struct pieces_block *last;
    size_t limit_bytes;
    size_t memory_bytes;
    size_t text_bytes;
};

static size_t record_bytes(size_t len)
{
    size_t align = sizeof(uint32_t);
    return (sizeof(uint32_t) + len + 1 + align - 1) / align * align;
}

static struct pieces_block *new_block(size_t room)
{
    struct pieces_block *block = malloc(sizeof *block + room);
    must(block != NULL);
    atomic_init(&block->next, NULL);
    atomic_init(&block->used, 0);
    block->room = room;
    return block;
}

struct pieces *pieces_new(size_t limit_bytes)
{
    struct pieces *pieces = calloc(1, sizeof *pieces);
    must(pieces != NULL);
    atomic_init(&pieces->refs, 1);
    pieces->limit_bytes = limit_bytes;
    pieces->first = pieces->last = new_block(FIRST_BLOCK_BYTES);
    pieces->memory_bytes = sizeof *pieces + sizeof *pieces->first + FIRST_BLOCK_BYTES;
    return pieces;
}

struct pieces *pieces_ref(struct pieces *pieces)
{
    must(atomic_fetch_add_explicit(&pieces->refs, 1, memory_order_relaxed) > 0);
    return pieces;
}

struct pieces *pieces_unref(struct pieces *pieces)
{
    if (pieces == NULL || atomic_fetch_sub_explicit(&pieces->refs, 1, memory_order_acq_rel) > 1)
        return NULL;
    for (struct pieces_block *block = pieces->first, *next; block != NULL; block = next) {
        next = atomic_load_explicit(&block->next, memory_order_relaxed);
        free(block);
    }
    free(pieces);
    return NULL;
}

/* A block with room for the record behind the last one; NULL past the limit. Blocks double. */
static struct pieces_block *extend(struct pieces *pieces, size_t record)
{
    size_t room = pieces->last->room * 2;
    if (room > LARGEST_BLOCK_BYTES)
        room = LARGEST_BLOCK_BYTES;
    if (room < record)
        room = record;
    size_t bytes = sizeof(struct pieces_block) + room;
    if (bytes > pieces->limit_bytes || pieces->memory_bytes > pieces->limit_bytes - bytes)
        return NULL;
    pieces->memory_bytes += bytes;
    return new_block(room);
}

bool pieces_append(struct pieces *pieces, struct span text)
{
    if (text.len > pieces->limit_bytes || text.len > UINT32_MAX - 16)
        return false;
    size_t record = record_bytes(text.len);
    struct pieces_block *block = pieces->last;
    size_t used = atomic_load_explicit(&block->used, memory_order_relaxed);
    if (block->room - used < record) {
        struct pieces_block *next = extend(pieces, record);
        if (next == NULL)
            return false;
        atomic_store(&block->next, next);
        pieces->last = block = next;
        used = 0;
    }
    uint32_t len = (uint32_t)text.len;
    memcpy(block->bytes + used, &len, sizeof len);
    memcpy(block->bytes + used + sizeof len, text.at, text.len);
    block->bytes[used + sizeof len + text.len] = '\0';
    pieces->text_bytes += text.len;
    /* From here on readers see it. The order counts beyond this file: who appends looks afterwards
     * for readers to wake, who begins to read makes itself known before it looks here. */
    atomic_store(&block->used, used + record);
    return true;
}

size_t pieces_memory_bytes(const struct pieces *pieces)
{
    return pieces->memory_bytes;
}

size_t pieces_text_bytes(const struct pieces *pieces)
{
    return pieces->text_bytes;
}

void pieces_start(const struct pieces *pieces, struct pieces_cursor *cursor)
{
    *cursor = (struct pieces_cursor){.block = pieces->first};
}

bool pieces_next(struct pieces_cursor *cursor, struct span *text)
{
    for (;;) {
        /* In this order: a block with a next one is full, so its `used` is final. */
        const struct pieces_block *next = atomic_load(&cursor->block->next);
        size_t used = atomic_load(&cursor->block->used);
        if (cursor->offset < used)
            break;
        if (next == NULL)
            return false;
        cursor->block = next;
        cursor->offset = 0;
    }
    uint32_t len = 0;
    const char *record = cursor->block->bytes + cursor->offset;
    memcpy(&len, record, sizeof len);
    *text = span_make(record + sizeof len, len);
    cursor->offset += record_bytes(len);
    cursor->bytes += len;
    return true;
}
