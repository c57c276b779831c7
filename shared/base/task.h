/* Work handed to the thread that owns something.
 *
 * A task is a member of the object that it serves. An executor runs tasks on its own thread, in the
 * order they were posted. post() may be called from any thread, never blocks on I/O, and the task
 * always runs later, never inside post(). A task may be posted again once it has started to run. */
#ifndef WEIR_BASE_TASK_H
#define WEIR_BASE_TASK_H

struct task {
    struct task *next; /* the executor's while posted */
    void (*run)(struct task *task);
};

struct executor {
    void (*post)(struct executor *executor, struct task *task);
};

static inline void executor_post(struct executor *executor, struct task *task)
{
    executor->post(executor, task);
}

#endif
