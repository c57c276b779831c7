/* Workers as they run in the process: their own threads, with REST and the offline model on them.
 */
#include "server/worker.h"

#include "shared/base/tick.h"
#include "shared/policy/authenticator.h"
#include "tests/unit/server/loop_kit.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef __SANITIZE_ADDRESS__
/* h2o keeps recycled memory in thread-local lists and never frees it. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:h2o_mem_alloc_recycle";
}
#endif

static struct readiness readiness;
static struct core core;
static struct rest *rest;
static struct worker *worker;
static const struct llm_settings llm = {.total_timeout_ms = 1000};
static atomic_uint n_closed;
static sem_t done;

static void on_closed(void *context, const struct peer *peer)
{
    assert_ptr_equal(context, &n_closed);
    assert_int_equal(peer->port, 4711);
    (void)atomic_fetch_add(&n_closed, 1);
    (void)sem_post(&done);
}

static int setup(void **state)
{
    (void)state;
    char error[256];
    const struct rest_settings settings = {.max_body_bytes = 4096,
                                           .keep_alive_timeout_ms = 60000,
                                           .head_timeout_ms = 60000,
                                           .body_timeout_ms = 60000,
                                           .read_timeout_ms = 60000,
                                           .sse_comment_ms = 15000,
                                           .closed = on_closed,
                                           .context = &n_closed};
    atomic_store(&n_closed, 0);
    assert_int_equal(sem_init(&done, 0, 0), 0);
    readiness_init(&readiness);
    core = (struct core){.request_timeout_ms = 1000, .max_body_bytes = 4096};
    assert_true(core_init(&core, &weir_contract, &readiness, error));
    core.authenticator->required = false;
    llm_global_init();
    rest = rest_new(&settings, &core);
    worker = worker_start(3, &core, rest, &llm, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    worker_stop(worker);
    rest = rest_free(rest);
    llm_global_fini();
    core_fini(&core);
    (void)sem_destroy(&done);
    return 0;
}

static void wait_done(void)
{
    struct timespec until;
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &until), 0);
    until.tv_sec += 20;
    assert_int_equal(sem_timedwait(&done, &until), 0);
}

enum { POSTERS = 4, TASKS = 2000 };

struct job {
    struct task task;
    unsigned poster, number;
};

static struct job jobs[POSTERS][TASKS];
static unsigned next_number[POSTERS]; /* the worker's thread only */
static unsigned n_run;
static pthread_t worker_thread;
static bool in_order, on_one_thread, inside_post;

static void run_job(struct task *task)
{
    struct job *job = container_of(task, struct job, task);
    if (n_run++ == 0)
        worker_thread = pthread_self();
    on_one_thread &= pthread_equal(worker_thread, pthread_self()) != 0;
    in_order &= job->number == next_number[job->poster]++;
    if (n_run == POSTERS * TASKS)
        (void)sem_post(&done);
}

static void *post_jobs(void *argument)
{
    struct job *own = argument;
    for (unsigned i = 0; i < TASKS; i++)
        executor_post(worker_core(worker)->executor, &own[i].task);
    return NULL;
}

/* Each task runs once, on the worker's thread, those of one poster in their order. */
static void test_posts_of_many_threads(void **state)
{
    (void)state;
    pthread_t posters[POSTERS];
    n_run = 0;
    in_order = on_one_thread = true;
    for (unsigned p = 0; p < POSTERS; p++) {
        next_number[p] = 0;
        for (unsigned i = 0; i < TASKS; i++)
            jobs[p][i] = (struct job){.task.run = run_job, .poster = p, .number = i};
    }
    for (unsigned p = 0; p < POSTERS; p++)
        assert_int_equal(pthread_create(&posters[p], NULL, post_jobs, jobs[p]), 0);
    for (unsigned p = 0; p < POSTERS; p++)
        assert_int_equal(pthread_join(posters[p], NULL), 0);
    wait_done();
    assert_int_equal(n_run, POSTERS * TASKS);
    assert_true(in_order && on_one_thread);
    assert_false(pthread_equal(worker_thread, pthread_self()));
}

/* A task that posts itself again and again runs later each time, and never inside post. */
static struct job chain;

static void run_chain(struct task *task)
{
    assert_false(inside_post);
    if (++chain.number == 1000) {
        (void)sem_post(&done);
        return;
    }
    inside_post = true;
    executor_post(worker_core(worker)->executor, task);
    inside_post = false;
}

static void test_a_task_posts_itself(void **state)
{
    (void)state;
    chain = (struct job){.task.run = run_chain};
    executor_post(worker_core(worker)->executor, &chain.task);
    wait_done();
    assert_int_equal(chain.number, 1000);
}

/* --- timers --- */

struct alarm {
    struct timer timer;
    tick_ms set_for_ms;
    unsigned rung;
};

static struct alarm alarms[3];
static bool early;

static void on_alarm(struct timer *timer, tick_ms now_ms)
{
    struct alarm *alarm = container_of(timer, struct alarm, timer);
    early |= now_ms < alarm->set_for_ms || tick_now_ms() < alarm->set_for_ms;
    alarm->rung++;
    (void)sem_post(&done);
}

