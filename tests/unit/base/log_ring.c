#include "shared/base/log_ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static int setup(void **state)
{
    *state = calloc(1, sizeof(struct log_ring));
    return *state == NULL;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

/* What comes out is what went in, over many turns of the ring and at every offset of the seam. */
static void test_bytes_come_out_as_they_went_in(void **state)
{
    struct log_ring *ring = *state;
    char line[997];
    uint32_t put = 0, got = 0;
    for (unsigned turn = 0; turn < 5000; turn++) {
        struct span pieces[2];
        size_t len = 1 + turn * 31 % sizeof line;
        for (size_t i = 0; i < len; i++)
            line[i] = (char)(put++ % 251);
        assert_true(log_ring_put(ring, span_make(line, len)));
        if (turn % 3 != 0)
            continue;
        len = log_ring_peek(ring, pieces);
        assert_int_equal(len, pieces[0].len + pieces[1].len);
        for (size_t piece = 0; piece < 2; piece++)
            for (size_t i = 0; i < pieces[piece].len; i++)
                assert_int_equal((unsigned char)pieces[piece].at[i], got++ % 251);
        log_ring_drop(ring, len);
    }
}

static void test_full(void **state)
{
    struct log_ring *ring = *state;
    struct span pieces[2];
    char line[64] = {0};
    for (size_t i = 0; i < LOG_RING_BYTES / sizeof line; i++) {
        line[0] = (char)i;
        assert_true(log_ring_put(ring, span_make(line, sizeof line)));
    }
    assert_false(log_ring_put(ring, span_make(line, 1)));
    assert_int_equal(log_ring_peek(ring, pieces), LOG_RING_BYTES);
    assert_int_equal(pieces[0].at[0], 0);
    log_ring_drop(ring, 10);
    assert_false(log_ring_put(ring, span_make(line, 11)));
    assert_true(log_ring_put(ring, span_make(line, 10)));
    assert_false(log_ring_put(ring, span_make(line, 1)));
    log_ring_drop(ring, LOG_RING_BYTES);
    assert_int_equal(log_ring_peek(ring, pieces), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bytes_come_out_as_they_went_in, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
