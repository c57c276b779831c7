/* Tokens that must pass, and one test for every way around a verifier that the field has seen
 * (RFC 8725, and what libjwt 1.10 lets through). */
#include "tests/unit/policy/token_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_each_algorithm_passes(void **state)
{
    (void)state;
    const struct {
        enum algorithm algorithm;
        const char *header;
        EVP_PKEY *key;
    } cases[] = {
        {ALGORITHM_RS256, RS256, rsa},
        {ALGORITHM_PS256, "{\"alg\":\"PS256\"}", rsa},
        {ALGORITHM_ES256, "{\"alg\":\"ES256\"}", ec},
        {ALGORITHM_EDDSA, "{\"alg\":\"EdDSA\"}", ed},
        {ALGORITHM_HS256, "{\"alg\":\"HS256\"}", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *token = mint_token(cases[i].header, CLAIMS, cases[i].algorithm, cases[i].key, SECRET);
        assert_end(token, TOKEN_FINE);
        assert_true(span_is(claims.subject, "Ada"));
        assert_true(span_is(claims.tenant, "Ada"));
        assert_int_equal(claims.scopes.len, 0);
        assert_int_equal(claims.expires_s, 1800000100 + LEEWAY_S);
        rules.algorithms = ALL_ALGORITHMS & ~algorithm_bit(cases[i].algorithm);
        assert_end(token, TOKEN_ALGORITHM);
        rules.algorithms = ALL_ALGORITHMS;
        free(token);
    }
}

static void test_tokens_of_libjwt_pass(void **state)
{
    (void)state;
    char *rsa_private = mint_private_pem(rsa), *ec_private = mint_private_pem(ec);
    const struct {
        enum algorithm algorithm;
        const char *key;
    } cases[] = {
        {ALGORITHM_RS256, rsa_private}, {ALGORITHM_ES256, ec_private}, {ALGORITHM_HS256, SECRET}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *token =
            mint_by_libjwt(cases[i].algorithm, cases[i].key, "tenant", "acme", NOW_S + 100);
        assert_end(token, TOKEN_FINE);
        assert_true(span_is(claims.subject, "Ada"));
        assert_true(span_is(claims.tenant, "acme"));
        free(token);
    }
    free(rsa_private);
    free(ec_private);
}

static void test_libjwt_takes_ours(void **state)
{
    (void)state;
    char *token = mint_token(RS256, CLAIMS, ALGORITHM_RS256, rsa, NULL);
    assert_true(mint_libjwt_accepts(token, rsa_pem));
    free(token);
}

/* What makes libjwt unfit as a verifier here; each has to be refused by ours. */
static void test_secret_that_is_the_public_key(void **state)
{
    (void)state;
    char *token =
        mint_token("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", CLAIMS, ALGORITHM_HS256, NULL, rsa_pem);
    assert_true(mint_libjwt_accepts(token, rsa_pem));
    assert_end(token, TOKEN_SIGNATURE); /* tried with the secret alone */
    struct keyset *all = keys;
    keys = keyset_new();
    add_pem(keys, rsa);
    assert_end(token, TOKEN_KEY_TYPE);
    rules.algorithms = algorithm_bit(ALGORITHM_RS256);
    assert_end(token, TOKEN_ALGORITHM);
    rules.algorithms = ALL_ALGORITHMS;
    (void)keyset_unref(keys);
    keys = all;
    free(token);
}

static void test_no_algorithm(void **state)
{
    (void)state;
    static const char *const names[] = {"none", "None", "NONE", "nOnE", ""};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char header[64];
        (void)snprintf(header, sizeof header, "{\"alg\":\"%s\"}", names[i]);
        char *token = mint_token(header, CLAIMS, ALGORITHM_COUNT, NULL, NULL);
        assert_end(token, TOKEN_MALFORMED); /* the signature is empty */
        free(token);
        assert_rsa(header, CLAIMS, TOKEN_ALGORITHM);
    }
    assert_rsa("{}", CLAIMS, TOKEN_MALFORMED);
    assert_rsa("{\"alg\":null}", CLAIMS, TOKEN_MALFORMED);
    assert_rsa("{\"alg\":[\"RS256\"]}", CLAIMS, TOKEN_MALFORMED);
}