static void set_alarms(struct task *task)
{
    static const uint64_t waits_ms[] = {40, 5, 20};
    struct timers *timers = worker_core(worker)->timers;
    (void)task;
    for (size_t i = 0; i < 3; i++) {
        alarms[i] =
            (struct alarm){.timer.fire = on_alarm, .set_for_ms = tick_now_ms() + waits_ms[i]};
        timers_set(timers, &alarms[i].timer, alarms[i].set_for_ms);
    }
}

static void test_timers(void **state)
{
    (void)state;
    struct job job = {.task.run = set_alarms};
    early = false;
    executor_post(worker_core(worker)->executor, &job.task);
    for (size_t i = 0; i < 3; i++)
        wait_done();
    assert_false(early);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(alarms[i].rung, 1);
}

/* Timers that are always due do not keep tasks, or connections, from their turn. */
static atomic_bool enough;

static void on_busy(struct timer *timer, tick_ms now_ms)
{
    while (tick_now_ms() < now_ms + 2)
        ;
    if (!atomic_load(&enough))
        timers_set(worker_core(worker)->timers, timer, now_ms);
    else
        (void)sem_post(&done);
}

static void set_busy(struct task *task)
{
    (void)task;
    alarms[0].timer = (struct timer){.fire = on_busy};
    timers_set(worker_core(worker)->timers, &alarms[0].timer, tick_now_ms());
}

static void run_between(struct task *task)
{
    (void)task;
    atomic_store(&enough, true);
}

static void test_busy_timers_leave_room(void **state)
{
    (void)state;
    struct job first = {.task.run = set_busy}, second = {.task.run = run_between};
    atomic_store(&enough, false);
    executor_post(worker_core(worker)->executor, &first.task);
    executor_post(worker_core(worker)->executor, &second.task);
    wait_done();
    assert_true(atomic_load(&enough));
    /* and with the task posted while the timers are at it */
    atomic_store(&enough, false);
    executor_post(worker_core(worker)->executor, &first.task);
    tick_ms until_ms = tick_now_ms() + 20;
    while (tick_now_ms() < until_ms)
        ;
    executor_post(worker_core(worker)->executor, &second.task);
    wait_done();
}

/* --- connections --- */

static int adopted_client(void)
{
    int fds[2];
    const struct peer peer = {.port = 4711};
    client_pair(fds);
    worker_adopt(worker, fds[1], &peer);
    return fds[0];
}

static void assert_served(int client)
{
    char answer[2048] = "";
    struct pollfd waited = {.fd = client, .events = POLLIN};
    client_say(client, "GET /_up HTTP/1.1\r\nHost: weir\r\n\r\n");
    assert_int_equal(poll(&waited, 1, 20000), 1);
    assert_true(recv(client, answer, sizeof answer - 1, 0) > 0);
    assert_memory_equal(answer, "HTTP/1.1 204 ", 13);
}

static void test_serves_drains_and_ends(void **state)
{
    (void)state;
    int clients[3];
    for (size_t i = 0; i < 3; i++) {
        clients[i] = adopted_client();
        assert_served(clients[i]);
    }
    (void)close(clients[0]);
    wait_done();
    assert_int_equal(atomic_load(&n_closed), 1);
    worker_drain(worker); /* idle ones are closed */
    wait_done();
    wait_done();
    assert_true(client_is_closed(clients[1], 20000));
    assert_true(client_is_closed(clients[2], 20000));
    (void)close(clients[1]);
    (void)close(clients[2]);
}

/* In a drain, a connection that was in use a moment ago is answered once more. */
static void test_drain_answers_who_is_on_its_way(void **state)
{
    (void)state;
    int used = adopted_client(), half = adopted_client();
    assert_served(used);
    client_say(half, "GET /live HTTP/1.1\r\nHo");
    worker_drain(worker);
    client_say(half, "st: weir\r\n\r\n");
    assert_served(used);
    assert_true(client_is_closed(used, 20000));
    wait_done();
    wait_done();
    (void)close(used);
    (void)close(half);
}

/* The time is up: connections without a request are closed at once, whatever they may be about to
 * send. */
static void test_cut(void **state)
{
    (void)state;
    int used = adopted_client(), half = adopted_client();
    assert_served(used);
    client_say(half, "GET /live HTTP/1.1\r\nHo");
    worker_drain(worker);
    worker_cut(worker);
    assert_true(client_is_closed(used, 800));
    assert_true(client_is_closed(half, 800));
    wait_done();
    wait_done();
    (void)close(used);
    (void)close(half);
}

static void test_abort(void **state)
{
    (void)state;
    int clients[2] = {adopted_client(), adopted_client()};
    client_say(clients[0], "POST /tell-joke HTTP/1.1\r\nHost: w"); /* in the middle of a head */
    assert_served(clients[1]);
    worker_abort(worker);
    wait_done();
    wait_done();
    for (size_t i = 0; i < 2; i++) {
        assert_true(client_is_closed(clients[i], 20000));
        (void)close(clients[i]);
    }
}

static void test_stops_at_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++)
        worker_stop(worker_start(i, &core, rest, &llm, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_posts_of_many_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_task_posts_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_busy_timers_leave_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_serves_drains_and_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drain_answers_who_is_on_its_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_abort, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stops_at_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
