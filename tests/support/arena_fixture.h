/* An arena of 1 MiB, new for each test of a program. For one source of the program. */
#ifndef WEIR_TESTS_SUPPORT_ARENA_FIXTURE_H
#define WEIR_TESTS_SUPPORT_ARENA_FIXTURE_H

#include "shared/base/arena.h"

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

#endif
