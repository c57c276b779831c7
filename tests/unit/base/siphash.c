/* SipHash-2-4-128 against what `openssl mac -macopt size:16 SipHash` says for the reference key. */
#include "shared/base/siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct siphash_key key;
static char message[64];

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof key.bytes; i++)
        key.bytes[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (char)i;
    return 0;
}

static void test_vectors(void **state)
{
    static const struct {
        size_t len;
        const char *hash;
    } cases[] = {{0, "a3817f04ba25a8e66df67214c7550293"},
                 {1, "da87c1d86b99af44347659119b22fc45"},
                 {2, "8177228da4a45dc7fca38bdef60affe4"},
                 {15, "5493e99933b0a8117e08ec0f97cfc3d9"},
                 {24, "2db479ae78bd50d8882a8a178a6132ad"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct siphash hash = siphash128(&key, span_make(message, cases[i].len));
        char text[33];
        for (size_t b = 0; b < 16; b++) {
            uint64_t word = b < 8 ? hash.a : hash.b;
            (void)snprintf(text + 2 * b, 3, "%02x", (unsigned)(word >> (8 * (b % 8)) & 0xff));
        }
        assert_string_equal(text, cases[i].hash);
    }
}

static void test_another_key_gives_another_hash(void **state)
{
    (void)state;
    struct siphash before = siphash128(&key, span_of("192.0.2.7"));
    key.bytes[15] ^= 1;
    struct siphash after = siphash128(&key, span_of("192.0.2.7"));
    assert_true(before.a != after.a && before.b != after.b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_vectors, set_up),
        cmocka_unit_test_setup(test_another_key_gives_another_hash, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
