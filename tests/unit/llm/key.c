/* Keys that are set, refused, replaced. */
#include "shared/llm/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool holds(struct llm_key *key, const char *text)
{
    struct buf copy;
    buf_init(&copy, NULL, LLM_KEY_BYTES);
    uint64_t version = llm_key_copy(key, &copy);
    bool same = span_is(buf_span(&copy), text) && version == llm_key_version(key);
    buf_fini(&copy);
    return same;
}

static void test_keys(void **state)
{
    struct llm_key key;
    (void)state;
    llm_key_init(&key, "");
    assert_int_equal(llm_key_version(&key), 0);
    assert_true(holds(&key, ""));
    static const char *const bad[] = {"", "a b", "a\r\nX-Evil: 1", "a\n", "\x7f", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(llm_key_set(&key, span_of(bad[i])));
    assert_int_equal(llm_key_version(&key), 0);
    assert_true(llm_key_set(&key, span_of("one")));
    assert_int_equal(llm_key_version(&key), 1);
    assert_true(llm_key_set(&key, span_of("one")));
    assert_int_equal(llm_key_version(&key), 1); /* the same */
    assert_true(llm_key_set(&key, span_of("two")));
    assert_int_equal(llm_key_version(&key), 2);
    assert_false(llm_key_set(&key, span_of("a b")));
    assert_true(holds(&key, "two"));
    llm_key_fini(&key);
    llm_key_init(&key, "three");
    assert_true(holds(&key, "three"));
    llm_key_fini(&key);
    llm_key_init(&key, NULL);
    llm_key_fini(&key);
}

static struct llm_key shared;

static void *replace(void *argument)
{
    for (unsigned i = 0; i < 2000; i++)
        assert_true(llm_key_set(&shared, span_of(argument)));
    return NULL;
}

static void test_threads(void **state)
{
    char a[] = "aaaaaaaaaaaaaaaa", b[] = "bbbbbbbb";
    pthread_t threads[2];
    (void)state;
    llm_key_init(&shared, a);
    assert_int_equal(pthread_create(&threads[0], NULL, replace, a), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, replace, b), 0);
    for (unsigned i = 0; i < 2000; i++) {
        struct buf copy;
        buf_init(&copy, NULL, LLM_KEY_BYTES);
        (void)llm_key_copy(&shared, &copy);
        assert_true(span_is(buf_span(&copy), a) || span_is(buf_span(&copy), b));
        buf_fini(&copy);
    }
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    llm_key_fini(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_keys), cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
