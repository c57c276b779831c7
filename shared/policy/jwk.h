/* One JSON Web Key (RFC 7517, RFC 7518 section 6, RFC 8037 section 2) -> a key. Pure; any thread.
 */
#ifndef WEIR_POLICY_JWK_H
#define WEIR_POLICY_JWK_H

#include "shared/policy/key.h"

#include <jansson.h>

/* A public RSA, P-256 or Ed25519 key that is for verifying signatures. Symmetric and private keys
 * have no business in a public document and are not taken. NULL: *problem (static) says why not. */
MUST_USE struct key *jwk_read(const json_t *jwk, const char **problem);

#endif
