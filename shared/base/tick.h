/* Time. Mechanisms never read a clock; they are given one of these.
 *
 * A tick is monotonic milliseconds since an arbitrary start (CLOCK_MONOTONIC); it is for deadlines
 * and durations. Wall time is only for what people read. Only the edges (loops, listeners, main)
 * call the two functions; any thread may. */
#ifndef WEIR_BASE_TICK_H
#define WEIR_BASE_TICK_H

#include <stdint.h>

typedef uint64_t tick_ms;

#define TICK_NEVER UINT64_MAX

/* Monotonic nanoseconds; for durations finer than a tick. */
uint64_t tick_now_ns(void);
/* Monotonic milliseconds. */
tick_ms tick_now_ms(void);
/* Nanoseconds since 1970-01-01T00:00:00Z. */
uint64_t tick_wall_ns(void);

#endif
