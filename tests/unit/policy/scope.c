#include "shared/policy/scope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_scopes(void **state)
{
    (void)state;
    static const struct {
        const char *scopes, *flow;
        bool allowed;
    } cases[] = {
        {"flow:*", "tell_joke", true},
        {"flow:tell_joke", "tell_joke", true},
        {"profile flow:translate_text flow:tell_joke", "tell_joke", true},
        {"flow:tell_joke flow:*", "tell_story", true},
        {"", "tell_joke", false},
        {"flow:", "tell_joke", false},
        {"flow:", "", false},
        {"flow:tell", "tell_joke", false},
        {"flow:tell_joke2", "tell_joke", false},
        {"flow:tell_*", "tell_joke", false},
        {"flow:**", "tell_joke", false},
        {"FLOW:*", "tell_joke", false},
        {"flow:Tell_joke", "tell_joke", false},
        {"tell_joke *", "tell_joke", false},
        {"xflow:*", "tell_joke", false},
        {"flow: *", "tell_joke", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(scope_allows(span_of(cases[i].scopes), cases[i].flow), cases[i].allowed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scopes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
