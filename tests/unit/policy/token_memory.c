/* What is remembered, for how long, how much, and by many threads at once. */
#include "shared/policy/token_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct token_memory *memory;
static struct arena arena;

static int setup(void **state)
{
    (void)state;
    memory = token_memory_new(1024);
    arena_init(&arena, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    memory = token_memory_free(memory);
    arena_fini(&arena);
    return 0;
}

static struct token_digest digest_of(const char *token)
{
    struct token_digest digest;
    token_memory_digest(memory, span_of(token), &digest);
    return digest;
}

static void put(const char *token, uint64_t generation, int64_t expires_s)
{
    struct token_digest digest = digest_of(token);
    const struct token_claims claims = {.subject = span_of("Ada"),
                                        .tenant = span_of("acme"),
                                        .scopes = span_of("flow:a flow:b"),
                                        .expires_s = expires_s};
    token_memory_put(memory, &digest, generation, 0, &claims);
}

static bool find(const char *token, uint64_t generation, int64_t now_s)
{
    struct token_digest digest = digest_of(token);
    struct token_claims claims = {0};
    bool found = token_memory_find(memory, &digest, generation, now_s, &arena, &claims);
    if (found) {
        assert_string_equal(claims.subject.at, "Ada"); /* a NUL follows */
        assert_string_equal(claims.tenant.at, "acme");
        assert_string_equal(claims.scopes.at, "flow:a flow:b");
        assert_true(span_is(claims.subject, "Ada"));
        assert_true(span_is(claims.tenant, "acme"));
        assert_true(span_is(claims.scopes, "flow:a flow:b"));
    }
    return found;
}

/* What was good then may not be good yet. */
static void test_a_clock_that_is_set_back(void **state)
{
    (void)state;
    put("token", 1, 100);
    assert_true(find("token", 1, 0));
    assert_false(find("token", 1, -1));
    assert_true(find("token", 1, 99));
}

static void test_digest(void **state)
{
    (void)state;
    static const unsigned char abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                        0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                        0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                        0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    struct token_digest digest = digest_of("abc");
    assert_memory_equal(digest.bytes, abc, sizeof abc);
}

static void test_until_it_expires(void **state)
{
    (void)state;
    assert_false(find("a", 1, 0));
    put("a", 1, 100);
    assert_true(find("a", 1, 0));
    assert_true(find("a", 1, 99));
    assert_false(find("a", 1, 100));
    assert_false(find("b", 1, 0));
    put("a", 1, 200); /* the same token again takes no second place */
    assert_true(find("a", 1, 199));
    struct token_memory_stats stats;
    token_memory_stats(memory, &stats);
    assert_int_equal(stats.entries, 1);
    assert_int_equal(stats.stored, 2);
    assert_int_equal(stats.evicted, 0);
    assert_int_equal(stats.hits, 3);
    assert_int_equal(stats.misses, 3);
}

static void test_until_the_keys_change(void **state)
{
    (void)state;
    put("a", 1, 100);
    assert_false(find("a", 2, 0));
    assert_false(find("a", 0, 0));
    put("a", 2, 100);
    assert_true(find("a", 2, 0));
    assert_false(find("a", 1, 0));
}

static void test_empty_texts(void **state)
{
    (void)state;
    struct token_digest digest = digest_of("a");
    const struct token_claims given = {.expires_s = 100};
    struct token_claims claims = {.subject = span_of("left over")};
    token_memory_put(memory, &digest, 1, 0, &given);
    assert_true(token_memory_find(memory, &digest, 1, 0, &arena, &claims));
    assert_int_equal(claims.subject.len + claims.tenant.len + claims.scopes.len, 0);
}

static void test_long_texts_are_not_kept(void **state)
{
    (void)state;
    char scopes[TOKEN_MEMORY_TEXT_BYTES + 1];
    struct token_digest digest = digest_of("a");
    struct token_claims claims = {.scopes = span_make(scopes, sizeof scopes), .expires_s = 100};
    memset(scopes, 'x', sizeof scopes);
    token_memory_put(memory, &digest, 1, 0, &claims);
    assert_false(token_memory_find(memory, &digest, 1, 0, &arena, &claims));
    claims =
        (struct token_claims){.scopes = span_make(scopes, sizeof scopes - 1), .expires_s = 100};
    token_memory_put(memory, &digest, 1, 0, &claims);
    assert_true(token_memory_find(memory, &digest, 1, 0, &arena, &claims));
}

/* However many there are, the memory stays as large as it was made; the one in use stays. */
static void test_bounded(void **state)
{
    (void)state;
    char token[32];
    struct token_memory_stats stats;
    put("mine", 1, 100);
    for (int i = 0; i < 100000; i++) {
        (void)snprintf(token, sizeof token, "token %d", i);
        put(token, 1, 100);
        assert_true(find(token, 1, 0));
        assert_true(find("mine", 1, 0));
        arena_reset(&arena);
    }
    token_memory_stats(memory, &stats);
    assert_true(stats.entries <= 1024);
    assert_true(stats.entries > 1000);
    assert_int_equal(stats.evicted, 100001 - stats.entries);
}

/* What is of no use any more goes before what is. */
static void test_useless_ones_go_first(void **state)
{
    (void)state;
    char token[32];
    struct token_memory_stats stats;
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(token, sizeof token, "old %d", i);
        put(token, 1, 100);
    }
    token_memory_stats(memory, &stats);
    uint64_t evicted = stats.evicted;
    for (int i = 0; i < 10; i++) {
        (void)snprintf(token, sizeof token, "new %d", i);
        put(token, 2, 100);
    }
    token_memory_stats(memory, &stats);
    assert_int_equal(stats.evicted, evicted);
}

/* --- many threads --- */

enum { THREADS = 4, TURNS = 20000, TOKENS = 300 };

static atomic_uint_fast64_t generation_now;

static void *use(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    struct arena own;
    arena_init(&own, 0);
    for (unsigned i = 0; i < TURNS; i++) {
        char token[32], name[32];
        struct token_digest digest;
        struct token_claims claims;
        seed = seed * 1103515245U + 12345U;
        unsigned which = (seed >> 16) % TOKENS;
        (void)snprintf(token, sizeof token, "token %u", which);
        (void)snprintf(name, sizeof name, "name %u", which);
        uint64_t generation = atomic_load(&generation_now);
        token_memory_digest(memory, span_of(token), &digest);
        if (token_memory_find(memory, &digest, generation, 0, &own, &claims)) {
            must(span_is(claims.subject, name) && span_is(claims.tenant, name));
        } else {
            claims = (struct token_claims){
                .subject = span_of(name), .tenant = span_of(name), .expires_s = 100};
            token_memory_put(memory, &digest, generation, 0, &claims);
        }
        if (i % 5000 == 0)
            atomic_fetch_add(&generation_now, 1);
        arena_reset(&own);
    }
    arena_fini(&own);
    return NULL;
}

static void test_many_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    struct token_memory_stats stats;
    atomic_init(&generation_now, 1);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, (void *)(i + 1)), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    token_memory_stats(memory, &stats);
    assert_int_equal(stats.hits + stats.misses, THREADS * TURNS);
    assert_int_equal(stats.stored, stats.misses);
    assert_true(stats.hits > stats.misses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_clock_that_is_set_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_digest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_until_it_expires, setup, teardown),
        cmocka_unit_test_setup_teardown(test_until_the_keys_change, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_texts_are_not_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_useless_ones_go_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_threads, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
