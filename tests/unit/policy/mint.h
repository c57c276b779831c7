/* Makes keys and tokens for tests: honest ones by libjwt, every other kind by hand. Texts are the
 * caller's to free. */
#ifndef WEIR_TESTS_MINT_H
#define WEIR_TESTS_MINT_H

#include "shared/policy/algorithm.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

EVP_PKEY *mint_rsa(unsigned bits);
EVP_PKEY *mint_ec(const char *group); /* "P-256" */
EVP_PKEY *mint_ed25519(void);

char *mint_public_pem(EVP_PKEY *key);
char *mint_private_pem(EVP_PKEY *key);
/* {"kty":...,"kid":id,<more>}; `more` are further members with a comma in front, or "". */
char *mint_jwk(EVP_PKEY *key, const char *id, const char *more);

char *mint_base64url(const void *bytes, size_t len);
/* header.payload.signature over exactly these texts. HS256 uses `secret`. ALGORITHM_COUNT: an empty
 * signature. */
char *mint_token(const char *header, const char *payload, enum algorithm algorithm, EVP_PKEY *key,
                 const char *secret);
/* A token by libjwt, "sub" Ada, with one more text claim and an expiry; RS256, ES256 or HS256 (then
 * `key_text` is the secret, else a private PEM). */
char *mint_by_libjwt(enum algorithm algorithm, const char *key_text, const char *claim,
                     const char *value, int64_t expires_s);
/* Does libjwt accept the token with this key? */
int mint_libjwt_accepts(const char *token, const char *key_text);

#endif
