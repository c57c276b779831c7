/* Tokens whose signature has been verified, remembered by the SHA-256 of the whole token, so that a
 * caller's second request costs a hash and no signature (I3).
 *
 * Only verified tokens get in, so strangers cannot fill it. An entry counts until its token expires
 * or the key set's generation changes. Bounded: `entries` of ENTRY_TEXT_BYTES at most, in sets of
 * eight with the least recently used one out first; sharded, one mutex a shard, held for a look-up
 * and a copy. Any thread. Times are seconds since 1970, passed in. */
#ifndef WEIR_POLICY_TOKEN_MEMORY_H
#define WEIR_POLICY_TOKEN_MEMORY_H

#include "shared/base/arena.h"
#include "shared/policy/token.h"

enum { TOKEN_DIGEST_BYTES = 32 };
/* Subject, tenant and scopes together; tokens that say more are verified each time. */
enum { TOKEN_MEMORY_TEXT_BYTES = 1024 };

struct token_memory;

struct token_digest {
    unsigned char bytes[TOKEN_DIGEST_BYTES];
};

struct token_memory_stats {
    uint64_t hits, misses;
    uint64_t stored, evicted; /* evicted: while still of use */
    uint64_t entries;         /* now, of use or not */
};

/* Room for `entries` (at least; rounded up to whole sets). */
MUST_USE struct token_memory *token_memory_new(size_t entries);
/* Accepts NULL; returns NULL. */
struct token_memory *token_memory_free(struct token_memory *memory);

void token_memory_digest(const struct token_memory *memory, struct span token,
                         struct token_digest *digest);
/* The claims of a token that was put under this generation and has not expired; their texts are
 * copied into the arena. */
MUST_USE bool token_memory_find(struct token_memory *memory, const struct token_digest *digest,
                                uint64_t generation, int64_t now_s, struct arena *arena,
                                struct token_claims *claims);
/* `generation` is the one that came with the key set that verified the token. */
void token_memory_put(struct token_memory *memory, const struct token_digest *digest,
                      uint64_t generation, int64_t now_s, const struct token_claims *claims);
void token_memory_stats(struct token_memory *memory, struct token_memory_stats *stats);

#endif
