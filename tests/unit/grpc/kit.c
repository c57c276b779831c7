/* Workers, listener and the life of both. */
#include "tests/unit/grpc/kit.h"

#include "shared/base/tick.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

const char kit_unary[] = "/kit.v1.Kit/Unary";
const char kit_stream[] = "/kit.v1.Kit/Stream";

static const struct contract_method methods[] = {
    {.flow = "unary", .rpc_path = kit_unary, .rpc_name = "Unary", .index = 0},
    {.flow = "stream", .rpc_path = kit_stream, .rpc_name = "Stream", .streams = true, .index = 1},
};
static const struct contract contract = {.methods = methods, .n_methods = 2};

struct worker {
    struct core_worker core;
    struct executor executor;
    struct timers timers; /* worker thread only */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct task *first;
    struct task **last;
    bool turn; /* time has moved, or the end has come */
    bool stop;
};

struct kit {
    struct readiness readiness;
    struct core core;
    struct worker workers[KIT_WORKERS];
    struct core_worker *core_workers[KIT_WORKERS];
    struct rpc_listener *listener;
    atomic_uint drained;
    bool draining;
};

static atomic_ullong clock_ns;

static uint64_t kit_now_ns(void)
{
    return atomic_load(&clock_ns);
}

static void worker_post(struct executor *executor, struct task *task)
{
    struct worker *worker = container_of(executor, struct worker, executor);
    (void)pthread_mutex_lock(&worker->mutex);
    task->next = NULL;
    *worker->last = task;
    worker->last = &task->next;
    (void)pthread_cond_signal(&worker->wake);
    (void)pthread_mutex_unlock(&worker->mutex);
}

static void *worker_run(void *argument)
{
    struct worker *worker = argument;
    bool stop = false;
    while (!stop) {
        tick_ms now_ms = kit_now_ns() / 1000000U;
        (void)pthread_mutex_lock(&worker->mutex);
        while (worker->first == NULL && !worker->turn && timers_next_due(&worker->timers) > now_ms)
            (void)pthread_cond_wait(&worker->wake, &worker->mutex);
        struct task *task = worker->first;
        worker->first = NULL;
        worker->last = &worker->first;
        worker->turn = false;
        stop = worker->stop;
        (void)pthread_mutex_unlock(&worker->mutex);
        while (task != NULL) {
            struct task *next = task->next;
            task->run(task);
            task = next;
        }
        timers_run(&worker->timers, kit_now_ns() / 1000000U);
    }
    return NULL;
}

static void worker_turn(struct worker *worker, bool stop)
{
    (void)pthread_mutex_lock(&worker->mutex);
    worker->turn = true;
    worker->stop = stop;
    (void)pthread_cond_signal(&worker->wake);
    (void)pthread_mutex_unlock(&worker->mutex);
}

static void worker_start(struct worker *worker, const struct core *core, unsigned index)
{
    worker->executor.post = worker_post;
    worker->last = &worker->first;
    worker->core = (struct core_worker){
        .core = core, .timers = &worker->timers, .executor = &worker->executor, .index = index};
    timers_init(&worker->timers);
    must(pthread_mutex_init(&worker->mutex, NULL) == 0);
    must(pthread_cond_init(&worker->wake, NULL) == 0);
    must(pthread_create(&worker->thread, NULL, worker_run, worker) == 0);
}

static void worker_stop(struct worker *worker)
{
    worker_turn(worker, true);
    must(pthread_join(worker->thread, NULL) == 0);
    must(timers_next_due(&worker->timers) == TICK_NEVER);
    timers_fini(&worker->timers);
    (void)pthread_cond_destroy(&worker->wake);
    (void)pthread_mutex_destroy(&worker->mutex);
}

bool kit_on_worker(const struct core_worker *worker)
{
    const struct worker *own = container_of(worker->executor, struct worker, executor);
    return pthread_equal(pthread_self(), own->thread) != 0;
}

struct kit *kit_new(uint64_t linger_ms)
{
    struct kit *kit = calloc(1, sizeof *kit);
    must(kit != NULL);
    memset(&kit_seen, 0, sizeof kit_seen);
    atomic_store(&clock_ns, 1000000000U);
    readiness_init(&kit->readiness);
    atomic_store(&kit->readiness.started, true);
    kit->core =
        (struct core){.contract = &contract, .readiness = &kit->readiness, .now_ns = kit_now_ns};
    for (unsigned i = 0; i < KIT_WORKERS; i++) {
        worker_start(&kit->workers[i], &kit->core, i);
        kit->core_workers[i] = &kit->workers[i].core;
    }
    struct rpc_settings settings = {.max_message_bytes = 65536,
                                    .queues = 2,
                                    .connection_idle_ms = 300000,
                                    .linger_ms = linger_ms};
    kit->listener = rpc_listener_new(&settings, &kit->core, kit->core_workers, KIT_WORKERS);
    return kit;
}

static void drained(void *context)
{
    atomic_fetch_add((atomic_uint *)context, 1);
}

void kit_drain(struct kit *kit)
{
    kit->draining = true;
    rpc_listener_drain(kit->listener, drained, &kit->drained);
}

void kit_abort(struct kit *kit)
{
    rpc_listener_abort(kit->listener);
}

bool kit_is_drained(struct kit *kit)
{
    return atomic_load(&kit->drained) > 0;
}

void kit_await_drained(struct kit *kit)
{
    kit_await(&kit->drained, 1);
}

void kit_free(struct kit *kit)
{
    if (!kit->draining)
        kit_drain(kit);
    kit_await_drained(kit);
    rpc_listener_free(kit->listener);
    for (size_t i = 0; i < KIT_WORKERS; i++)
        worker_stop(&kit->workers[i]);
    must(atomic_load(&kit->drained) == 1);
    must(atomic_load(&kit_seen.wrong_thread) == 0);
    must(atomic_load(&kit_seen.begun) + atomic_load(&kit_seen.refused) ==
         atomic_load(&kit_seen.finished));
    free(kit);
}

struct readiness *kit_readiness(struct kit *kit)
{
    return &kit->readiness;
}

void kit_advance(struct kit *kit, uint64_t ms)
{
    atomic_fetch_add(&clock_ns, ms * 1000000U);
    for (size_t i = 0; i < KIT_WORKERS; i++)
        worker_turn(&kit->workers[i], false);
}

static void connect_ends(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int one = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(listener >= 0 && bind(listener, (struct sockaddr *)&address, size) == 0);
    must(listen(listener, 1) == 0);
    must(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
    ends[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(ends[1] >= 0 && connect(ends[1], (struct sockaddr *)&address, size) == 0);
    ends[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    must(ends[0] >= 0);
    for (int i = 0; i < 2; i++) {
        must(fcntl(ends[i], F_SETFL, O_NONBLOCK) == 0);
        must(setsockopt(ends[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    }
    (void)close(listener);
}

int kit_connect(struct kit *kit, uint16_t port)
{
    int ends[2];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(0xc0000201);
    struct peer peer = peer_from_sockaddr((const struct sockaddr *)&address);
    connect_ends(ends);
    rpc_listener_adopt(kit->listener, ends[0], &peer, NULL);
    return ends[1];
}

void kit_await(atomic_uint *counter, unsigned least)
{
    uint64_t until_ms = tick_now_ms() + KIT_WAIT_MS;
    while (atomic_load(counter) < least) {
        must(tick_now_ms() < until_ms);
        (void)poll(NULL, 0, 1);
    }
}
