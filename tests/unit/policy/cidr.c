#include "shared/policy/cidr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool has(const char *list_text, const char *address)
{
    struct cidr_list list;
    struct span wrong;
    struct peer peer;
    if (!cidr_list_parse(span_of(list_text), &list, &wrong))
        fail_msg("not a list: %s", list_text);
    assert_true(cidr_read_address(span_of(address), &peer));
    bool found = cidr_list_has(&list, &peer);
    cidr_list_free(&list);
    return found;
}

static void test_ranges(void **state)
{
    static const struct {
        const char *list, *address;
        bool inside;
    } cases[] = {
        {"", "10.0.0.1", false},
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/9", "10.127.255.255", true},
        {"10.0.0.0/9", "10.128.0.0", false},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.8", false},
        {"192.0.2.7/32", "192.0.2.6", false},
        {"192.0.2.99/24", "192.0.2.1", true},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "203.0.113.9", true},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"2001:db8::/127", "2001:db8::1", true},
        {"2001:db8::/127", "2001:db8::2", false},
        {"::1", "::1", true},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"::ffff:10.0.0.0/104", "10.1.2.3", true},
        {"::ffff:10.0.0.0/104", "11.1.2.3", false},
        {" 10.0.0.0/8 ,\t::1, 192.0.2.0/24 ", "192.0.2.200", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (has(cases[i].list, cases[i].address) != cases[i].inside)
            fail_msg("%s in %s: %d is expected", cases[i].address, cases[i].list, cases[i].inside);
}

static void test_what_is_no_list(void **state)
{
    static const struct {
        const char *text, *wrong;
    } cases[] = {
        {"10.0.0.0/33", "10.0.0.0/33"},
        {"::/129", "::/129"},
        {"10.0.0.0/", "10.0.0.0/"},
        {"10.0.0.0/08", "10.0.0.0/08"},
        {"10.0.0.0/+8", "10.0.0.0/+8"},
        {"10.0.0.0/8/8", "10.0.0.0/8/8"},
        {"10.0.0", "10.0.0"},
        {"010.0.0.1", "010.0.0.1"},
        {"10.0.0.1, example.com", "example.com"},
        {"10.0.0.1,,10.0.0.2", ""},
        {"10.0.0.1,", ""},
        {",", ""},
        {"10.0.0.1 10.0.0.2", "10.0.0.1 10.0.0.2"},
        {"fe80::1%eth0", "fe80::1%eth0"},
        {"[::1]", "[::1]"},
        {"*", "*"},
        {"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
         "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cidr_list list = {(struct cidr *)(uintptr_t)1, 1};
        struct span wrong = SPAN_EMPTY;
        if (cidr_list_parse(span_of(cases[i].text), &list, &wrong))
            fail_msg("\"%s\" was taken for a list", cases[i].text);
        assert_int_equal(list.n, 0);
        assert_null(list.items);
        assert_true(span_is(wrong, cases[i].wrong));
        assert_false(cidr_list_parse(span_of(cases[i].text), NULL, &wrong));
    }
}

static void test_a_list_is_bounded(void **state)
{
    char text[(CIDR_MOST + 1) * 4];
    struct cidr_list list;
    struct span wrong;
    (void)state;
    for (size_t i = 0; i <= CIDR_MOST; i++)
        memcpy(text + 4 * i, "::1,", 4);
    assert_true(cidr_list_parse(span_make(text, 4 * CIDR_MOST - 1), &list, &wrong));
    assert_int_equal(list.n, CIDR_MOST);
    cidr_list_free(&list);
    assert_false(cidr_list_parse(span_make(text, 4 * CIDR_MOST + 3), &list, &wrong));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_what_is_no_list),
        cmocka_unit_test(test_a_list_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
