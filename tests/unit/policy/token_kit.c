#include "tests/unit/policy/token_kit.h"

#include "tests/support/exact.h"

#include <stdlib.h>

EVP_PKEY *rsa, *other_rsa, *ec, *ed;
char *rsa_pem;
struct keyset *keys; /* all of them, without ids, and the secret */
struct arena arena;
struct token_claims claims;

struct token_rules rules = {.algorithms = ALL_ALGORITHMS, .leeway_s = LEEWAY_S};

void add_pem(struct keyset *set, EVP_PKEY *key)
{
    char problem[KEYSET_PROBLEM_BYTES] = "";
    char *pem = mint_public_pem(key);
    assert_true(keyset_add_pem(set, span_of(pem), problem));
    free(pem);
}

int token_set_up(void **state)
{
    (void)state;
    char problem[KEYSET_PROBLEM_BYTES] = "";
    rsa = mint_rsa(2048);
    other_rsa = mint_rsa(2048);
    ec = mint_ec("P-256");
    ed = mint_ed25519();
    rsa_pem = mint_public_pem(rsa);
    keys = keyset_new();
    add_pem(keys, rsa);
    add_pem(keys, ec);
    add_pem(keys, ed);
    assert_true(keyset_add_secret(keys, span_of(SECRET), problem));
    arena_init(&arena, 0);
    return 0;
}

int token_tear_down(void **state)
{
    (void)state;
    arena_fini(&arena);
    keys = keyset_unref(keys);
    free(rsa_pem);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(other_rsa);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(ed);
    return 0;
}

enum token_end verify_at(struct span token, int64_t now_s)
{
    struct span exact = exact_copy(token);
    claims = (struct token_claims){.subject = SPAN_EMPTY};
    enum token_end end = token_verify(&rules, keys, exact, now_s, &arena, &claims);
    exact_free(exact);
    return end;
}

enum token_end verify(const char *token)
{
    return verify_at(span_of(token), NOW_S);
}

enum token_end try_rsa(const char *header, const char *payload)
{
    char *token = mint_token(header, payload, ALGORITHM_RS256, rsa, NULL);
    enum token_end end = verify(token);
    free(token);
    return end;
}