static void test_algorithms_by_exact_name(void **state)
{
    (void)state;
    assert_rsa("{\"alg\":\"rs256\"}", CLAIMS, TOKEN_ALGORITHM);
    assert_rsa("{\"alg\":\"Rs256\"}", CLAIMS, TOKEN_ALGORITHM);
    assert_rsa("{\"alg\":\"RS256 \"}", CLAIMS, TOKEN_ALGORITHM);
    assert_rsa("{\"alg\":\"RS512\"}", CLAIMS, TOKEN_ALGORITHM);
    assert_rsa("{\"alg\":\"EDDSA\"}", CLAIMS, TOKEN_ALGORITHM);
    /* Signed as RS256, said to be another of the same key, and of other keys. */
    assert_rsa("{\"alg\":\"PS256\"}", CLAIMS, TOKEN_SIGNATURE);
    assert_rsa("{\"alg\":\"ES256\"}", CLAIMS, TOKEN_SIGNATURE);
    assert_rsa("{\"alg\":\"EdDSA\"}", CLAIMS, TOKEN_SIGNATURE);
    assert_rsa("{\"alg\":\"HS256\"}", CLAIMS, TOKEN_SIGNATURE);
}

static void test_headers_that_must_not_be_ignored(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "{\"alg\":\"RS256\",\"crit\":[\"exp\"],\"exp\":1}",
        "{\"alg\":\"RS256\",\"crit\":[]}",
        "{\"alg\":\"RS256\",\"crit\":null}",
        "{\"alg\":\"RS256\",\"b64\":false}",
        "{\"alg\":\"RS256\",\"typ\":\"dpop+jwt\"}",
        "{\"alg\":\"RS256\",\"typ\":\"\"}",
        "{\"alg\":\"RS256\",\"typ\":\"application/\"}",
        "{\"alg\":\"RS256\",\"typ\":7}",
    };
    static const char *const fine[] = {
        "{\"alg\":\"RS256\"}",
        "{\"alg\":\"RS256\",\"typ\":\"jwt\"}",
        "{\"alg\":\"RS256\",\"typ\":\"at+jwt\"}",
        "{\"alg\":\"RS256\",\"typ\":\"AT+JWT\"}",
        "{\"alg\":\"RS256\",\"typ\":\"application/at+jwt\"}",
        "{\"alg\":\"RS256\",\"x\":{\"y\":[1,2]}}",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_rsa(refused[i], CLAIMS, TOKEN_HEADER);
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        assert_rsa(fine[i], CLAIMS, TOKEN_FINE);
}

/* A key that the token brings itself is worth nothing. */
static void test_keys_in_the_header(void **state)
{
    (void)state;
    char *jwk = mint_jwk(other_rsa, "mine", "");
    char *header = NULL;
    assert_true(asprintf(&header,
                         "{\"alg\":\"RS256\",\"jwk\":%s,\"jku\":\"http://127.0.0.1:1/\","
                         "\"x5u\":\"http://127.0.0.1:1/\"}",
                         jwk) > 0);
    char *token = mint_token(header, CLAIMS, ALGORITHM_RS256, other_rsa, NULL);
    assert_end(token, TOKEN_SIGNATURE);
    free(token);
    free(header);
    free(jwk);
}

static void test_duplicates(void **state)
{
    (void)state;
    assert_rsa("{\"alg\":\"none\",\"alg\":\"RS256\"}", CLAIMS, TOKEN_MALFORMED);
    assert_rsa("{\"alg\":\"RS256\",\"kid\":\"a\",\"kid\":\"b\"}", CLAIMS, TOKEN_MALFORMED);
    assert_rsa(RS256, "{\"sub\":\"Ada\",\"sub\":\"Eve\",\"exp\":1800000100}", TOKEN_CLAIMS);
    assert_rsa(RS256, "{\"sub\":\"Ada\",\"exp\":1800000100,\"exp\":1}", TOKEN_CLAIMS);
    assert_rsa(RS256, "{\"sub\":\"Ada\",\"exp\":1800000100,\"a\":{\"b\":1,\"b\":2}}", TOKEN_CLAIMS);
}

static void test_not_json(void **state)
{
    (void)state;
    static const char *const texts[] = {"[1]",
                                        "\"x\"",
                                        "1",
                                        "{",
                                        "{}x",
                                        "{\"a\":1}{}",
                                        "\xff",
                                        "{\"sub\":\"\\ud800\"}",
                                        "{\"sub\":\"a\\u0000\"}",
                                        " "};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_rsa(texts[i], CLAIMS, TOKEN_MALFORMED);
        assert_rsa(RS256, texts[i], TOKEN_CLAIMS);
    }
}

static void test_deep_nesting(void **state)
{
    (void)state;
    char payload[6000];
    memset(payload, '[', sizeof payload);
    memcpy(payload, "{\"a\":", 5);
    payload[5500] = '\0';
    assert_rsa(RS256, payload, TOKEN_CLAIMS);
}

