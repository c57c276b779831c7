/* An answer that several requests read: what a cache keeps and a flight hands out.
 *
 * Immutable but for its count of references; any thread that has one may read, and the spans live
 * as long as it holds it. A unary answer has both encodings, made once; a stream has its pieces
 * and all of them in one. */
#ifndef WEIR_POLICY_CACHE_ENTRY_H
#define WEIR_POLICY_CACHE_ENTRY_H

#include "shared/base/must.h"
#include "shared/base/span.h"
#include "shared/policy/pieces.h"

#include <stdatomic.h>

struct cache_entry {
    atomic_uint refs;
    size_t bytes;          /* memory, this struct included */
    struct span json;      /* unary: the answer as JSON; never empty */
    struct span wire;      /* as protobuf: the answer, or a stream's last message; may be empty */
    struct pieces *pieces; /* streams, else NULL: one reference, complete */
    struct span whole;     /* streams: the text of all pieces */
    char data[];
};

/* One reference each. The spans are copied. */
MUST_USE struct cache_entry *cache_entry_new(struct span json, struct span wire);
/* Takes a reference of its own on `pieces`, which get no more. */
MUST_USE struct cache_entry *cache_entry_new_stream(struct pieces *pieces, struct span whole,
                                                    struct span wire);
MUST_USE struct cache_entry *cache_entry_ref(struct cache_entry *entry);
/* Accepts NULL; returns NULL. */
struct cache_entry *cache_entry_unref(struct cache_entry *entry);

#endif
