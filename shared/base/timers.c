#include "shared/base/timers.h"

#include "shared/base/must.h"

#include <stdlib.h>

void timers_init(struct timers *timers)
{
    *timers = (struct timers){0};
}

void timers_fini(struct timers *timers)
{
    for (size_t i = 0; i < timers->count; i++)
        timers->heap[i]->place = 0;
    free(timers->heap);
    timers_init(timers);
}

static void put(struct timers *timers, size_t index, struct timer *timer)
{
    timers->heap[index] = timer;
    timer->place = index + 1;
}

static void sift_up(struct timers *timers, size_t index)
{
    struct timer *timer = timers->heap[index];
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (timers->heap[parent]->due_ms <= timer->due_ms)
            break;
        put(timers, index, timers->heap[parent]);
        index = parent;
    }
    put(timers, index, timer);
}

static void sift_down(struct timers *timers, size_t index)
{
    struct timer *timer = timers->heap[index];
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= timers->count)
            break;
        if (child + 1 < timers->count &&
            timers->heap[child + 1]->due_ms < timers->heap[child]->due_ms)
            child++;
        if (timer->due_ms <= timers->heap[child]->due_ms)
            break;
        put(timers, index, timers->heap[child]);
        index = child;
    }
    put(timers, index, timer);
}

void timers_set(struct timers *timers, struct timer *timer, tick_ms due_ms)
{
    tick_ms earliest = timers_next_due(timers);
    if (due_ms < timers->not_before_ms)
        due_ms = timers->not_before_ms;
    timer->due_ms = due_ms;
    if (timer->place == 0) {
        if (timers->count == timers->capacity) {
            timers->capacity = timers->capacity == 0 ? 64 : timers->capacity * 2;
            timers->heap = realloc(timers->heap, timers->capacity * sizeof(struct timer *));
            must(timers->heap != NULL);
        }
        put(timers, timers->count++, timer);
    }
    sift_up(timers, timer->place - 1);
    sift_down(timers, timer->place - 1);
    if (due_ms < earliest && timers->earlier != NULL)
        timers->earlier(timers, timers->context);
}

void timers_cancel(struct timers *timers, struct timer *timer)
{
    if (timer->place == 0)
        return;
    size_t index = timer->place - 1;
    must(index < timers->count && timers->heap[index] == timer);
    timer->place = 0;
    struct timer *last = timers->heap[--timers->count];
    if (last == timer)
        return;
    put(timers, index, last);
    sift_up(timers, index);
    sift_down(timers, last->place - 1);
}

tick_ms timers_next_due(const struct timers *timers)
{
    return timers->count == 0 ? TICK_NEVER : timers->heap[0]->due_ms;
}

void timers_run(struct timers *timers, tick_ms now_ms)
{
    must(timers->not_before_ms == 0 && now_ms < TICK_NEVER);
    /* A timer that sets itself again would keep this loop busy for ever. */
    timers->not_before_ms = now_ms + 1;
    while (timers_next_due(timers) <= now_ms) {
        struct timer *timer = timers->heap[0];
        timers_cancel(timers, timer);
        timer->fire(timer, now_ms);
    }
    timers->not_before_ms = 0;
}
