#include "server/worker.h"

#include "shared/base/tick.h"
#include "shared/pipeline/meters.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <uv.h>

enum { MOST_TASKS_A_TURN = 256 };

struct worker {
    pthread_t thread; /* fixed after start */

    /* The worker's thread. */
    uv_loop_t loop;
    uv_timer_t alarm; /* rings when the earliest timer is due */
    struct timers timers;
    struct rest_worker *rest_worker;
    struct guard *guard; /* NULL: none */
    struct core_worker core_worker;
    struct task *backlog; /* taken over from other threads, not yet run */

    /* Any thread. */
    uv_async_t wake;
    struct executor executor;
    _Atomic(struct task *) posted; /* newest first */
};

/* A message to the worker that is a heap object of its own. */
struct errand {
    struct task task;
    struct worker *worker;
    int fd;
    struct peer peer;
    enum tls_use use;
};

/* --- tasks --- */

static void post(struct executor *executor, struct task *task)
{
    struct worker *worker = container_of(executor, struct worker, executor);
    /* Once it is in the list, the task is the worker's: it may run, and be gone, at once. */
    struct task *before = atomic_load_explicit(&worker->posted, memory_order_relaxed);
    do {
        task->next = before;
    } while (!atomic_compare_exchange_weak(&worker->posted, &before, task));
    /* Whoever finds the list empty wakes; the others ride along. */
    if (before == NULL)
        must(uv_async_send(&worker->wake) == 0);
}

