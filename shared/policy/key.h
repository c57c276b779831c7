/* A key that tokens are verified with, ready to use: an OpenSSL key with an initialised context for
 * each algorithm it may be used with, or a shared secret.
 *
 * Immutable once made, so any number of threads may verify with one key at a time. The key's type
 * settles which algorithms fit it; nothing that a token says can change that (RFC 8725 section
 * 3.1). Verifying copies an initialised context instead of making one: 21 us for RS256 where
 * decoding the key each time costs 400. */
#ifndef WEIR_POLICY_KEY_H
#define WEIR_POLICY_KEY_H

#include "shared/base/must.h"
#include "shared/base/span.h"
#include "shared/policy/algorithm.h"

#include <openssl/types.h>
#include <stdbool.h>

enum { KEY_SECRET_BYTES = 32, KEY_RSA_BITS = 2048, KEY_RSA_MOST_BITS = 8192, KEY_ID_BYTES = 256 };

struct key;

/* Takes `public_key` over, whatever the result: RSA of 2,048 to 8,192 bits with an odd exponent of
 * at least 3, EC on P-256, Ed25519. `id` (may be empty: it has none) is copied. `only` narrows what
 * fits the type. NULL: *problem (static) says why not. */
MUST_USE struct key *key_new(EVP_PKEY *public_key, struct span id, algorithm_set only,
                             const char **problem);
/* For HS256: at least KEY_SECRET_BYTES; copied, and wiped by key_free. */
MUST_USE struct key *key_new_secret(struct span secret, const char **problem);
/* Accepts NULL; returns NULL. */
struct key *key_free(struct key *key);

struct span key_id(const struct key *key);
/* What may be verified with it. */
algorithm_set key_algorithms(const struct key *key);
/* Is `signature` the key's over `signed_text`? False, too, when the algorithm does not fit the
 * key. */
MUST_USE bool key_verify(const struct key *key, enum algorithm algorithm, struct span signed_text,
                         const unsigned char *signature, size_t len);

#endif
