/* The file of API keys, line by line, and finding keys in it. */
#include "shared/policy/apikey.h"
#include "tests/support/exact.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECRET "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"
#define HASH   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ROW    "key=abcd1234 sha256=" HASH " tenant=acme scopes=flow:*"

static char problem[APIKEYS_PROBLEM_BYTES];

/* The line of a key, with its true hash. */
static char *line_of(const char *id, const char *secret, const char *more)
{
    unsigned char digest[32];
    char key[128], hash[65], *line = NULL;
    (void)snprintf(key, sizeof key, "weir_%s_%s", id, secret);
    assert_int_equal(EVP_Digest(key, strlen(key), digest, NULL, EVP_sha256(), NULL), 1);
    for (size_t i = 0; i < 32; i++)
        (void)snprintf(hash + 2 * i, 3, "%02x", digest[i]);
    assert_true(asprintf(&line, "key=%s sha256=%s %s\n", id, hash, more) > 0);
    return line;
}

static struct apikeys *parse(const char *text)
{
    struct span exact = exact_copy(span_of(text));
    problem[0] = '\0';
    struct apikeys *keys = apikeys_parse(exact, problem);
    exact_free(exact);
    return keys;
}

static void assert_refused(const char *text, const char *why)
{
    assert_null(parse(text));
    if (strstr(problem, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", problem, why);
    assert_null(strstr(problem, HASH));
}

static void assert_count(const char *text, size_t n)
{
    struct apikeys *keys = parse(text);
    if (keys == NULL)
        fail_msg("%s", problem);
    assert_int_equal(apikeys_count(keys), n);
    (void)apikeys_unref(keys);
}

static void test_files(void **state)
{
    (void)state;
    assert_count("", 0);
    assert_count("\n\n# nothing\n  # here\n", 0);
    assert_count(ROW, 1);
    assert_count("# one\r\n" ROW "\r\n", 1);
    assert_count("\t" ROW "   limit=5/minute\texpires=2030-01-01 \n\n", 1);
}

static void test_mistakes_name_the_line(void **state)
{
    (void)state;
    assert_refused("\n# x\nhello", "line 3: name=value");
    assert_refused(ROW "\nkey=abcd1235", "line 2: key, sha256, tenant and scopes are needed");
    assert_refused("key=abc", "line 1: key:");
    assert_refused("key=ABCD1234", "key:");
    assert_refused("key=abcdefghijklmnopq", "key:");
    assert_refused("sha256=ab", "sha256:");
    assert_refused("sha256=BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
                   "sha256:");
    assert_refused("tenant=", "tenant:");
    assert_refused("tenant=\xc3\xa9", "tenant:");
    assert_refused("scopes=", "scopes:");
    assert_refused("scopes=flow:", "scopes:");
    assert_refused("scopes=flow", "scopes:");
    assert_refused("scopes=flow:*,", "scopes:");
    assert_refused("scopes=flow:a,admin", "scopes:");
    assert_refused("scopes=flow:tell-joke", "scopes:");
    assert_refused("scopes=flow:**", "scopes:");
    assert_refused("limit=5", "limit:");
    assert_refused("limit=0/second", "limit:");
    assert_refused("limit=-1/second", "limit:");
    assert_refused("limit=5/day", "limit:");
    assert_refused("limit=5/seconds", "limit:");
    assert_refused("limit=/second", "limit:");
    assert_refused("limit=99999999999/second", "limit:");
    assert_refused("expires=tomorrow", "expires:");
    assert_refused("expires=2027-02-29", "expires:");
    assert_refused("expires=2027-13-01", "expires:");
    assert_refused("expires=2027-00-01", "expires:");
    assert_refused("expires=2027-01-01T24:00:00Z", "expires:");
    assert_refused("expires=2027-01-01T12:00:00", "expires:");
    assert_refused("owner=me", "nothing else");
    assert_refused("=", "nothing else");
    assert_refused(ROW " tenant=other", "twice");
    assert_refused(ROW "\n" ROW, "abcd1234 is there twice");
}

static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {{"1970-01-01", 0},
                 {"1970-01-01T00:00:01Z", 1},
                 {"2000-02-29", 951782400},
                 {"2026-11-26T18:00:00Z", 1795716000},
                 {"2027-01-15T08:00:00Z", 1800000000},
                 {"9999-12-31T23:59:59Z", 253402300799}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t seconds = -1;
        assert_true(apikey_parse_time(span_of(cases[i].text), &seconds));
        assert_int_equal(seconds, cases[i].seconds);
    }
}

static void test_finding(void **state)
{
    (void)state;
    char *a = line_of("acme0001", SECRET,
                      "tenant=acme scopes=flow:tell_joke,flow:translate_text "
                      "limit=10/second expires=2027-01-15T08:00:00Z");
    char *b = line_of("acme0002", SECRET "x", "tenant=acme scopes=flow:*");
    char *c = line_of("0zzz0003", SECRET, "tenant=other scopes=flow:* limit=7/hour");
    char *text = NULL;
    const struct apikey *row = NULL;
    assert_true(asprintf(&text, "%s%s%s", a, b, c) > 0);
    struct apikeys *keys = parse(text);
    assert_non_null(keys);
    assert_int_equal(apikeys_find(keys, span_of("weir_acme0001_" SECRET), 0, &row), APIKEY_FINE);
    assert_true(span_is(row->tenant, "acme"));
    assert_true(span_is(row->id, "acme0001"));
    assert_true(span_is(row->scopes, "flow:tell_joke flow:translate_text"));
    assert_int_equal(row->limit_count, 10);
    assert_int_equal(row->limit_period_ms, 1000);
    assert_int_equal(row->expires_s, 1800000000);
    assert_int_equal(apikeys_find(keys, span_of("weir_acme0001_" SECRET), 1799999999, &row),
                     APIKEY_FINE);
    assert_int_equal(apikeys_find(keys, span_of("weir_acme0001_" SECRET), 1800000000, &row),
                     APIKEY_EXPIRED);
    assert_int_equal(apikeys_find(keys, span_of("weir_acme0002_" SECRET "x"), 1, &row),
                     APIKEY_FINE);
    assert_int_equal(row->expires_s, INT64_MAX);
    assert_int_equal(row->limit_count, 0);
    assert_int_equal(apikeys_find(keys, span_of("weir_0zzz0003_" SECRET), 1, &row), APIKEY_FINE);
    assert_int_equal(row->limit_period_ms, 3600000);
    /* Another's secret, another letter, an id that nobody has. */
    assert_int_equal(apikeys_find(keys, span_of("weir_acme0002_" SECRET), 1, &row), APIKEY_UNKNOWN);
    assert_int_equal(apikeys_find(keys, span_of("weir_acme0001_" SECRET "x"), 1, &row),
                     APIKEY_UNKNOWN);
    assert_int_equal(apikeys_find(keys, span_of("weir_acme0009_" SECRET), 1, &row), APIKEY_UNKNOWN);
    (void)apikeys_unref(keys);
    free(text);
    free(a);
    free(b);
    free(c);
}

static void test_credentials_of_another_form(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "weir_",
                                        "weir_acme0001",
                                        "weir_acme0001_",
                                        "weir_acme0001_short",
                                        "Weir_acme0001_" SECRET,
                                        "acme0001_" SECRET,
                                        "weir_acme_" SECRET,
                                        "weir_ACME0001_" SECRET,
                                        "weir__" SECRET,
                                        "weir_acme0001_" SECRET "-",
                                        "weir_acme0001__" SECRET,
                                        " weir_acme0001_" SECRET,
                                        "weir_acme0001_" SECRET " ",
                                        "weir_acme0001_" SECRET SECRET,
                                        "weir_acme0001_" SECRET "\xc3\xa9"};
    const struct apikey *row = NULL;
    char *line = line_of("acme0001", SECRET, "tenant=acme scopes=flow:*");
    struct apikeys *keys = parse(line);
    assert_int_equal(apikeys_find(keys, span_of("weir_acme0001_" SECRET), 0, &row), APIKEY_FINE);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(apikeys_find(keys, span_of(texts[i]), 0, &row), APIKEY_MALFORMED);
    (void)apikeys_unref(keys);
    free(line);
}

