/* Credentials -> identities: which are looked at, which are refused, and what is remembered. */
#include "shared/policy/authenticator.h"

#include "tests/unit/policy/mint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NOW_S = 1800000000 };

#define HEADER "{\"alg\":\"HS256\"}"
#define CLAIMS "{\"sub\":\"Ada\",\"tenant\":\"acme\",\"scope\":\"flow:*\",\"exp\":1800000100}"
#define SECRET "0123456789abcdef0123456789abcdef"
#define OTHER  "fedcba9876543210fedcba9876543210"
#define APIKEY "weir_acme0001_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"

static struct authenticator authenticator;
static struct arena arena;
static struct identity identity;
static const char *reason;
static char *token;

static void use_secret(const char *secret)
{
    char problem[KEYSET_PROBLEM_BYTES];
    struct keyset *set = keyset_new();
    assert_true(keyset_add_secret(set, span_of(secret), problem));
    keyring_put(&authenticator.keyring, set);
}

static void use_apikey(const char *more)
{
    unsigned char digest[32];
    char problem[APIKEYS_PROBLEM_BYTES], line[512];
    assert_int_equal(EVP_Digest(APIKEY, strlen(APIKEY), digest, NULL, EVP_sha256(), NULL), 1);
    int len =
        snprintf(line, sizeof line, "key=acme0001 tenant=acme scopes=flow:* %s sha256=", more);
    for (size_t i = 0; i < 32; i++)
        len += snprintf(line + len, sizeof line - (size_t)len, "%02x", digest[i]);
    struct apikeys *keys = apikeys_parse(span_of(line), problem);
    assert_non_null(keys);
    apikey_ring_put(&authenticator.apikeys, keys);
}

static int setup(void **state)
{
    (void)state;
    authenticator_init(&authenticator, 128);
    authenticator.by_token = authenticator.by_apikey = true;
    authenticator.rules = (struct token_rules){.algorithms = algorithm_bit(ALGORITHM_HS256) |
                                                             algorithm_bit(ALGORITHM_RS256),
                                               .leeway_s = 0};
    use_secret(SECRET);
    use_apikey("limit=5/minute");
    arena_init(&arena, 0);
    token = mint_token(HEADER, CLAIMS, ALGORITHM_HS256, NULL, SECRET);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(token);
    arena_fini(&arena);
    authenticator_fini(&authenticator);
    return 0;
}

static enum authentication ask_at(const struct credentials *credentials, int64_t now_s)
{
    enum authentication result =
        authenticate(&authenticator, credentials, now_s, &arena, &identity, &reason);
    assert_int_equal(identity_is_known(&identity), result == AUTHENTICATION_KNOWN);
    return result;
}

static enum authentication ask(const char *authorization, const char *api_key)
{
    struct credentials credentials = {0};
    if (authorization != NULL)
        credentials.authorization[credentials.n_authorization++] = span_of(authorization);
    if (api_key != NULL)
        credentials.api_key[credentials.n_api_key++] = span_of(api_key);
    return ask_at(&credentials, NOW_S);
}

static enum authentication ask_token(const char *scheme, const char *text)
{
    char value[9000];
    (void)snprintf(value, sizeof value, "%s%s", scheme, text);
    return ask(value, NULL);
}

static void test_token(void **state)
{
    (void)state;
    static const char *const schemes[] = {"Bearer ", "bearer ", "BEARER ", "Bearer   ", " Bearer "};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        assert_int_equal(ask_token(schemes[i], token), AUTHENTICATION_KNOWN);
        assert_int_equal(identity.kind, IDENTITY_TOKEN);
        assert_true(span_is(identity.subject, "Ada"));
        assert_true(span_is(identity.tenant, "acme"));
        assert_true(span_is(identity.scopes, "flow:*"));
        assert_int_equal(identity.limit_count, 0);
    }
}

static void test_api_key(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(i == 0 ? ask(NULL, APIKEY) : ask("Bearer " APIKEY, NULL),
                         AUTHENTICATION_KNOWN);
        assert_int_equal(identity.kind, IDENTITY_API_KEY);
        assert_true(span_is(identity.subject, "acme0001"));
        assert_true(span_is(identity.tenant, "acme"));
        assert_int_equal(identity.limit_count, 5);
        assert_int_equal(identity.limit_period_ms, 60000);
    }
    assert_int_equal(ask(NULL, APIKEY "x"), AUTHENTICATION_REFUSED);
    assert_int_equal(ask(NULL, ""), AUTHENTICATION_REFUSED);
    assert_int_equal(ask(NULL, token), AUTHENTICATION_REFUSED);
    use_apikey("expires=2020-01-01");
    assert_int_equal(ask(NULL, APIKEY), AUTHENTICATION_EXPIRED);
    apikey_ring_put(&authenticator.apikeys, NULL);
    assert_int_equal(ask(NULL, APIKEY), AUTHENTICATION_REFUSED);
}

