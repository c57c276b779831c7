/* What was made of a JSON Schema, kept, because schemas are few and requests are many.
 *
 * Bounded: when full, the oldest place is used again. Owner thread only. */
#ifndef WEIR_LLM_MEMO_H
#define WEIR_LLM_MEMO_H

#include "shared/base/buf.h"

enum { MEMO_PLACES = 64, MEMO_BYTES = 256 * 1024 };

struct memo {
    struct memo_place {
        const char *key; /* the schema's address: a first guess, never the proof */
        char *schema;    /* owned copy */
        struct buf made;
    } places[MEMO_PLACES];
    size_t next; /* the place to fill */
    /* Writes to `out` what is to be kept; nothing when the schema is unusable. */
    void (*make)(const char *schema, struct buf *out);
};

void memo_init(struct memo *memo, void (*make)(const char *schema, struct buf *out));
void memo_fini(struct memo *memo);
/* Valid until the next call; empty when the schema is unusable. */
struct span memo_find(struct memo *memo, const char *schema);

#endif
