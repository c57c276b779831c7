/* Walks over an HPACK header block (RFC 7541) without decoding it: where fields begin and end, how
 * long integers and strings are, and nothing else. No dynamic table is kept, and nothing is copied.
 *
 * Incremental: a block may come in any pieces. Pure; one thread at a time. */
#ifndef WEIR_SERVER_HPACK_WALK_H
#define WEIR_SERVER_HPACK_WALK_H

#include "server/guard_rules.h"
#include "shared/base/must.h"
#include "shared/base/span.h"

enum {
    HPACK_INTEGER_BYTES = 5,    /* the prefix included */
    HPACK_STRING_BYTES = 16384, /* as sent, which may be Huffman-coded */
    HPACK_FIELDS = 256,
    HPACK_TABLE_BYTES = 4096 /* the table size that the C core offers */
};

/* All zero at the start of a block. */
struct hpack_walk {
    uint32_t value; /* of the integer so far */
    uint32_t left;  /* bytes of the string */
    uint16_t fields;
    uint8_t state;
    uint8_t purpose;       /* of the integer */
    uint8_t integer_bytes; /* so far */
    uint8_t strings;       /* still to come in this field */
    uint8_t resizes;       /* of the table, which come first */
};

/* GUARD_FINE, or the rule that the block breaks. */
MUST_USE enum guard_rule hpack_walk(struct hpack_walk *walk, struct span bytes);
/* Whether the block may end here. */
static inline bool hpack_walk_is_whole(const struct hpack_walk *walk)
{
    return walk->state == 0;
}

#endif
