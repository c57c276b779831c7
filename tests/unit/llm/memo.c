/* Texts made of schemas: made once, proved by content, bounded. */
#include "shared/llm/memo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static unsigned made;

static void make(const char *schema, struct buf *out)
{
    made++;
    for (size_t i = strcmp(schema, "huge") == 0 ? MEMO_BYTES : 0; i > 0; i--)
        buf_put_char(out, 'x');
    buf_printf(out, "made of %s", schema);
}

static void test_made_once(void **state)
{
    static const char schema[] = "one";
    struct memo memo;
    (void)state;
    made = 0;
    memo_init(&memo, make);
    for (int i = 0; i < 3; i++)
        assert_true(span_is(memo_find(&memo, schema), "made of one"));
    assert_int_equal(made, 1);
    memo_fini(&memo);
}

/* An arena's address comes back with something else in it. */
static void test_the_address_proves_nothing(void **state)
{
    char schema[] = "one";
    struct memo memo;
    (void)state;
    memo_init(&memo, make);
    assert_true(span_is(memo_find(&memo, schema), "made of one"));
    memcpy(schema, "two", 3);
    assert_true(span_is(memo_find(&memo, schema), "made of two"));
    memo_fini(&memo);
}

static void test_bounded(void **state)
{
    static char schemas[3 * MEMO_PLACES][16];
    struct memo memo;
    (void)state;
    made = 0;
    memo_init(&memo, make);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++) {
            char expected[32];
            (void)snprintf(schemas[i], sizeof schemas[i], "s%zu", i);
            (void)snprintf(expected, sizeof expected, "made of s%zu", i);
            assert_true(span_is(memo_find(&memo, schemas[i]), expected));
            assert_true(span_is(memo_find(&memo, schemas[i]), expected));
        }
    }
    assert_int_equal(made, 6 * MEMO_PLACES);
    assert_int_equal(memo_find(&memo, "huge").len, 0);
    memo_fini(&memo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_once),
        cmocka_unit_test(test_the_address_proves_nothing),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
