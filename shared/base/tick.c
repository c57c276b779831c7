#include "shared/base/tick.h"

#include "shared/base/must.h"

#include <time.h>

static uint64_t read_ns(clockid_t which)
{
    struct timespec now;
    must(clock_gettime(which, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

uint64_t tick_now_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

tick_ms tick_now_ms(void)
{
    return tick_now_ns() / 1000000U;
}

uint64_t tick_wall_ns(void)
{
    return read_ns(CLOCK_REALTIME);
}
