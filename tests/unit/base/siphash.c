/* SipHash-2-4 against the vectors of its reference implementation (key 00..0f, input 00..n-1). */
#include "shared/base/siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void the_published_vectors_hold(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        uint64_t hash;
    } rows[] = {
        {0, 0x726fdb47dd0e0e31U}, {1, 0x74f839c593dc67fdU},  {7, 0xab0200f58b01d137U},
        {8, 0x93f5f5799a932462U}, {15, 0xa129ca6149be45e5U}, {63, 0x958a324ceb064572U},
    };
    const struct siphash_key key = {0x0706050403020100U, 0x0f0e0d0c0b0a0908U};
    unsigned char input[64];
    for (size_t i = 0; i < sizeof input; i++)
        input[i] = (unsigned char)i;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(siphash(&key, input, rows[i].len), rows[i].hash);
}

static void another_key_gives_another_hash(void **state)
{
    (void)state;
    const struct siphash_key a = {1, 2}, b = {1, 3};
    assert_int_not_equal(siphash(&a, "x", 1), siphash(&b, "x", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_vectors_hold),
        cmocka_unit_test(another_key_gives_another_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
