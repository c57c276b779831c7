/* The name under which an answer is kept and shared: two requests have the same key exactly when
 * the same question is put to the same model for the same tenant.
 *
 * SHA-256 (FIPS 180-4) over all parts, each with its length in front, so that no part can pass for
 * the end of another. A caller without a tenant is marked as such; no tenant's name, not even the
 * empty one, gives that mark. Pure; the maker is immutable, any thread may use it. */
#ifndef WEIR_POLICY_CACHE_KEY_H
#define WEIR_POLICY_CACHE_KEY_H

#include "shared/base/must.h"
#include "shared/base/span.h"

#include <stdint.h>

struct cache_key {
    uint8_t bytes[32];
};

struct cache_key_parts {
    struct span flow;           /* the rpc */
    struct span model;          /* provider and default model; the prompt may name another one */
    struct span prompt_version; /* of the prompt's source, its own model and settings included */
    bool has_tenant;
    struct span tenant;  /* where has_tenant is set */
    struct span request; /* the canonical form: protobuf, defaults filled in */
};

struct cache_key_maker;

MUST_USE struct cache_key_maker *cache_key_maker_new(void);
/* Accepts NULL; returns NULL. */
struct cache_key_maker *cache_key_maker_free(struct cache_key_maker *maker);
void cache_key_make(const struct cache_key_maker *maker, const struct cache_key_parts *parts,
                    struct cache_key *key);

static inline struct span cache_key_span(const struct cache_key *key)
{
    return span_make((const char *)key->bytes, sizeof key->bytes);
}

static inline bool cache_key_equal(const struct cache_key *a, const struct cache_key *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

#endif
