/* Escapes of JSON strings: what each stands for, and what is none. */
#include "shared/base/json_escape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *text, size_t bytes, uint32_t wanted)
{
    uint32_t c = 0;
    assert_int_equal(json_escape(text, text + strlen(text), &c), bytes);
    if (bytes > 0)
        assert_int_equal(c, wanted);
}

static void test_escapes(void **state)
{
    (void)state;
    expect("\\n", 2, '\n');
    expect("\\/", 2, '/');
    expect("\\\"x", 2, '"');
    expect("\\u0000", 6, 0);
    expect("\\u00e9x", 6, 0xe9);
    expect("\\uD83D\\uDE00", 12, 0x1f600);
}

static void test_what_is_none(void **state)
{
    static const char *const none[] = {"\\",
                                       "\\x",
                                       "\\u",
                                       "\\u12",
                                       "\\u12g4",
                                       "\\uDE00",
                                       "\\uD83D",
                                       "\\uD83D\\n",
                                       "\\uD83D\\u0041",
                                       "\\uD83Dxxxxxx",
                                       "\\uD83D\\uDE0",
                                       "\\N"};
    (void)state;
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        expect(none[i], 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_escapes),
                                       cmocka_unit_test(test_what_is_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