/* An empty table, and a row whose hash is all zeros, let nobody in. */
static void test_nobody(void **state)
{
    (void)state;
    const struct apikey *row = NULL;
    struct apikeys *keys = parse("");
    assert_int_equal(apikeys_find(keys, span_of("weir_acme0001_" SECRET), 0, &row), APIKEY_UNKNOWN);
    (void)apikeys_unref(keys);
}

enum { MANY = APIKEYS_MOST };

static void test_many(void **state)
{
    (void)state;
    size_t room = (size_t)(MANY + 1) * 128, len = 0;
    char *text = malloc(room);
    for (int i = 0; i < MANY; i++)
        len += (size_t)snprintf(text + len, room - len,
                                "key=k%09d sha256=" HASH " tenant=t%d scopes=flow:*\n",
                                (i * 7919) % MANY, i);
    struct apikeys *keys = apikeys_parse(span_make(text, len), problem);
    assert_non_null(keys);
    assert_int_equal(apikeys_count(keys), MANY);
    (void)apikeys_unref(keys);
    (void)snprintf(text + len, room - len, ROW);
    assert_refused(text, "10,000");
    free(text);
}

/* --- the ring --- */

enum { READERS = 4, SWAPS = 2000 };

static struct apikey_ring ring;

static void *read_ring(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < SWAPS; i++) {
        const struct apikey *row = NULL;
        struct apikeys *keys = apikey_ring_get(&ring);
        must(keys != NULL);
        must(apikeys_find(keys, span_of("weir_acme0001_" SECRET), 0, &row) == APIKEY_FINE);
        must(span_is(row->tenant, "acme"));
        (void)apikeys_unref(keys);
    }
    return NULL;
}

static void test_ring_under_threads(void **state)
{
    (void)state;
    pthread_t readers[READERS];
    char *line = line_of("acme0001", SECRET, "tenant=acme scopes=flow:*");
    apikey_ring_init(&ring);
    assert_null(apikey_ring_get(&ring));
    apikey_ring_put(&ring, parse(line));
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_ring, NULL), 0);
    for (unsigned i = 0; i < SWAPS; i++)
        apikey_ring_put(&ring, parse(line));
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    apikey_ring_fini(&ring);
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_mistakes_name_the_line),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_finding),
        cmocka_unit_test(test_credentials_of_another_form),
        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_ring_under_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
