/* Blocks double in size from 4 KiB to 256 KiB; a larger request gets a block of its own. */
#include "shared/base/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum { FIRST_BLOCK_BYTES = 4096, LARGEST_BLOCK_BYTES = 256 * 1024 };

struct arena_block {
    struct arena_block *older;
    size_t size; /* bytes of payload */
    _Alignas(max_align_t) char payload[];
};

void arena_init(struct arena *arena, size_t budget_bytes)
{
    *arena = (struct arena){.budget_bytes = budget_bytes};
}

static void free_blocks(struct arena_block *block)
{
    while (block != NULL) {
        struct arena_block *older = block->older;
        free(block);
        block = older;
    }
}

void arena_fini(struct arena *arena)
{
    free_blocks(arena->blocks);
    arena_init(arena, arena->budget_bytes);
}

void arena_reset(struct arena *arena)
{
    struct arena_block *first = arena->blocks;
    arena->used_bytes = 0;
    if (first == NULL)
        return;
    while (first->older != NULL) {
        struct arena_block *older = first->older;
        free(first);
        first = older;
    }
    arena->blocks = first;
    arena->next = first->payload;
    arena->end = first->payload + first->size;
}

/* False: there is no memory. */
static bool add_block(struct arena *arena, size_t size)
{
    size_t wanted = arena->blocks == NULL ? FIRST_BLOCK_BYTES : arena->blocks->size * 2;
    if (wanted > LARGEST_BLOCK_BYTES)
        wanted = LARGEST_BLOCK_BYTES;
    if (wanted < size)
        wanted = size;
    struct arena_block *block = malloc(sizeof *block + wanted);
    if (block == NULL)
        return false;
    block->older = arena->blocks;
    block->size = wanted;
    arena->blocks = block;
    arena->next = block->payload;
    arena->end = block->payload + wanted;
    return true;
}

static void *take(struct arena *arena, size_t size)
{
    must(size <= SIZE_MAX / 4);
    size_t rounded = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
    if (rounded == 0)
        rounded = _Alignof(max_align_t);
    bool fits = arena->next != NULL && (size_t)(arena->end - arena->next) >= rounded;
    if (!fits && !add_block(arena, rounded))
        return NULL;
    void *at = arena->next;
    arena->next += rounded;
    arena->used_bytes += rounded;
    return at;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *at = take(arena, size);
    must(at != NULL);
    return at;
}

void *arena_try(struct arena *arena, size_t size)
{
    if (size > arena->budget_bytes || arena->used_bytes > arena->budget_bytes - size)
        return NULL;
    return take(arena, size);
}

void *arena_zero(struct arena *arena, size_t size)
{
    return memset(arena_alloc(arena, size), 0, size);
}

char *arena_copy(struct arena *arena, struct span text)
{
    char *copy = arena_alloc(arena, text.len + 1);
    if (text.len > 0)
        memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    return copy;
}