/* Nothing came, or nothing that is a credential here: nobody, never an empty identity. */
static void test_nobody(void **state)
{
    (void)state;
    static const char *const values[] = {"Basic YTpi", "Bearerx abc", "Bearer\tabc", "",
                                         " ",          "Digest x",    "Bear"};
    assert_int_equal(ask(NULL, NULL), AUTHENTICATION_NOBODY);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        assert_int_equal(ask(values[i], NULL), AUTHENTICATION_NOBODY);
        assert_int_equal(identity.kind, IDENTITY_NONE);
    }
    assert_int_equal(ask_token("", token), AUTHENTICATION_NOBODY);
}

static void test_one_credential_only(void **state)
{
    (void)state;
    char value[1024];
    (void)snprintf(value, sizeof value, "Bearer %s", token);
    struct span good = span_of(value), key = span_of(APIKEY);
    const struct credentials cases[] = {
        {.authorization = {good, good}, .n_authorization = 2},
        {.authorization = {good, SPAN_EMPTY}, .n_authorization = 2},
        {.authorization = {good, good}, .n_authorization = 9},
        {.authorization = {good}, .n_authorization = 1, .api_key = {key}, .n_api_key = 1},
        {.api_key = {key, key}, .n_api_key = 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(ask_at(&cases[i], NOW_S), AUTHENTICATION_AMBIGUOUS);
    assert_int_equal(ask("Bearer", NULL), AUTHENTICATION_AMBIGUOUS);
    assert_int_equal(ask("Bearer  ", NULL), AUTHENTICATION_AMBIGUOUS);
}

static void test_only_ways_that_are_on(void **state)
{
    (void)state;
    authenticator.by_token = false;
    assert_int_equal(ask_token("Bearer ", token), AUTHENTICATION_REFUSED);
    assert_int_equal(ask(NULL, APIKEY), AUTHENTICATION_KNOWN);
    authenticator.by_token = true;
    authenticator.by_apikey = false;
    assert_int_equal(ask(NULL, APIKEY), AUTHENTICATION_REFUSED);
    assert_int_equal(ask("Bearer " APIKEY, NULL), AUTHENTICATION_REFUSED);
    assert_int_equal(ask_token("Bearer ", token), AUTHENTICATION_KNOWN);
}

static void test_no_key_set(void **state)
{
    (void)state;
    keyring_put(&authenticator.keyring, NULL);
    assert_int_equal(ask_token("Bearer ", token), AUTHENTICATION_UNAVAILABLE);
}

static void test_reasons(void **state)
{
    (void)state;
    char *expired =
        mint_token(HEADER, "{\"sub\":\"Ada\",\"exp\":1}", ALGORITHM_HS256, NULL, SECRET);
    char *forged = mint_token(HEADER, CLAIMS, ALGORITHM_HS256, NULL, OTHER);
    char *unknown =
        mint_token("{\"alg\":\"RS256\",\"kid\":\"x\"}", CLAIMS, ALGORITHM_HS256, NULL, SECRET);
    char longer[9000];
    memset(longer, 'x', sizeof longer - 1);
    longer[8193] = '\0';
    assert_int_equal(ask_token("Bearer ", expired), AUTHENTICATION_EXPIRED);
    assert_int_equal(ask_token("Bearer ", forged), AUTHENTICATION_REFUSED);
    assert_string_equal(reason, "signature");
    authenticator.keys_unnamed = true;
    assert_int_equal(ask_token("Bearer ", forged), AUTHENTICATION_UNKNOWN_KEY);
    assert_string_equal(reason, "signature");
    assert_int_equal(ask_token("Bearer ", unknown), AUTHENTICATION_UNKNOWN_KEY);
    assert_int_equal(ask_token("Bearer ", longer), AUTHENTICATION_REFUSED);
    assert_string_equal(reason, "too_long");
    assert_int_equal(ask_token("Bearer ", "a.b.c"), AUTHENTICATION_REFUSED);
    assert_string_equal(reason, "malformed");
    free(expired);
    free(forged);
    free(unknown);
}

/* The second time no signature is computed; after the keys or the time have changed, it is again.
 */
static void test_verified_once(void **state)
{
    (void)state;
    struct authenticator_stats stats;
    char value[1024];
    (void)snprintf(value, sizeof value, "Bearer %s", token);
    const struct credentials credentials = {.authorization = {span_of(value)},
                                            .n_authorization = 1};
    for (int i = 0; i < 5; i++)
        assert_int_equal(ask_at(&credentials, NOW_S), AUTHENTICATION_KNOWN);
    authenticator_stats(&authenticator, &stats);
    assert_int_equal(stats.verified, 1);
    assert_int_equal(stats.memory.hits, 4);
    assert_int_equal(ask_at(&credentials, NOW_S + 99), AUTHENTICATION_KNOWN);
    assert_int_equal(ask_at(&credentials, NOW_S + 100), AUTHENTICATION_EXPIRED);
    use_secret(SECRET);
    assert_int_equal(ask_at(&credentials, NOW_S), AUTHENTICATION_KNOWN);
    authenticator_stats(&authenticator, &stats);
    assert_int_equal(stats.verified, 2);
    use_secret(OTHER);
    assert_int_equal(ask_at(&credentials, NOW_S), AUTHENTICATION_REFUSED);
    authenticator_stats(&authenticator, &stats);
    assert_int_equal(stats.verified, 2);
    assert_int_equal(stats.refused, 2);
}

/* A token that was refused is not remembered as fine, whatever comes in between. */
static void test_refusals_are_not_remembered_as_fine(void **state)
{
    (void)state;
    char *forged = mint_token(HEADER, CLAIMS, ALGORITHM_HS256, NULL, OTHER);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask_token("Bearer ", forged), AUTHENTICATION_REFUSED);
        assert_int_equal(ask_token("Bearer ", token), AUTHENTICATION_KNOWN);
    }
    struct authenticator_stats stats;
    authenticator_stats(&authenticator, &stats);
    assert_int_equal(stats.memory.entries, 1);
    free(forged);
}