static void test_every_bit_of_the_signature_counts(void **state)
{
    (void)state;
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char *token = mint_token("{\"alg\":\"ES256\"}", CLAIMS, ALGORITHM_ES256, ec, NULL);
    size_t len = strlen(token);
    assert_end(token, TOKEN_FINE);
    for (size_t i = 0; i < len; i++) {
        char before = token[i];
        if (before == '.')
            continue;
        for (size_t j = 0; j < 64; j += 7) {
            if (letters[j] == before)
                continue;
            token[i] = letters[j];
            assert_int_not_equal(verify(token), TOKEN_FINE);
        }
        token[i] = before;
    }
    for (size_t cut = 0; cut < len; cut++)
        assert_int_not_equal(verify_at(span_make(token, cut), NOW_S), TOKEN_FINE);
    free(token);
}

static void test_one_spelling_only(void **state)
{
    (void)state;
    char *token = mint_token(RS256, CLAIMS, ALGORITHM_RS256, rsa, NULL);
    static const char *const tails[] = {"=", "==", "!!!!", " ", "\n", "A", "AAAA", ".", ".x"};
    static const char *const heads[] = {" ", "=", ".", "\n"};
    char text[2048];
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        (void)snprintf(text, sizeof text, "%s%s", token, tails[i]);
        assert_int_not_equal(verify(text), TOKEN_FINE);
    }
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        (void)snprintf(text, sizeof text, "%s%s", heads[i], token);
        assert_end(text, TOKEN_MALFORMED);
    }
    /* 256 bytes end in a character of which two bits are left over. */
    size_t len = strlen(token);
    token[len - 1]++;
    assert_int_not_equal(verify(token), TOKEN_FINE);
    free(token);
}

static void test_shapes(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",     ".",    "..",      "...",   "a",           "a.b",      "a.b.",
        ".b.c", "a..c", "a.b.c.d", "e.e.e", "e30.e30.e30", "e30..e30", "eyJhbGciOiJub25lIn0.e30."};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_end(texts[i], TOKEN_MALFORMED);
}

static void test_long_tokens(void **state)
{
    (void)state;
    char payload[7000];
    int len = snprintf(payload, sizeof payload, "{\"sub\":\"Ada\",\"exp\":1800000100,\"x\":\"");
    memset(payload + len, 'x', 5500 - (size_t)len);
    memcpy(payload + 5500, "\"}", 3);
    assert_rsa(RS256, payload, TOKEN_FINE);
    memset(payload + 5500, 'x', 900);
    memcpy(payload + 6400, "\"}", 3);
    assert_rsa(RS256, payload, TOKEN_TOO_LONG);
}

static void test_other_keys(void **state)
{
    (void)state;
    char *token = mint_token(RS256, CLAIMS, ALGORITHM_RS256, other_rsa, NULL);
    assert_end(token, TOKEN_SIGNATURE);
    free(token);
    token = mint_token("{\"alg\":\"HS256\"}", CLAIMS, ALGORITHM_HS256, NULL, "");
    assert_end(token, TOKEN_SIGNATURE);
    free(token);
    struct keyset *all = keys;
    keys = keyset_new();
    token = mint_token(RS256, CLAIMS, ALGORITHM_RS256, rsa, NULL);
    assert_end(token, TOKEN_UNKNOWN_KEY); /* an empty set accepts nothing */
    free(token);
    token = mint_token("{\"alg\":\"HS256\"}", CLAIMS, ALGORITHM_HS256, NULL, "");
    assert_end(token, TOKEN_KEY_TYPE);
    free(token);
    (void)keyset_unref(keys);
    keys = all;
}

/* A signature that is bad is told before claims that are bad: nobody learns from unsigned claims.
 */
static void test_claims_are_not_looked_at_before_the_signature(void **state)
{
    (void)state;
    char *token = mint_token(RS256, "{\"exp\":1}", ALGORITHM_RS256, other_rsa, NULL);
    assert_end(token, TOKEN_SIGNATURE);
    free(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_algorithm_passes),
        cmocka_unit_test(test_tokens_of_libjwt_pass),
        cmocka_unit_test(test_libjwt_takes_ours),
        cmocka_unit_test(test_secret_that_is_the_public_key),
        cmocka_unit_test(test_no_algorithm),
        cmocka_unit_test(test_algorithms_by_exact_name),
        cmocka_unit_test(test_headers_that_must_not_be_ignored),
        cmocka_unit_test(test_keys_in_the_header),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_not_json),
        cmocka_unit_test(test_deep_nesting),
        cmocka_unit_test(test_every_bit_of_the_signature_counts),
        cmocka_unit_test(test_one_spelling_only),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_long_tokens),
        cmocka_unit_test(test_other_keys),
        cmocka_unit_test(test_claims_are_not_looked_at_before_the_signature),
    };
    return cmocka_run_group_tests(tests, token_set_up, token_tear_down);
}
