#include "shared/policy/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_forms(void **state)
{
    static const struct {
        const char *text;
        uint32_t count;
        uint64_t seconds;
    } cases[] = {{"1/second", 1, 1},
                 {"60/minute", 60, 60},
                 {"600/hour", 600, 3600},
                 {"1000000/second", 1000000, 1},
                 {"060/minute", 60, 60}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rate rate;
        assert_true(rate_parse(span_of(cases[i].text), &rate));
        assert_int_equal(rate.count, cases[i].count);
        assert_int_equal(rate_period_seconds(rate), cases[i].seconds);
    }
}

static void test_other_forms_are_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "60",
                                        "60/",
                                        "/minute",
                                        "0/minute",
                                        "-1/minute",
                                        "60/minutes",
                                        "60/Minute",
                                        "60 /minute",
                                        "60/ minute",
                                        "60/minute ",
                                        "6e1/minute",
                                        "60/day",
                                        "1000001/second",
                                        "18446744073709551676/minute",
                                        "99999999999999999999999999/minute",
                                        "60//minute"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct rate rate = {7, 7};
        if (rate_parse(span_of(texts[i]), &rate))
            fail_msg("\"%s\" was taken for a rate", texts[i]);
        assert_int_equal(rate.count, 7);
    }
}

static void test_text_reads_back(void **state)
{
    static const char *const texts[] = {"1/second", "60/minute", "1000000/hour"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char text[RATE_TEXT_BYTES];
        struct rate rate;
        assert_true(rate_parse(span_of(texts[i]), &rate));
        rate_text(rate, text);
        assert_string_equal(text, texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_other_forms_are_refused),
        cmocka_unit_test(test_text_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
