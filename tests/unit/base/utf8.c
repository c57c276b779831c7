#include "shared/base/utf8.h"
#include "tests/support/exact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Encodes as RFC 3629 has it; written from the bit table of section 3, not from the code's
 * grammar. */
static size_t encode(uint32_t c, char *to)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--) {
        to[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    to[0] = (char)((0xf00 >> len & 0xff) | c);
    return len;
}

static bool is_valid_alone(struct span text)
{
    struct span copy = exact_copy(text);
    bool valid = utf8_valid(copy);
    exact_free(copy);
    return valid;
}

static void test_every_character(void **state)
{
    (void)state;
    char text[4];
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        bool surrogate = c >= 0xd800 && c <= 0xdfff;
        struct span encoded = span_make(text, encode(c, text));
        if (utf8_valid(encoded) == surrogate || utf8_length(encoded) != 1) {
            print_error("U+%04X\n", c);
            fail();
        }
    }
}

/* All sequences of two bytes, and of three and four with edge bytes: valid only if decoding and
 * encoding again gives the same bytes. */
static bool is_canonical(const unsigned char *at, size_t len)
{
    uint32_t c = at[0];
    char again[4];
    if (len > 1)
        c &= 0x7fU >> len;
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return false;
        c = c << 6 | (at[i] & 0x3f);
    }
    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return false;
    return encode(c, again) == len && memcmp(again, at, len) == 0;
}

static void test_edge_bytes_in_every_place(void **state)
{
    (void)state;
    static const unsigned char edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0,
                                          0xc1, 0xc2, 0xdf, 0xe0, 0xec, 0xed, 0xee, 0xef, 0xf0,
                                          0xf3, 0xf4, 0xf5, 0xf8, 0xfc, 0xfe, 0xff};
    size_t n = sizeof edges, checked = 0;
    for (size_t i = 0; i < n * n * n * n; i++) {
        unsigned char text[4] = {edges[i % n], edges[i / n % n], edges[i / n / n % n],
                                 edges[i / n / n / n]};
        /* Split into sequences by the lead byte alone. */
        bool valid = true;
        for (size_t at = 0; at < 4 && valid;) {
            size_t len = text[at] < 0x80    ? 1
                         : text[at] < 0xc0  ? 5
                         : text[at] < 0xe0  ? 2
                         : text[at] < 0xf0  ? 3
                         : text[at] <= 0xf7 ? 4
                                            : 5;
            valid = at + len <= 4 && is_canonical(text + at, len);
            at += len;
        }
        if (utf8_valid(span_make((const char *)text, 4)) != valid) {
            print_error("%02x %02x %02x %02x\n", text[0], text[1], text[2], text[3]);
            fail();
        }
        checked += valid;
    }
    assert_true(checked > 0);
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xb1z";
    static const bool whole[] = {1, 1, 0, 1, 0, 0, 1, 0, 0, 0, 1, 1};
    static const size_t good[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
    for (size_t len = 0; len < sizeof text; len++) {
        assert_int_equal(is_valid_alone(span_make(text, len)), whole[len]);
        assert_int_equal(utf8_valid_bytes(span_make(text, len)), good[len]);
    }
}

static void test_mistakes_behind_long_ascii(void **state)
{
    (void)state;
    char text[64];
    for (size_t at = 0; at < sizeof text; at++) {
        memset(text, 'x', sizeof text);
        assert_true(utf8_valid(span_make(text, sizeof text)));
        text[at] = (char)0xff;
        assert_int_equal(utf8_valid_bytes(span_make(text, sizeof text)), at);
        assert_false(is_valid_alone(span_make(text, sizeof text)));
    }
}

static void test_length_and_prefix(void **state)
{
    (void)state;
    struct span text = span_of("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xb1z");
    static const size_t bytes[] = {0, 1, 3, 6, 10, 11, 11};
    assert_int_equal(utf8_length(text), 5);
    assert_int_equal(utf8_length(SPAN_EMPTY), 0);
    for (size_t i = 0; i < 7; i++) {
        struct span prefix = utf8_prefix(text, i);
        assert_int_equal(prefix.len, bytes[i]);
        assert_ptr_equal(prefix.at, text.at);
        assert_true(utf8_valid(prefix));
    }
    assert_int_equal(utf8_prefix(text, SIZE_MAX).len, text.len);
    assert_int_equal(utf8_prefix(SPAN_EMPTY, 3).len, 0);
    assert_true(utf8_valid(SPAN_EMPTY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_character),   cmocka_unit_test(test_edge_bytes_in_every_place),
        cmocka_unit_test(test_cut_anywhere),      cmocka_unit_test(test_mistakes_behind_long_ascii),
        cmocka_unit_test(test_length_and_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
