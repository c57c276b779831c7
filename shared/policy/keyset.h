/* The keys that tokens are verified with: an immutable, counted snapshot, and the ring that holds
 * the current one.
 *
 * A set is filled by one thread and never changes once it is in a ring; it lives until its last
 * reference goes, so a swap waits for nobody and frees nothing under a reader. Each swap raises the
 * ring's generation, which is what verified tokens are remembered under. Texts come from files and
 * from servers: what cannot be used is an ordinary error. */
#ifndef WEIR_POLICY_KEYSET_H
#define WEIR_POLICY_KEYSET_H

#include "shared/policy/key.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* KEYSET_TRIES: signatures computed at most for one token, whatever the set holds. */
enum { KEYSET_KEYS = 64, KEYSET_TRIES = 4, KEYSET_TEXT_BYTES = 256 * 1024 };
enum { KEYSET_PROBLEM_BYTES = 160 };

struct keyset;

/* An empty set with one reference. */
MUST_USE struct keyset *keyset_new(void);
struct keyset *keyset_ref(struct keyset *set);
/* Accepts NULL; returns NULL. */
struct keyset *keyset_unref(struct keyset *set);

/* These add keys and fail with a line about what is wrong, without quoting the text; a set that an
 * add has failed on is of no use.
 * One or more "PUBLIC KEY" blocks (RFC 7468 section 13); a private key is refused by name. */
MUST_USE bool keyset_add_pem(struct keyset *set, struct span text,
                             char problem[KEYSET_PROBLEM_BYTES]);
/* A JWK Set. Keys of kinds that are not known or not strong enough are passed over (RFC 7517
 * section 5); at least one has to be left. */
MUST_USE bool keyset_add_jwks(struct keyset *set, struct span text,
                              char problem[KEYSET_PROBLEM_BYTES]);
/* The answer of a registry: {"public_key": "-----BEGIN PUBLIC KEY..."}. */
MUST_USE bool keyset_add_registry(struct keyset *set, struct span text,
                                  char problem[KEYSET_PROBLEM_BYTES]);
/* The shared secret of HS256. */
MUST_USE bool keyset_add_secret(struct keyset *set, struct span secret,
                                char problem[KEYSET_PROBLEM_BYTES]);

size_t keyset_count(const struct keyset *set);
/* Were both made of the same texts? */
bool keyset_same(const struct keyset *a, const struct keyset *b);

/* The keys to try for a token: those with the id and, where no key has it, those without any; all,
 * when the token names none (`id` empty). Only those that fit the algorithm; at most KEYSET_TRIES.
 * *known tells whether there were any before the algorithm was looked at: if not, a fresh set may
 * know better. The keys live as long as the set. */
size_t keyset_find(const struct keyset *set, struct span id, enum algorithm algorithm,
                   const struct key *found[KEYSET_TRIES], bool *known);

/* Where the current set is. Any thread, between init and fini. */
struct keyring {
    atomic_uint_fast64_t generation; /* 0: no set yet */
    pthread_mutex_t mutex;
    struct keyset *current; /* under the mutex; NULL: none yet */
};

void keyring_init(struct keyring *ring);
void keyring_fini(struct keyring *ring);
/* Takes `set` over and makes it the current one. */
void keyring_put(struct keyring *ring, struct keyset *set);
/* The current set with a reference for the caller, and its generation; NULL when there is none. */
MUST_USE struct keyset *keyring_get(struct keyring *ring, uint64_t *generation);
static inline uint64_t keyring_generation(struct keyring *ring)
{
    return atomic_load(&ring->generation);
}

#endif
