#include "shared/policy/authenticator.h"

#include <stdlib.h>

void authenticator_init(struct authenticator *authenticator, size_t remembered)
{
    *authenticator = (struct authenticator){.required = true};
    keyring_init(&authenticator->keyring);
    apikey_ring_init(&authenticator->apikeys);
    authenticator->memory = token_memory_new(remembered);
    atomic_init(&authenticator->verified, 0);
    atomic_init(&authenticator->refused, 0);
}

void authenticator_fini(struct authenticator *authenticator)
{
    authenticator->memory = token_memory_free(authenticator->memory);
    apikey_ring_fini(&authenticator->apikeys);
    keyring_fini(&authenticator->keyring);
    free(authenticator->certificate_scopes);
    authenticator->certificate_scopes = NULL;
}

/* "Bearer <credential>": the scheme in any case, one space or more (RFC 9110 section 11.4). False:
 * another scheme. */
static bool read_bearer(struct span value, struct span *credential)
{
    static const char scheme[] = "Bearer";
    size_t len = sizeof scheme - 1;
    value = span_trim(value);
    if (value.len < len || strncasecmp(value.at, scheme, len) != 0 ||
        (value.len > len && value.at[len] != ' '))
        return false;
    *credential = span_trim(span_from(value, len));
    return true;
}

static void fill_in(struct identity *identity, const struct token_claims *claims)
{
    *identity = (struct identity){.kind = IDENTITY_TOKEN,
                                  .tenant = claims->tenant,
                                  .subject = claims->subject,
                                  .scopes = claims->scopes};
}

static enum authentication verify_token(struct authenticator *authenticator, struct span token,
                                        const struct token_digest *digest, int64_t now_s,
                                        struct arena *arena, struct identity *identity,
                                        const char **reason)
{
    struct token_claims claims;
    uint64_t generation = 0;
    struct keyset *keys = keyring_get(&authenticator->keyring, &generation);
    if (keys == NULL) {
        *reason = "no_key_set";
        return AUTHENTICATION_UNAVAILABLE;
    }
    enum token_end end = token_verify(&authenticator->rules, keys, token, now_s, arena, &claims);
    (void)keyset_unref(keys);
    *reason = token_end_name(end);
    switch (end) {
    case TOKEN_FINE:
        atomic_fetch_add_explicit(&authenticator->verified, 1, memory_order_relaxed);
        token_memory_put(authenticator->memory, digest, generation, now_s, &claims);
        fill_in(identity, &claims);
        return AUTHENTICATION_KNOWN;
    case TOKEN_EXPIRED:
        return AUTHENTICATION_EXPIRED;
    case TOKEN_UNKNOWN_KEY:
        return AUTHENTICATION_UNKNOWN_KEY;
    case TOKEN_SIGNATURE:
    case TOKEN_KEY_TYPE:
        return authenticator->keys_unnamed ? AUTHENTICATION_UNKNOWN_KEY : AUTHENTICATION_REFUSED;
    default:
        return AUTHENTICATION_REFUSED;
    }
}

static enum authentication check_token(struct authenticator *authenticator, struct span token,
                                       int64_t now_s, struct arena *arena,
                                       struct identity *identity, const char **reason)
{
    struct token_claims claims;
    struct token_digest digest;
    if (!authenticator->by_token) {
        *reason = "tokens_not_accepted";
        return AUTHENTICATION_REFUSED;
    }
    if (token.len > TOKEN_BYTES) {
        *reason = token_end_name(TOKEN_TOO_LONG);
        return AUTHENTICATION_REFUSED;
    }
    token_memory_digest(authenticator->memory, token, &digest);
    if (!token_memory_find(authenticator->memory, &digest,
                           keyring_generation(&authenticator->keyring), now_s, arena, &claims))
        return verify_token(authenticator, token, &digest, now_s, arena, identity, reason);
    fill_in(identity, &claims);
    return AUTHENTICATION_KNOWN;
}

static struct span keep(struct arena *arena, struct span text)
{
    return span_make(arena_copy(arena, text), text.len);
}

