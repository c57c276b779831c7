/* Cache keys: what tells two questions apart, and that nothing else does. */
#include "shared/policy/cache_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct cache_key_maker *maker;

static struct cache_key key_of(struct cache_key_parts parts)
{
    struct cache_key key;
    cache_key_make(maker, &parts, &key);
    return key;
}

static struct cache_key_parts sample(void)
{
    return (struct cache_key_parts){.flow = span_of("translate_text"),
                                    .model = span_of("m"),
                                    .prompt_version = span_of("v1"),
                                    .has_tenant = true,
                                    .tenant = span_of("acme"),
                                    .request = span_of("\x0a\x01x")};
}

/* By Python's hashlib: SHA-256 over each part behind its length in 8 bytes, little endian. */
static void the_form_is_fixed(void **state)
{
    (void)state;
    static const uint8_t expected[32] = {0x89, 0x65, 0x6e, 0xc4, 0x18, 0x1d, 0x99, 0x89,
                                         0x2b, 0xd6, 0x4a, 0xf0, 0x97, 0xc2, 0x83, 0x82,
                                         0x76, 0x98, 0xd3, 0xff, 0xc7, 0x0c, 0xe0, 0x12,
                                         0x36, 0x1c, 0x49, 0xfc, 0xf2, 0x71, 0x57, 0xdc};
    struct cache_key key = key_of(sample());
    assert_memory_equal(key.bytes, expected, sizeof expected);
}

static void every_part_counts(void **state)
{
    (void)state;
    struct cache_key first = key_of(sample());
    struct cache_key_parts parts[7];
    for (size_t i = 0; i < 7; i++)
        parts[i] = sample();
    parts[0].flow = span_of("review_code");
    parts[1].model = span_of("n");
    parts[2].prompt_version = span_of("v2");
    parts[3].tenant = span_of("acm");
    parts[4].has_tenant = false;
    parts[5].request = span_of("\x0a\x01y");
    parts[6].request = SPAN_EMPTY;
    for (size_t i = 0; i < 7; i++) {
        struct cache_key other = key_of(parts[i]);
        assert_false(cache_key_equal(&first, &other));
    }
    struct cache_key again = key_of(sample());
    assert_true(cache_key_equal(&first, &again));
}

static void bytes_cannot_move_from_one_part_to_the_next(void **state)
{
    (void)state;
    struct cache_key_parts a = sample(), b = sample();
    a.tenant = span_of("ab");
    a.request = span_of("c");
    b.tenant = span_of("a");
    b.request = span_of("bc");
    struct cache_key left = key_of(a), right = key_of(b);
    assert_false(cache_key_equal(&left, &right));
}

/* Whatever a tenant is called, it is not the callers without one. */
static void no_tenant_is_nobody(void **state)
{
    (void)state;
    struct cache_key_parts nobody = sample();
    nobody.has_tenant = false;
    struct cache_key apart = key_of(nobody);
    const char *const names[] = {"", "anonymous", "tenant", "none"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct cache_key_parts parts = sample();
        parts.tenant = span_of(names[i]);
        struct cache_key key = key_of(parts);
        assert_false(cache_key_equal(&apart, &key));
    }
    nobody.tenant = span_of("left over"); /* not looked at */
    struct cache_key same = key_of(nobody);
    assert_true(cache_key_equal(&apart, &same));
}

static int set_up(void **state)
{
    (void)state;
    maker = cache_key_maker_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    maker = cache_key_maker_free(maker);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_form_is_fixed),
        cmocka_unit_test(every_part_counts),
        cmocka_unit_test(bytes_cannot_move_from_one_part_to_the_next),
        cmocka_unit_test(no_tenant_is_nobody),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
