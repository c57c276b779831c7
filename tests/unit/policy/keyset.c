/* Sets of keys out of PEM, JWKS and registry answers; finding keys; the ring under many threads. */
#include "shared/policy/keyset.h"

#include "shared/base/buf.h"
#include "tests/unit/policy/mint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static EVP_PKEY *rsa, *ec, *ed;
static char problem[KEYSET_PROBLEM_BYTES];

static int setup(void **state)
{
    (void)state;
    rsa = mint_rsa(2048);
    ec = mint_ec("P-256");
    ed = mint_ed25519();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(ed);
    return 0;
}

typedef bool (*adder)(struct keyset *set, struct span text, char problem[KEYSET_PROBLEM_BYTES]);

/* How many keys the text gives; -1 when it is refused. */
static int add(adder how, const char *text)
{
    struct keyset *set = keyset_new();
    problem[0] = '\0';
    bool fine = how(set, span_of(text), problem);
    int n = fine ? (int)keyset_count(set) : -1;
    assert_true(fine || problem[0] != '\0');
    (void)keyset_unref(set);
    return n;
}

static void assert_refused(adder how, const char *text, const char *why)
{
    assert_int_equal(add(how, text), -1);
    if (strstr(problem, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", problem, why);
}

static void test_pem(void **state)
{
    (void)state;
    char *a = mint_public_pem(rsa), *b = mint_public_pem(ec), *c = mint_public_pem(ed);
    char *secret = mint_private_pem(rsa), *text = NULL;
    assert_int_equal(add(keyset_add_pem, a), 1);
    assert_true(asprintf(&text, "first\n%s\nsecond\n%s%s", a, b, c) > 0);
    assert_int_equal(add(keyset_add_pem, text), 3);
    free(text);
    assert_true(asprintf(&text, "%s%s", a, secret) > 0);
    assert_refused(keyset_add_pem, text, "private key");
    free(text);
    assert_refused(keyset_add_pem, secret, "private key");
    assert_refused(keyset_add_pem, "", "no PUBLIC KEY block");
    assert_refused(keyset_add_pem, "hello", "no PUBLIC KEY block");
    assert_refused(keyset_add_pem, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
                   "cannot be read");
    assert_refused(keyset_add_pem, "-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n",
                   "cannot be read");
    assert_refused(keyset_add_pem, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                   "PUBLIC KEY blocks");
    a[strlen(a) - 40] = '\0';
    assert_refused(keyset_add_pem, a, "cannot be read");
    free(a);
    free(b);
    free(c);
    free(secret);
}

static void test_weak_and_strange_keys(void **state)
{
    (void)state;
    EVP_PKEY *keys[] = {mint_rsa(1024), mint_rsa(2047), mint_ec("P-384"), mint_ec("secp256k1"),
                        EVP_PKEY_Q_keygen(NULL, NULL, "X25519")};
    static const char *const why[] = {"2,048", "2,048", "P-256", "P-256", "neither"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char *pem = mint_public_pem(keys[i]);
        assert_refused(keyset_add_pem, pem, why[i]);
        free(pem);
        EVP_PKEY_free(keys[i]);
    }
}

/* With an exponent of 1 every text is its own signature. */
static void test_unsafe_exponents(void **state)
{
    (void)state;
    static const char *const exponents[] = {"AQ", "Ag", "AA", "AQAA"};
    char n[400], *text = NULL;
    memset(n, 'x', sizeof n);
    n[342] = '\0';
    n[341] = 'w';
    for (size_t i = 0; i < sizeof exponents / sizeof exponents[0]; i++) {
        assert_true(asprintf(&text, "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}]}", n,
                             exponents[i]) > 0);
        assert_refused(keyset_add_jwks, text, "key");
        free(text);
    }
    assert_true(asprintf(&text, "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}]}", n) >
                0);
    assert_int_equal(add(keyset_add_jwks, text), 1);
    free(text);
}

static void assert_jwk(EVP_PKEY *key, const char *more, int expected)
{
    char *jwk = mint_jwk(key, "k", more), *text = NULL;
    assert_true(asprintf(&text, "{\"keys\":[%s]}", jwk) > 0);
    assert_int_equal(add(keyset_add_jwks, text), expected);
    free(text);
    free(jwk);
}

static void test_jwk(void **state)
{
    (void)state;
    EVP_PKEY *keys[] = {rsa, ec, ed};
    static const char *const algorithms[] = {"RS256", "ES256", "EdDSA"};
    for (size_t i = 0; i < 3; i++) {
        char more[64];
        assert_jwk(keys[i], "", 1);
        assert_jwk(keys[i], ",\"use\":\"sig\",\"x5t\":\"abc\"", 1);
        assert_jwk(keys[i], ",\"key_ops\":[\"verify\"]", 1);
        (void)snprintf(more, sizeof more, ",\"alg\":\"%s\"", algorithms[i]);
        assert_jwk(keys[i], more, 1);
        (void)snprintf(more, sizeof more, ",\"alg\":\"%s\"", algorithms[(i + 1) % 3]);
        assert_jwk(keys[i], more, -1);
        assert_jwk(keys[i], ",\"alg\":\"HS256\"", -1);
        assert_jwk(keys[i], ",\"alg\":\"none\"", -1);
        assert_jwk(keys[i], ",\"alg\":7", -1);
        assert_jwk(keys[i], ",\"use\":\"enc\"", -1);
        assert_jwk(keys[i], ",\"use\":7", -1);
        assert_jwk(keys[i], ",\"key_ops\":[\"sign\"]", -1);
        assert_jwk(keys[i], ",\"key_ops\":\"verify\"", -1);
        assert_jwk(keys[i], ",\"d\":\"AAAA\"", -1);
    }
}

static void test_jwks(void **state)
{
    (void)state;
    char *a = mint_jwk(rsa, "a", ""), *text = NULL;
    static const char *const strange[] = {
        "{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AA\",\"y\":\"AA\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
        "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"AA\"}",
        "{\"kty\":\"RSA\"}",
        "{}",
        "7",
        "{\"kty\":\"RSA\",\"kid\":7,\"n\":\"AA\",\"e\":\"AQAB\"}"};
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        assert_true(asprintf(&text, "{\"keys\":[%s]}", strange[i]) > 0);
        assert_refused(keyset_add_jwks, text, "no key");
        free(text);
        assert_true(asprintf(&text, "{\"keys\":[%s,%s,%s]}", strange[i], a, strange[i]) > 0);
        assert_int_equal(add(keyset_add_jwks, text), 1);
        free(text);
    }
    assert_refused(keyset_add_jwks, "{\"keys\":[]}", "no key");
    assert_refused(keyset_add_jwks, "{}", "\"keys\"");
    assert_refused(keyset_add_jwks, "{\"keys\":{}}", "\"keys\"");
    assert_refused(keyset_add_jwks, "[]", "JSON");
    assert_refused(keyset_add_jwks, "<html>", "JSON");
    assert_refused(keyset_add_jwks, "{\"keys\":[],\"keys\":[]}", "JSON");
    struct buf many;
    buf_init(&many, NULL, 1 << 20);
    buf_put_text(&many, "{\"keys\":[");
    for (int i = 0; i <= KEYSET_KEYS; i++) {
        buf_put_text(&many, i > 0 ? "," : "");
        buf_put_text(&many, a);
    }
    buf_put_text(&many, "]}");
    buf_put_char(&many, '\0');
    assert_refused(keyset_add_jwks, many.at, "64");
    buf_fini(&many);
    free(a);
}

static void test_registry(void **state)
{
    (void)state;
    char *pem = mint_public_pem(ec);
    struct buf text;
    buf_init(&text, NULL, 1 << 20);
    buf_put_text(&text, "{\"public_key\":");
    buf_put_json_string(&text, span_of(pem));
    buf_put_text(&text, ",\"issued\":\"today\"}");
    buf_put_char(&text, '\0');
    assert_int_equal(add(keyset_add_registry, text.at), 1);
    buf_fini(&text);
    free(pem);
    assert_refused(keyset_add_registry, "{\"public_key\":7}", "public_key");
    assert_refused(keyset_add_registry, "{\"public_key\":\"x\"}", "PUBLIC KEY");
    assert_refused(keyset_add_registry, "{\"error\":\"no\"}", "public_key");
    assert_refused(keyset_add_registry, "", "JSON");
}

static void test_secrets(void **state)
{
    (void)state;
    assert_int_equal(add(keyset_add_secret, "0123456789abcdef0123456789abcdef"), 1);
    assert_refused(keyset_add_secret, "0123456789abcdef0123456789abcde", "32 bytes");
    assert_refused(keyset_add_secret, "", "32 bytes");
}

static size_t find(const struct keyset *set, const char *id, enum algorithm algorithm, bool *known)
{
    const struct key *found[KEYSET_TRIES];
    return keyset_find(set, span_of(id), algorithm, found, known);
}

static void test_finding(void **state)
{
    (void)state;
    char *a = mint_jwk(rsa, "a", ""), *b = mint_jwk(ec, "b", ""), *text = NULL;
    struct keyset *set = keyset_new();
    bool known = false;
    assert_true(asprintf(&text, "{\"keys\":[%s,%s,%s]}", a, b, a) > 0);
    assert_true(keyset_add_jwks(set, span_of(text), problem));
    assert_int_equal(find(set, "a", ALGORITHM_RS256, &known), 2);
    assert_int_equal(find(set, "b", ALGORITHM_ES256, &known), 1);
    assert_int_equal(find(set, "b", ALGORITHM_RS256, &known), 0);
    assert_true(known); /* a fresh set would not help */
    assert_int_equal(find(set, "c", ALGORITHM_RS256, &known), 0);
    assert_false(known);
    assert_int_equal(find(set, "", ALGORITHM_RS256, &known), 2);
    assert_int_equal(find(set, "", ALGORITHM_ES256, &known), 1);
    assert_int_equal(find(set, "", ALGORITHM_EDDSA, &known), 0);
    assert_int_equal(find(set, "a", ALGORITHM_HS256, &known), 0);
    assert_true(known);
    /* A secret beside the keys hides nothing. */
    assert_true(keyset_add_secret(set, span_of("0123456789abcdef0123456789abcdef"), problem));
    assert_int_equal(find(set, "c", ALGORITHM_RS256, &known), 0);
    assert_false(known);
    assert_int_equal(find(set, "c", ALGORITHM_HS256, &known), 1);
    /* Keys without an id stand for those that no key has. */
    char *pem = mint_public_pem(ed);
    assert_true(keyset_add_pem(set, span_of(pem), problem));
    assert_int_equal(find(set, "c", ALGORITHM_EDDSA, &known), 1);
    free(pem);
    for (int i = 0; i < 3; i++)
        assert_true(keyset_add_jwks(set, span_of(text), problem));
    assert_int_equal(find(set, "a", ALGORITHM_RS256, &known), KEYSET_TRIES);
    (void)keyset_unref(set);
    free(text);
    free(a);
    free(b);
}

static struct keyset *set_of_secret(const char *secret)
{
    struct keyset *set = keyset_new();
    assert_true(keyset_add_secret(set, span_of(secret), problem));
    return set;
}

static void test_same(void **state)
{
    (void)state;
    struct keyset *a = set_of_secret("0123456789abcdef0123456789abcdef");
    struct keyset *b = set_of_secret("0123456789abcdef0123456789abcdef");
    struct keyset *c = set_of_secret("0123456789abcdef0123456789abcdeX");
    assert_true(keyset_same(a, b));
    assert_false(keyset_same(a, c));
    (void)keyset_unref(a);
    (void)keyset_unref(b);
    (void)keyset_unref(c);
}

/* --- the ring --- */

enum { READERS = 4, SWAPS = 2000 };

static struct keyring ring;
static atomic_bool over;

static void *read_ring(void *argument)
{
    unsigned char signature[32] = {0};
    uint64_t last = 0;
    (void)argument;
    while (!atomic_load(&over)) {
        const struct key *found[KEYSET_TRIES];
        uint64_t generation = 0;
        bool known = false;
        struct keyset *set = keyring_get(&ring, &generation);
        must(set != NULL && generation >= last && keyset_count(set) == 1);
        last = generation;
        must(keyset_find(set, SPAN_EMPTY, ALGORITHM_HS256, found, &known) == 1);
        must(!key_verify(found[0], ALGORITHM_HS256, span_of("x"), signature, 32));
        (void)keyset_unref(set);
    }
    return NULL;
}

static void test_ring_under_threads(void **state)
{
    (void)state;
    pthread_t readers[READERS];
    uint64_t generation = 7;
    keyring_init(&ring);
    atomic_init(&over, false);
    assert_null(keyring_get(&ring, &generation));
    assert_int_equal(generation, 0);
    keyring_put(&ring, set_of_secret("0123456789abcdef0123456789abcdef"));
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_ring, NULL), 0);
    for (unsigned i = 0; i < SWAPS; i++)
        keyring_put(&ring, set_of_secret("fedcba9876543210fedcba9876543210"));
    atomic_store(&over, true);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    assert_int_equal(keyring_generation(&ring), 1 + SWAPS);
    keyring_fini(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pem),
        cmocka_unit_test(test_weak_and_strange_keys),
        cmocka_unit_test(test_unsafe_exponents),
        cmocka_unit_test(test_jwk),
        cmocka_unit_test(test_jwks),
        cmocka_unit_test(test_registry),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_finding),
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_ring_under_threads),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
