/* Pieces of a stream: order, blocks, bounds, readers that come late or run along. */
#include "shared/policy/pieces.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { LIMIT_BYTES = 1 << 20 };

static void pieces_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct pieces *pieces = pieces_new(LIMIT_BYTES);
    struct pieces_cursor early, late;
    struct span text;
    pieces_start(pieces, &early);
    assert_false(pieces_next(&early, &text));
    assert_true(pieces_append(pieces, span_of("Once ")));
    assert_true(pieces_next(&early, &text));
    assert_true(span_is(text, "Once "));
    assert_int_equal(text.at[text.len], '\0');
    assert_false(pieces_next(&early, &text));
    assert_true(pieces_append(pieces, span_of("upon")));
    pieces_start(pieces, &late);
    assert_true(pieces_next(&late, &text));
    assert_true(span_is(text, "Once "));
    assert_true(pieces_next(&late, &text));
    assert_true(span_is(text, "upon"));
    assert_int_equal(late.bytes, 9);
    assert_true(pieces_next(&early, &text));
    assert_true(span_is(text, "upon"));
    assert_null(pieces_unref(pieces));
}

/* Lengths around every block size, one far above the largest. */
static void blocks_are_joined_without_a_seam(void **state)
{
    (void)state;
    static char large[200000];
    memset(large, 'x', sizeof large);
    struct pieces *pieces = pieces_new(LIMIT_BYTES);
    struct pieces_cursor cursor;
    struct span text;
    size_t lengths[300];
    for (size_t i = 0; i < 300; i++) {
        lengths[i] = i == 150 ? sizeof large : (i * 37) % 1100;
        assert_true(pieces_append(pieces, span_make(large, lengths[i])));
    }
    pieces_start(pieces, &cursor);
    for (size_t i = 0; i < 300; i++) {
        assert_true(pieces_next(&cursor, &text));
        assert_int_equal(text.len, lengths[i]);
        assert_int_equal(text.at[text.len], '\0');
    }
    assert_false(pieces_next(&cursor, &text));
    assert_int_equal(cursor.bytes, pieces_text_bytes(pieces));
    pieces_unref(pieces);
}

static void the_limit_counts_memory_and_small_pieces_cost_little(void **state)
{
    (void)state;
    struct pieces *pieces = pieces_new(LIMIT_BYTES);
    size_t n = 0;
    while (pieces_append(pieces, span_of("a")))
        n++;
    assert_true(pieces_memory_bytes(pieces) <= LIMIT_BYTES);
    assert_in_range(n, LIMIT_BYTES / 10, LIMIT_BYTES);
    static char large[LIMIT_BYTES + 1];
    assert_false(pieces_append(pieces, span_make(large, sizeof large)));
    pieces_unref(pieces);
}

/* --- one writer, many readers --- */

enum { READERS = 4, PIECES = 20000 };

static void *read_all(void *argument)
{
    struct pieces *pieces = argument;
    struct pieces_cursor cursor;
    struct span text;
    uintptr_t wrong = 0;
    pieces_start(pieces, &cursor);
    for (unsigned i = 0; i < PIECES; i++) {
        char expected[16];
        while (!pieces_next(&cursor, &text))
            ;
        (void)snprintf(expected, sizeof expected, "%u", i);
        wrong += !span_is(text, expected);
    }
    pieces_unref(pieces);
    return (void *)wrong;
}

static void readers_on_other_threads_miss_nothing(void **state)
{
    (void)state;
    struct pieces *pieces = pieces_new(LIMIT_BYTES);
    pthread_t readers[READERS];
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_all, pieces_ref(pieces)), 0);
    for (unsigned i = 0; i < PIECES; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%u", i);
        assert_true(pieces_append(pieces, span_of(text)));
    }
    pieces_unref(pieces); /* the readers keep it */
    for (size_t i = 0; i < READERS; i++) {
        void *wrong = NULL;
        assert_int_equal(pthread_join(readers[i], &wrong), 0);
        assert_null(wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_come_out_as_they_went_in),
        cmocka_unit_test(blocks_are_joined_without_a_seam),
        cmocka_unit_test(the_limit_counts_memory_and_small_pieces_cost_little),
        cmocka_unit_test(readers_on_other_threads_miss_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
