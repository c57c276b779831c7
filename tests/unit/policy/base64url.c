#include "shared/policy/base64url.h"

#include "tests/unit/policy/mint.h"

#include <stdlib.h>
#include <string.h>

static void test_each_length_and_value(void **state)
{
    (void)state;
    unsigned char bytes[257], back[260];
    for (size_t len = 0; len <= sizeof bytes; len++) {
        for (size_t i = 0; i < len; i++)
            bytes[i] = (unsigned char)(i * 167 + len);
        char *text = mint_base64url(bytes, len);
        size_t got = 999;
        assert_true(base64url_bytes(strlen(text)) >= len);
        assert_true(base64url_decode(span_of(text), back, &got));
        assert_int_equal(got, len);
        assert_memory_equal(bytes, back, len);
        free(text);
    }
}

/* Two texts never decode to the same bytes: of all texts of two characters exactly 256 are fine. */
static void test_one_spelling(void **state)
{
    (void)state;
    unsigned fine = 0;
    for (int a = 0; a < 256; a++)
        for (int b = 0; b < 256; b++) {
            const char text[2] = {(char)a, (char)b};
            unsigned char out[8];
            size_t len = 0;
            fine += base64url_decode(span_make(text, 2), out, &len);
        }
    assert_int_equal(fine, 256);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"A",   "AAAAA", "AA==", "AA=",  "AAA=", "A+AA",
                                        "A/A", "AA A",  "AA\n", "AAB9", "AAB",  "\xc3\xa9"};
    unsigned char out[16];
    size_t len = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        bool expected = strcmp(texts[i], "AAB9") == 0;
        assert_int_equal(base64url_decode(span_of(texts[i]), out, &len), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_length_and_value),
        cmocka_unit_test(test_one_spelling),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