/* --- many threads, keys and tables swapped under them --- */

enum { THREADS = 4, TURNS = 4000 };

static void *call(void *argument)
{
    struct arena own;
    char value[1024];
    (void)argument;
    (void)snprintf(value, sizeof value, "Bearer %s", token);
    arena_init(&own, 0);
    for (int i = 0; i < TURNS; i++) {
        struct identity who;
        const char *why = NULL;
        const struct credentials by_token = {.authorization = {span_of(value)},
                                             .n_authorization = 1};
        const struct credentials by_key = {.api_key = {span_of(APIKEY)}, .n_api_key = 1};
        must(authenticate(&authenticator, i % 2 == 0 ? &by_token : &by_key, NOW_S, &own, &who,
                          &why) == AUTHENTICATION_KNOWN);
        must(span_is(who.tenant, "acme"));
        arena_reset(&own);
    }
    arena_fini(&own);
    return NULL;
}

static void test_many_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call, NULL), 0);
    for (int i = 0; i < 200; i++) {
        use_secret(SECRET);
        use_apikey("limit=5/minute");
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static uint64_t cpu_ns(void)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (uint64_t)at.tv_sec * 1000000000U + (uint64_t)at.tv_nsec;
}

/* What a remembered token costs beside a signature; the bound is loose, for slow builds. */
static void test_cost_of_a_hit(void **state)
{
    (void)state;
    enum { HITS = 20000, MISSES = 200 };
    char problem[KEYSET_PROBLEM_BYTES], value[2048];
    EVP_PKEY *rsa = mint_rsa(2048);
    char *pem = mint_public_pem(rsa);
    char *signed_by_rsa = mint_token("{\"alg\":\"RS256\"}", CLAIMS, ALGORITHM_RS256, rsa, NULL);
    struct keyset *set = keyset_new();
    assert_true(keyset_add_pem(set, span_of(pem), problem));
    keyring_put(&authenticator.keyring, keyset_ref(set));
    (void)snprintf(value, sizeof value, "Bearer %s", signed_by_rsa);
    const struct credentials credentials = {.authorization = {span_of(value)},
                                            .n_authorization = 1};
    uint64_t start = cpu_ns();
    for (int i = 0; i < MISSES; i++) {
        keyring_put(&authenticator.keyring, keyset_ref(set));
        assert_int_equal(ask_at(&credentials, NOW_S), AUTHENTICATION_KNOWN);
        arena_reset(&arena);
    }
    uint64_t miss_ns = (cpu_ns() - start) / MISSES;
    start = cpu_ns();
    for (int i = 0; i < HITS; i++) {
        assert_int_equal(ask_at(&credentials, NOW_S), AUTHENTICATION_KNOWN);
        arena_reset(&arena);
    }
    uint64_t hit_ns = (cpu_ns() - start) / HITS;
    print_message("a token of %zu bytes: %llu ns remembered, %llu ns verified\n",
                  strlen(signed_by_rsa), (unsigned long long)hit_ns, (unsigned long long)miss_ns);
    assert_true(hit_ns * 3 < miss_ns);
    (void)keyset_unref(set);
    EVP_PKEY_free(rsa);
    free(pem);
    free(signed_by_rsa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_token, setup, teardown),
        cmocka_unit_test_setup_teardown(test_api_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_credential_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_ways_that_are_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_key_set, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reasons, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verified_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals_are_not_remembered_as_fine, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cost_of_a_hit, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
