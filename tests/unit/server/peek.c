#include "server/peek.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static void test_the_preface_byte_by_byte(void **state)
{
    (void)state;
    for (size_t len = 0; len < PEEK_BYTES; len++)
        assert_int_equal(peek_decide(span_make(preface, len)), PEEK_MORE);
    assert_int_equal(peek_decide(span_make(preface, PEEK_BYTES)), PEEK_HTTP2);
    assert_int_equal(peek_decide(span_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4")), PEEK_HTTP2);
}

/* One wrong byte decides at once, wherever it stands. */
static void test_one_wrong_byte(void **state)
{
    (void)state;
    for (size_t wrong = 0; wrong < PEEK_BYTES; wrong++) {
        char bytes[PEEK_BYTES];
        memcpy(bytes, preface, sizeof bytes);
        bytes[wrong] = (char)(bytes[wrong] ^ 0x20);
        for (size_t len = 0; len <= PEEK_BYTES; len++)
            assert_int_equal(peek_decide(span_make(bytes, len)),
                             len > wrong ? PEEK_HTTP1 : PEEK_MORE);
    }
}

static void test_requests(void **state)
{
    (void)state;
    static const char *const requests[] = {"G",
                                           "GET / HTTP/1.1\r\n",
                                           "PO",
                                           "POST /chat HTTP/1.1\r\n",
                                           "PUT",
                                           "PRIX",
                                           "PRI * HTTP/1.1\r\n",
                                           "pri",
                                           "\r\n",
                                           "\x16\x03\x01"};
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        assert_int_equal(peek_decide(span_of(requests[i])), PEEK_HTTP1);
    assert_int_equal(peek_decide(span_make("\0", 1)), PEEK_HTTP1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_preface_byte_by_byte),
        cmocka_unit_test(test_one_wrong_byte),
        cmocka_unit_test(test_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
