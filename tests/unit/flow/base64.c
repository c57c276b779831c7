#include "shared/flow/base64.h"
#include "tests/support/exact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* RFC 4648, section 10, and both alphabets. */
static const struct {
    struct span plain;
    const char *encoded;
} vectors[] = {
    {SPAN_LITERAL(""), ""},
    {SPAN_LITERAL("f"), "Zg=="},
    {SPAN_LITERAL("fo"), "Zm8="},
    {SPAN_LITERAL("foo"), "Zm9v"},
    {SPAN_LITERAL("foob"), "Zm9vYg=="},
    {SPAN_LITERAL("fooba"), "Zm9vYmE="},
    {SPAN_LITERAL("foobar"), "Zm9vYmFy"},
    {SPAN_LITERAL("\xfb\xff\x00\xfe"), "+/8A/g=="},
};

static void assert_decodes(struct span text, struct span expected)
{
    /* Exact sizes, so that a sanitizer sees a byte too many. */
    struct span copy = exact_copy(text);
    uint8_t *bytes = malloc(base64_decoded_most(text.len));
    size_t len = 99;
    assert_non_null(bytes);
    assert_true(base64_decode(copy, bytes, &len));
    assert_int_equal(len, expected.len);
    assert_memory_equal(bytes, expected.at, len);
    free(bytes);
    exact_free(copy);
}

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct buf out;
        buf_init(&out, NULL, 100);
        base64_encode(&out, (const uint8_t *)vectors[i].plain.at, vectors[i].plain.len);
        assert_true(span_is(buf_span(&out), vectors[i].encoded));
        buf_fini(&out);
        struct span encoded = span_of(vectors[i].encoded);
        assert_decodes(encoded, vectors[i].plain);
        while (encoded.len > 0 && encoded.at[encoded.len - 1] == '=')
            encoded.len--;
        assert_decodes(encoded, vectors[i].plain);
    }
}

static void test_url_safe_alphabet(void **state)
{
    (void)state;
    assert_decodes(span_of("-_8A_g"), span_make("\xfb\xff\x00\xfe", 4));
    assert_decodes(span_of("-_"), span_make("\xfb", 1)); /* bits left over are ignored */
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {"Z",     "Zg=",      "Zm9v=", "Zm9v==",  "=",
                                      "==",    "====",     "Zg===", "Z g=",    "Zm9\n",
                                      "Zm9v!", "Zg==Zg==", "Z=g=",  "\xc3\xa9"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t bytes[32];
        size_t len;
        if (base64_decode(span_of(bad[i]), bytes, &len)) {
            print_error("accepted %s\n", bad[i]);
            fail();
        }
    }
}

static void test_every_byte_and_length(void **state)
{
    (void)state;
    uint8_t bytes[256];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 167 + 13);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        struct buf out;
        buf_init(&out, NULL, 1024);
        base64_encode(&out, bytes, len);
        assert_int_equal(out.len % 4, 0);
        assert_decodes(len > 0 ? buf_span(&out) : span_of(""), span_make((const char *)bytes, len));
        buf_fini(&out);
    }
}

static void test_limit_of_the_buffer(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, NULL, 7);
    base64_encode(&out, (const uint8_t *)"abcd", 4);
    assert_true(out.overflow);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_url_safe_alphabet),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_every_byte_and_length),
        cmocka_unit_test(test_limit_of_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