static enum authentication check_apikey(struct authenticator *authenticator, struct span credential,
                                        int64_t now_s, struct arena *arena,
                                        struct identity *identity, const char **reason)
{
    static const char *const reasons[] = {[APIKEY_FINE] = "fine",
                                          [APIKEY_MALFORMED] = "malformed",
                                          [APIKEY_UNKNOWN] = "unknown",
                                          [APIKEY_EXPIRED] = "expired"};
    const struct apikey *row = NULL;
    struct apikeys *keys =
        authenticator->by_apikey ? apikey_ring_get(&authenticator->apikeys) : NULL;
    if (keys == NULL) {
        *reason = "api_keys_not_accepted";
        return AUTHENTICATION_REFUSED;
    }
    enum apikey_end end = apikeys_find(keys, credential, now_s, &row);
    *reason = reasons[end];
    if (end == APIKEY_FINE)
        *identity = (struct identity){.kind = IDENTITY_API_KEY,
                                      .tenant = keep(arena, row->tenant),
                                      .subject = keep(arena, row->id),
                                      .scopes = keep(arena, row->scopes),
                                      .limit_count = row->limit_count,
                                      .limit_period_ms = row->limit_period_ms};
    (void)apikeys_unref(keys);
    if (end == APIKEY_EXPIRED)
        return AUTHENTICATION_EXPIRED;
    return end == APIKEY_FINE ? AUTHENTICATION_KNOWN : AUTHENTICATION_REFUSED;
}

static enum authentication judge(struct authenticator *authenticator,
                                 const struct credentials *credentials, int64_t now_s,
                                 struct arena *arena, struct identity *identity,
                                 const char **reason)
{
    struct span credential;
    if (credentials->n_authorization + credentials->n_api_key > 1) {
        *reason = "several_credentials";
        return AUTHENTICATION_AMBIGUOUS;
    }
    if (credentials->n_api_key == 1)
        return check_apikey(authenticator, span_trim(credentials->api_key[0]), now_s, arena,
                            identity, reason);
    if (credentials->n_authorization == 0) {
        *reason = "no_credential";
        return AUTHENTICATION_NOBODY;
    }
    if (!read_bearer(credentials->authorization[0], &credential)) {
        *reason = "other_scheme";
        return AUTHENTICATION_NOBODY;
    }
    if (credential.len == 0) {
        *reason = "empty_credential";
        return AUTHENTICATION_AMBIGUOUS;
    }
    if (apikey_is(credential))
        return check_apikey(authenticator, credential, now_s, arena, identity, reason);
    return check_token(authenticator, credential, now_s, arena, identity, reason);
}

enum authentication authenticate(struct authenticator *authenticator,
                                 const struct credentials *credentials, int64_t now_s,
                                 struct arena *arena, struct identity *identity,
                                 const char **reason)
{
    *identity = (struct identity){.kind = IDENTITY_NONE};
    *reason = "fine";
    enum authentication result = judge(authenticator, credentials, now_s, arena, identity, reason);
    must(identity_is_known(identity) == (result == AUTHENTICATION_KNOWN));
    must(result != AUTHENTICATION_KNOWN || identity->tenant.len > 0);
    if (result != AUTHENTICATION_KNOWN && result != AUTHENTICATION_NOBODY)
        atomic_fetch_add_explicit(&authenticator->refused, 1, memory_order_relaxed);
    return result;
}

bool authenticate_certificate(const struct authenticator *authenticator,
                              const struct certificate *certificate, struct arena *arena,
                              struct identity *identity)
{
    struct span name = certificate_name(certificate);
    if (authenticator->certificate_scopes == NULL || name.len == 0)
        return false;
    name = keep(arena, name);
    *identity = (struct identity){.kind = IDENTITY_CERTIFICATE,
                                  .tenant = name,
                                  .subject = name,
                                  .scopes = span_of(authenticator->certificate_scopes)};
    return true;
}

void authenticator_stats(struct authenticator *authenticator, struct authenticator_stats *stats)
{
    stats->verified = atomic_load(&authenticator->verified);
    stats->refused = atomic_load(&authenticator->refused);
    token_memory_stats(authenticator->memory, &stats->memory);
}
