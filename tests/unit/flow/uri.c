#include "shared/flow/uri.h"
#include "tests/support/exact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool is_http(struct span text)
{
    struct span copy = exact_copy(text);
    bool is = uri_is_http(copy);
    exact_free(copy);
    return is;
}

static void test_accepts(void **state)
{
    (void)state;
    static const char *const good[] = {
        "http://a",
        "https://example.com",
        "HTTPS://EXAMPLE.com/",
        "https://example.com:8443/a/b.png?x=1&y=%20z#part",
        "http://127.0.0.1:65535",
        "http://[::1]:80/",
        "http://[2001:db8::192.0.2.1]",
        "https://user:secret@example.com/",
        "https://example.com:",
        "https://example.com?q",
        "https://example.com#f",
        "https://a.b/~x;y=(z)'!$*,+@:",
        "https://xn--bcher-kva.example/",
        "https://upload.wikimedia.org/wikipedia/commons/4/47/PNG_transparency_demonstration_1.png",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!is_http(span_of(good[i]))) {
            print_error("refused %s\n", good[i]);
            fail();
        }
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "a",
        "example.com",
        "//example.com/",
        "http",
        "http:",
        "http:/",
        "http://",
        "http:///path",
        "http://:80",
        "http://?q",
        "http://user@",
        "http://a@b@c/",
        "ftp://example.com",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "httpx://example.com",
        " http://example.com",
        "http://exa mple.com",
        "http://example.com/a b",
        "http://example.com/a\tb",
        "http://example.com/a\nb",
        "http://example.com/a\x7f",
        "http://example.com/\"",
        "http://example.com/<x>",
        "http://example.com/a\\b",
        "http://example.com/{x}",
        "http://example.com/%",
        "http://example.com/%4",
        "http://example.com/%4g",
        "http://example.com:65536",
        "http://example.com:8o",
        "http://example.com:99999999999999999999",
        "http://[::1",
        "http://[]",
        "http://[1.2.3.4]/",
        "http://[::g]",
        "http://[::1]x",
        "http://b\xc3\xbc"
        "cher.example/",
        "http://example.com/#a#b",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (is_http(span_of(bad[i]))) {
            print_error("accepted %s\n", bad[i]);
            fail();
        }
    assert_false(is_http(span_make("http://a\0b/", 11)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
