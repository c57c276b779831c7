/* From what a caller presents to who it is: the one place where credentials become identities.
 *
 * Tokens go through the memory of verified ones, then through the current key set; API keys through
 * the current table. What is presented has to be exactly one credential (RFC 6750 section 2): two
 * are refused, whatever each is worth. Times are seconds since 1970, passed in. Any thread, between
 * init and fini; the rules are fixed before the first call. */
#ifndef WEIR_POLICY_AUTHENTICATOR_H
#define WEIR_POLICY_AUTHENTICATOR_H

#include "shared/base/certificate.h"
#include "shared/policy/apikey.h"
#include "shared/policy/identity.h"
#include "shared/policy/token_memory.h"

struct authenticator {
    bool required;  /* somebody has to be known; else nobody is fine, too */
    bool by_token;  /* tokens are a way to be known */
    bool by_apikey; /* API keys are */
    /* Of every client whose certificate our CA vouches for; separated by single spaces, owned.
     * NULL: certificates are no way to be known. */
    char *certificate_scopes;
    /* The public keys have no ids, so that a new one shows by signatures that are not good. */
    bool keys_unnamed;
    struct token_rules rules;
    struct keyring keyring;
    struct token_memory *memory; /* owned */
    struct apikey_ring apikeys;
    atomic_uint_fast64_t verified; /* tokens whose signature was computed and was good */
    atomic_uint_fast64_t refused;  /* credentials of any kind */
};

/* The header values of a request; one more than is allowed is enough to see. */
struct credentials {
    struct span authorization[2];
    size_t n_authorization;
    struct span api_key[2];
    size_t n_api_key;
};

enum authentication {
    AUTHENTICATION_KNOWN,     /* the identity is filled in */
    AUTHENTICATION_NOBODY,    /* no credential of a kind that is understood came */
    AUTHENTICATION_AMBIGUOUS, /* more than one, or one that cannot be read at all */
    AUTHENTICATION_REFUSED,   /* not valid, and the caller is not told why */
    AUTHENTICATION_EXPIRED,   /* it was valid; worth telling, so that an honest caller renews it */
    AUTHENTICATION_UNKNOWN_KEY, /* refused, but a fresh key set may have the token's key */
    AUTHENTICATION_UNAVAILABLE  /* no key set is loaded: nothing can be said about any token */
};

struct authenticator_stats {
    uint64_t verified, refused;
    struct token_memory_stats memory;
};

/* Room for `remembered` verified tokens. The caller sets `required`, `by_token`, `by_apikey` and
 * `rules`, and fills the two rings. */
void authenticator_init(struct authenticator *authenticator, size_t remembered);
void authenticator_fini(struct authenticator *authenticator);

/* *reason is a static word for the log, never for the caller. The identity's texts are in the
 * arena; it is of kind NONE unless the result is KNOWN. */
MUST_USE enum authentication authenticate(struct authenticator *authenticator,
                                          const struct credentials *credentials, int64_t now_s,
                                          struct arena *arena, struct identity *identity,
                                          const char **reason);

/* Who a verified certificate names: its SPIFFE ID, or else its subject, which is its tenant, too,
 * so that no two names share anything. False: certificates are no way to be known, or it has no
 * name. A credential of the request comes before it; whoever asks has seen that there is none. */
MUST_USE bool authenticate_certificate(const struct authenticator *authenticator,
                                       const struct certificate *certificate, struct arena *arena,
                                       struct identity *identity);

void authenticator_stats(struct authenticator *authenticator, struct authenticator_stats *stats);

#endif
