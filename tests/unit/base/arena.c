#include "shared/base/arena.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool is_aligned(const void *at)
{
    return (uintptr_t)at % alignof(max_align_t) == 0;
}

static void test_hands_out_distinct_aligned_memory(void **state)
{
    (void)state;
    struct arena arena;
    unsigned char *at[200];
    arena_init(&arena, SIZE_MAX / 4);
    for (size_t i = 0; i < 200; i++) {
        at[i] = arena_alloc(&arena, i * 7);
        assert_non_null(at[i]);
        assert_true(is_aligned(at[i]));
        memset(at[i], (int)i, i * 7);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t j = 0; j < i * 7; j++)
            assert_int_equal(at[i][j], (unsigned char)i);
    arena_fini(&arena);
}

static void test_size_zero_is_not_null(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 64);
    char *a = arena_alloc(&arena, 0), *b = arena_alloc(&arena, 0);
    assert_non_null(a);
    assert_ptr_not_equal(a, b);
    arena_fini(&arena);
}

static void test_large_requests_get_a_block_of_their_own(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, SIZE_MAX / 4);
    char *small = arena_alloc(&arena, 10);
    memset(small, 'a', 10);
    char *large = arena_alloc(&arena, 3 << 20);
    memset(large, 'b', 3 << 20);
    char *after = arena_alloc(&arena, 100000);
    memset(after, 'c', 100000);
    assert_int_equal(small[9], 'a');
    assert_int_equal(large[(3 << 20) - 1], 'b');
    arena_fini(&arena);
}

static void test_try_stops_at_the_budget(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1024);
    assert_null(arena_try(&arena, 1025));
    assert_null(arena_try(&arena, SIZE_MAX));
    assert_int_equal(arena.used_bytes, 0);
    assert_non_null(arena_try(&arena, 1000));
    assert_int_equal(arena.used_bytes, 1008);
    assert_null(arena_try(&arena, 17));
    assert_non_null(arena_try(&arena, 16));
    assert_null(arena_try(&arena, 1));
    /* What the code itself chooses is not refused, but counts. */
    assert_non_null(arena_alloc(&arena, 500));
    assert_true(arena.used_bytes > arena.budget_bytes);
    arena_fini(&arena);
}

static void test_reset_forgets_and_keeps_the_first_block(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    void *first = arena_alloc(&arena, 100);
    for (int i = 0; i < 100; i++)
        assert_non_null(arena_try(&arena, 5000));
    arena_reset(&arena);
    assert_int_equal(arena.used_bytes, 0);
    assert_ptr_equal(arena_alloc(&arena, 100), first);
    assert_non_null(arena_try(&arena, 1000000));
    arena_reset(&arena);
    arena_fini(&arena);
}

static void test_reset_and_fini_of_an_empty_arena(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 100);
    arena_reset(&arena);
    arena_fini(&arena);
    arena_fini(&arena);
    assert_non_null(arena_try(&arena, 100)); /* usable again, with the same budget */
    assert_null(arena_try(&arena, 1));
    arena_fini(&arena);
}

static void test_zero_and_copy(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    memset(arena_alloc(&arena, 64), 0xff, 64);
    arena_reset(&arena);
    const char *zeros = arena_zero(&arena, 64);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(zeros[i], 0);
    assert_string_equal(arena_copy(&arena, span_make("hello", 4)), "hell");
    assert_string_equal(arena_copy(&arena, SPAN_EMPTY), "");
    arena_fini(&arena);
}

/* Where malloc has none, a size that a peer chose is refused like one past the budget. */
static void test_try_without_memory(void **state)
{
    struct arena arena;
    (void)state;
    arena_init(&arena, SIZE_MAX);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they end the process */
    assert_null(arena_try(&arena, SIZE_MAX / 8));
#endif
    assert_non_null(arena_try(&arena, 100));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_try_without_memory),
        cmocka_unit_test(test_hands_out_distinct_aligned_memory),
        cmocka_unit_test(test_size_zero_is_not_null),
        cmocka_unit_test(test_large_requests_get_a_block_of_their_own),
        cmocka_unit_test(test_try_stops_at_the_budget),
        cmocka_unit_test(test_reset_forgets_and_keeps_the_first_block),
        cmocka_unit_test(test_reset_and_fini_of_an_empty_arena),
        cmocka_unit_test(test_zero_and_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
