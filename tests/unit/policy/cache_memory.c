/* Ten million random keys through a full cache: memory stays flat. */
#include "shared/policy/cache.h"

#include "shared/base/splitmix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { KEYS = 100000 }; /* they keep freed memory for a while, and take their time */
#else
enum { KEYS = 10000000 };
#endif
enum { GROWTH_KIB = 4096 };

static uint64_t seed;

static long resident_kib(void)
{
    char line[256];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    (void)fclose(file);
    return kib;
}

static void ten_million_keys_leave_memory_flat(void **state)
{
    (void)state;
    static char text[2000];
    const struct cache_settings settings = {
        .most_entries = 1024, .most_bytes = 1 << 20, .ttl_ns = 1000000000, .seed = {{3, 4}}};
    struct cache *cache = cache_new(&settings);
    struct cache_stats stats;
    long before = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        struct cache_key key;
        struct cache_entry *entry = NULL;
        uint64_t left_ns = 0;
        for (size_t j = 0; j < sizeof key.bytes; j += 8) {
            uint64_t word = splitmix_next(&seed);
            memcpy(key.bytes + j, &word, sizeof word);
        }
        assert_int_equal(cache_get(cache, &key, i, splitmix_next(&seed), &entry, &left_ns),
                         CACHE_MISS);
        entry = cache_entry_new(span_make(text, splitmix_next(&seed) % sizeof text), SPAN_EMPTY);
        (void)cache_put(cache, &key, entry, i, 1, splitmix_next(&seed));
        cache_entry_unref(entry);
        if (i == KEYS / 10)
            before = resident_kib();
    }
    long after = resident_kib();
    printf("%d keys: %ld KiB after a tenth of them, %ld KiB at the end\n", KEYS, before, after);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(after - before < GROWTH_KIB);
#endif
    cache_stats(cache, &stats);
    assert_true(stats.entries <= 1024 && stats.bytes <= 1 << 20);
    assert_int_equal(stats.stored, KEYS);
    assert_int_equal(stats.evicted, KEYS - stats.entries);
    cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ten_million_keys_leave_memory_flat)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
