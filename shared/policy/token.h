/* Verifying a JSON Web Token (RFC 7519, RFC 7515), as strictly as RFC 8725 advises.
 *
 * Times are seconds since 1970 (wall clock, passed in). The claims' texts are copied into the
 * caller's arena. Any thread; the rules and the key set must not change meanwhile. Nothing of a
 * token is believed before its signature has been verified, except which key to try, and no header
 * ever brings a key (jwk, jku, x5c, x5u are not looked at). */
#ifndef WEIR_POLICY_TOKEN_H
#define WEIR_POLICY_TOKEN_H

#include "shared/base/arena.h"
#include "shared/policy/keyset.h"

enum { TOKEN_BYTES = 8192, TOKEN_NAME_BYTES = 256 };

/* Fixed after start. Empty texts: not checked. */
struct token_rules {
    algorithm_set algorithms;
    struct span issuer;
    struct span audience;
    int64_t leeway_s; /* 0 to 60 */
};

/* What a verified token says; a NUL follows each text that is not empty. */
struct token_claims {
    struct span subject; /* "sub" */
    struct span tenant;  /* "tenant", else "sub" */
    struct span scopes;  /* "scope", else "scp"; separated by single spaces */
    int64_t expires_s;   /* from then on it is not accepted: "exp" and the leeway */
};

enum token_end {
    TOKEN_FINE,
    TOKEN_TOO_LONG,
    TOKEN_MALFORMED,   /* not three parts of strict base64url with JSON objects in them */
    TOKEN_HEADER,      /* a header that must not be ignored: crit, another typ */
    TOKEN_ALGORITHM,   /* not on the list */
    TOKEN_KEY_TYPE,    /* on the list, but not for the key that is meant */
    TOKEN_UNKNOWN_KEY, /* no such key in the set: a fresh one may have it */
    TOKEN_SIGNATURE,
    TOKEN_CLAIMS, /* one that is needed is missing, or has the wrong type */
    TOKEN_EXPIRED,
    TOKEN_NOT_YET,
    TOKEN_ISSUER,
    TOKEN_AUDIENCE,
    TOKEN_END_COUNT
};

/* "unknown_key" and so on, for the log; never for the caller. */
const char *token_end_name(enum token_end end);

MUST_USE enum token_end token_verify(const struct token_rules *rules, const struct keyset *keys,
                                     struct span token, int64_t now_s, struct arena *arena,
                                     struct token_claims *claims);

/* --- the part after the signature, for token.c and tests --- */
MUST_USE enum token_end token_read_claims(const struct token_rules *rules, struct span json,
                                          int64_t now_s, struct arena *arena,
                                          struct token_claims *claims);

#endif
