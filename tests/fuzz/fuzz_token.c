/* Tokens from strangers. The first byte chooses: a whole token, or the claims behind a good
 * signature. Whatever is not signed with our keys is refused; whatever claims pass are typed. */
#include "shared/policy/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char secret[] = "a secret that no input knows, 32 bytes";
static const char public_key[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEKHVWAqYvqLG5UFz1EnopkOm2Q3fT\n"
    "dMtdOjBEP3UO0d5qJBuvXr3rj331mIaX+Yeb3zhTVe19xQHSLrSVS3RCyQ==\n"
    "-----END PUBLIC KEY-----\n";

static struct keyset *make_keys(void)
{
    char problem[KEYSET_PROBLEM_BYTES];
    struct keyset *keys = keyset_new();
    must(keyset_add_secret(keys, span_of(secret), problem));
    must(keyset_add_pem(keys, span_of(public_key), problem));
    return keys;
}

static void check(const struct token_claims *claims, int64_t now_s)
{
    must(claims->subject.len > 0 && claims->subject.len <= TOKEN_NAME_BYTES);
    must(claims->tenant.len > 0 && claims->tenant.len <= TOKEN_NAME_BYTES);
    must(claims->expires_s > now_s);
    for (size_t i = 0; i < claims->scopes.len; i++)
        must(claims->scopes.at[i] >= 0x20 && claims->scopes.at[i] < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct token_rules all = {.algorithms = (1U << ALGORITHM_COUNT) - 1,
                                           .leeway_s = 60};
    const int64_t now_s = 1800000000;
    struct token_rules rules = all;
    struct token_claims claims;
    struct arena arena;
    if (size == 0)
        return 0;
    struct span text = span_make((const char *)data + 1, size - 1);
    arena_init(&arena, 0);
    if (data[0] == 't') {
        struct keyset *keys = make_keys();
        must(token_verify(&rules, keys, text, now_s, &arena, &claims) != TOKEN_FINE);
        (void)keyset_unref(keys);
    } else {
        if (data[0] == 'a')
            rules.audience = rules.issuer = span_of("weir");
        if (token_read_claims(&rules, text, now_s, &arena, &claims) == TOKEN_FINE)
            check(&claims, now_s);
    }
    arena_fini(&arena);
    return 0;
}