/* The posted tasks, oldest first, behind those that still wait. */
static void take_posted(struct worker *worker)
{
    struct task *newest = atomic_exchange(&worker->posted, NULL);
    struct task *oldest = NULL;
    while (newest != NULL) {
        struct task *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    struct task **end = &worker->backlog;
    while (*end != NULL)
        end = &(*end)->next;
    *end = oldest;
}

static void on_wake(uv_async_t *wake)
{
    struct worker *worker = wake->data;
    take_posted(worker);
    for (unsigned i = 0; i < MOST_TASKS_A_TURN && worker->backlog != NULL; i++) {
        struct task *task = worker->backlog;
        worker->backlog = task->next;
        task->run(task);
    }
    if (worker->backlog != NULL) /* connections get their turn in between */
        must(uv_async_send(&worker->wake) == 0);
}

/* --- timers --- */

static void set_alarm(struct worker *worker, uint64_t least_ms);

static void on_alarm(uv_timer_t *alarm)
{
    struct worker *worker = alarm->data;
    timers_run(&worker->timers, tick_now_ms());
    /* A wait of 0 would ring in this same turn: under load, connections would never get theirs. */
    set_alarm(worker, 1);
}

static void set_alarm(struct worker *worker, uint64_t least_ms)
{
    tick_ms due_ms = timers_next_due(&worker->timers);
    if (due_ms == TICK_NEVER) {
        (void)uv_timer_stop(&worker->alarm);
        return;
    }
    /* Both clocks are CLOCK_MONOTONIC; the loop's own lies a little behind. */
    uint64_t wait_ms = due_ms > tick_now_ms() ? due_ms - uv_now(&worker->loop) : 0;
    (void)uv_timer_start(&worker->alarm, on_alarm, wait_ms > least_ms ? wait_ms : least_ms, 0);
}

static void on_earlier(struct timers *timers, void *context)
{
    (void)timers;
    set_alarm(context, 0);
}

/* --- the thread --- */

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void on_fetcher_closed(void *context)
{
    struct worker *worker = context;
    close_handle((uv_handle_t *)&worker->alarm);
    close_handle((uv_handle_t *)&worker->wake);
}

static void on_llm_closed(void *context)
{
    struct worker *worker = context;
    fetcher_close(worker->core_worker.fetcher, on_fetcher_closed, worker);
}

static void *run(void *argument)
{
    struct worker *worker = argument;
    char name[16];
    (void)snprintf(name, sizeof name, "weir-work-%u", worker->core_worker.index % 1000);
    (void)pthread_setname_np(pthread_self(), name);
    (void)uv_run(&worker->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void to_rest(void *context, int fd, const struct guard_passed *passed)
{
    struct worker *worker = context;
    const struct rest_relayed relayed = {.peer = passed->peer,
                                         .certificate = passed->certificate,
                                         .secure = passed->tls,
                                         .http2 = passed->http2};
    rest_worker_adopt_relayed(worker->rest_worker, fd, &relayed);
}

struct worker *worker_start(unsigned index, const struct core *core, struct rest *rest,
                            const struct llm_settings *llm, const struct guard_settings *guard)
{
    struct worker *worker = calloc(1, sizeof *worker);
    must(worker != NULL);
    worker->executor.post = post;
    must(uv_loop_init(&worker->loop) == 0);
    must(uv_async_init(&worker->loop, &worker->wake, on_wake) == 0);
    must(uv_timer_init(&worker->loop, &worker->alarm) == 0);
    worker->wake.data = worker->alarm.data = worker;
    timers_init(&worker->timers);
    worker->timers.earlier = on_earlier;
    worker->timers.context = worker;
    worker->core_worker = (struct core_worker){
        .core = core, .timers = &worker->timers, .executor = &worker->executor, .index = index};
    must(getrandom(&worker->core_worker.random, sizeof worker->core_worker.random, 0) ==
         sizeof worker->core_worker.random);
    worker->core_worker.meters = meters_new(core->contract);
    worker->core_worker.llm = llm_client_new(&worker->loop, &worker->timers, llm);
    worker->core_worker.fetcher = fetcher_new(&worker->loop, &worker->timers, &core->images.fetch);
    worker->rest_worker = rest_worker_new(rest, &worker->loop, &worker->core_worker);
    if (guard != NULL)
        worker->guard = guard_new(&worker->loop, &worker->timers, guard, to_rest, worker);
    must(pthread_create(&worker->thread, NULL, run, worker) == 0);
    return worker;
}

struct core_worker *worker_core(struct worker *worker)
{
    return &worker->core_worker;
}

static struct errand *make_errand(struct worker *worker, void (*what)(struct task *))
{
    struct errand *errand = calloc(1, sizeof *errand);
    must(errand != NULL);
    errand->worker = worker;
    errand->task.run = what;
    return errand;
}

static void send_errand(struct worker *worker, void (*what)(struct task *))
{
    executor_post(&worker->executor, &make_errand(worker, what)->task);
}

static void adopt_task(struct task *task)
{
    struct errand *errand = container_of(task, struct errand, task);
    rest_worker_adopt(errand->worker->rest_worker, errand->fd, &errand->peer);
    free(errand);
}

void worker_adopt(struct worker *worker, int fd, const struct peer *peer)
{
    struct errand *errand = make_errand(worker, adopt_task);
    errand->fd = fd;
    errand->peer = *peer;
    executor_post(&worker->executor, &errand->task);
}

static void relay_task(struct task *task)
{
    struct errand *errand = container_of(task, struct errand, task);
    guard_adopt(errand->worker->guard, errand->fd, &errand->peer, errand->use);
    free(errand);
}

void worker_relay(struct worker *worker, int fd, const struct peer *peer, enum tls_use use)
{
    struct errand *errand = make_errand(worker, relay_task);
    must(worker->guard != NULL);
    errand->fd = fd;
    errand->peer = *peer;
    errand->use = use;
    executor_post(&worker->executor, &errand->task);
}

void worker_guard_stats(const struct worker *worker, struct guard_stats *stats)
{
    *stats = (struct guard_stats){0};
    if (worker->guard != NULL)
        guard_stats(worker->guard, stats);
}

static void drain_task(struct task *task)
{
    struct errand *errand = container_of(task, struct errand, task);
    rest_worker_drain(errand->worker->rest_worker);
    if (errand->worker->guard != NULL)
        guard_drain(errand->worker->guard);
    free(errand);
}

void worker_drain(struct worker *worker)
{
    send_errand(worker, drain_task);
}

static void cut_task(struct task *task)
{
    struct errand *errand = container_of(task, struct errand, task);
    core_worker_cut(&errand->worker->core_worker);
    rest_worker_cut(errand->worker->rest_worker);
    free(errand);
}

void worker_cut(struct worker *worker)
{
    send_errand(worker, cut_task);
}

static void abort_task(struct task *task)
{
    struct errand *errand = container_of(task, struct errand, task);
    rest_worker_abort(errand->worker->rest_worker);
    if (errand->worker->guard != NULL)
        guard_abort(errand->worker->guard);
    free(errand);
}

void worker_abort(struct worker *worker)
{
    send_errand(worker, abort_task);
}

static void stop_task(struct task *task)
{
    struct errand *errand = container_of(task, struct errand, task);
    struct worker *worker = errand->worker;
    must(worker->core_worker.live == 0);
    rest_worker_free(worker->rest_worker);
    worker->guard = guard_free(worker->guard);
    llm_client_close(worker->core_worker.llm, on_llm_closed, worker);
    free(errand);
}

void worker_stop(struct worker *worker)
{
    send_errand(worker, stop_task);
    must(pthread_join(worker->thread, NULL) == 0);
    must(uv_loop_close(&worker->loop) == 0);
    timers_fini(&worker->timers);
    (void)meters_free(worker->core_worker.meters);
    free(worker);
}
