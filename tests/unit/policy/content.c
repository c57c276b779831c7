#include "shared/policy/content.h"

#include "shared/base/tick.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_urls(void **state)
{
    static const struct {
        const char *text;
        size_t n;
    } cases[] = {
        {"", 0},
        {"no address here", 0},
        {"http://example.com", 1},
        {"see https://example.com/a?b=c#d.", 1},
        {"HTTPS://EXAMPLE.COM", 1},
        {"https://www.example.com", 1},
        {"www.example.com and WWW.example.org", 2},
        {"(www.example.com)", 1},
        {"awww.example.com", 0},
        {"www. is short for world wide web", 0},
        {"ftp://a javascript://b", 2},
        {"http://a.example/http://b.example", 2},
        {"http://a,http://b;http://c|http://d", 4},
        {"://nothing", 0},
        {"a:/b c:// ", 1},
        {"://", 0},
        {"www", 0},
        {"www.", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct content_counts counts = {0};
        content_count(span_of(cases[i].text), &counts);
        if (counts.urls != cases[i].n)
            fail_msg("\"%s\": %zu URLs", cases[i].text, counts.urls);
    }
}

static void test_phones(void **state)
{
    static const struct {
        const char *text;
        size_t n;
    } cases[] = {
        {"", 0},
        {"call 555-123-4567 now", 1},
        {"(555) 123-4567", 1},
        {"555.123.4567", 1},
        {"555 123 4567 555 123 4568", 2},
        {"555-123-4567,555-123-4568;555-123-4569", 3},
        {"1-800-123-4567", 1},
        {"+1 555 123 4567", 1},
        {"+1 (555) 123-4567", 1},
        {"+15551234567", 1},
        {"+44 20 7946 0958", 1},
        {"+33 6 12 34 56 78", 1},
        {"+49 30 1234567 and +49 30 1234568", 2},
        {"020 7946 0958", 1},
        {"06 12 34 56 78", 1},
        {"030 123456", 1},
        {"5551234567", 1},
        {"0612345678", 1},
        {"15551234567", 1},
        /* What looks a little like one. */
        {"2024-01-15", 0},
        {"2024-01-15 10:30:00", 0},
        {"15-01-2024", 0},
        {"1700000000", 0},
        {"192.168.100.200", 0},
        {"550e8400-e29b-41d4-a716-446655440000", 0},
        {"3.14159265358979", 0},
        {"0.123456789", 0},
        {"1, 2, 3, 100, 200, 3000", 0},
        {"v555-123-4567", 0},
        {"555-123-4567x", 0},
        {"12345678901234567890", 0},
        {"4111 1111 1111 1111", 0},
        {"+1234567", 0},
        {"+1234567890123456789", 0},
        {"01-15-2024 10:30", 0},
        {"555 - 123 -  4567", 0},
        {"+", 0},
        {"5", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct content_counts counts = {0};
        content_count(span_of(cases[i].text), &counts);
        if (counts.phones != cases[i].n)
            fail_msg("\"%s\": %zu telephone numbers", cases[i].text, counts.phones);
    }
}

static void test_counts_add_up(void **state)
{
    struct content_counts counts = {0};
    (void)state;
    content_count(span_of("http://a and 555-123-4567"), &counts);
    content_count(span_of("http://b"), &counts);
    assert_int_equal(counts.urls, 2);
    assert_int_equal(counts.phones, 1);
}

/* Reads nothing outside of the text, wherever it is cut (the sanitizers look). */
static void test_every_cut(void **state)
{
    static const char text[] = "www.a +1 (555) 123-4567 http://b 020 7946 0958 w.w www. ://";
    (void)state;
    for (size_t from = 0; from < sizeof text; from++) {
        for (size_t to = from; to < sizeof text; to++) {
            char *copy = malloc(to - from + 1);
            struct content_counts counts = {0};
            memcpy(copy, text + from, to - from);
            char *exact = realloc(copy, to - from > 0 ? to - from : 1);
            content_count(span_make(exact, to - from), &counts);
            free(exact);
            assert_true(counts.urls <= 2 && counts.phones <= 3);
        }
    }
}

/* Twice the text takes about twice the work, whatever the text: a coarse bound, far from what a
 * quadratic scan would need (hours). */
static void test_hostile_texts_are_linear(void **state)
{
    static const char *const units[] = {"w",    "www.",   "://",  "a://",     "1",    "1 ",
                                        "555-", "0 ",     "+1 ",  "+",        "(",    "5551234567",
                                        ") (",  "1-2.3 ", "\xff", "555-123-", "00 0 "};
    enum { BYTES = 1024 * 1024 };
    char *text = malloc(BYTES);
    (void)state;
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
        struct content_counts counts = {0};
        size_t len = strlen(units[u]);
        for (size_t i = 0; i < BYTES; i++)
            text[i] = units[u][i % len];
        uint64_t before_ns = tick_now_ns();
        content_count(span_make(text, BYTES), &counts);
        assert_true(tick_now_ns() - before_ns < UINT64_C(10000000000));
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_phones),
        cmocka_unit_test(test_counts_add_up),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_hostile_texts_are_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
