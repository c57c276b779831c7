/* A worker's executor whose tasks run when the test says so. One thread. */
#ifndef WEIR_TESTS_SUPPORT_TASK_QUEUE_H
#define WEIR_TESTS_SUPPORT_TASK_QUEUE_H

#include "shared/base/must.h"
#include "shared/base/task.h"

#include <stddef.h>

struct task_queue {
    struct executor executor;
    struct task *first, **end;
    unsigned posts; /* so far */
};

static inline void task_queue_post(struct executor *executor, struct task *task)
{
    struct task_queue *queue = container_of(executor, struct task_queue, executor);
    task->next = NULL;
    *queue->end = task;
    queue->end = &task->next;
    queue->posts++;
}

/* Not to be moved afterwards. */
static inline void task_queue_init(struct task_queue *queue)
{
    *queue = (struct task_queue){.executor = {.post = task_queue_post}, .end = &queue->first};
}

/* All that are there, and those that come meanwhile. */
static inline void task_queue_run(struct task_queue *queue)
{
    while (queue->first != NULL) {
        struct task *task = queue->first;
        queue->first = task->next;
        if (queue->first == NULL)
            queue->end = &queue->first;
        task->run(task);
    }
}

#endif
