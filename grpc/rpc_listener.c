/* The server of the C core: its settings, queues and methods, and its life from start to drain. It
 * has no port of its own: connections come in as descriptors. */
#include "grpc/rpc_listener.h"

#include "grpc/rpc_call.h"
#include "grpc/rpc_descriptors.h"
#include "grpc/rpc_flow.h"
#include "grpc/rpc_health.h"
#include "grpc/rpc_reflection.h"
#include "shared/base/log.h"
#include "shared/base/tick.h"

#include <fcntl.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <grpc/support/log.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINGER_MS = 30 * 1000, CORE_LINES_A_SECOND = 10 };
/* The core names connections by their descriptors, of which the kernel gives the lowest free one.
 * Going round in this range instead, a number that was closed is not used again soon. */
enum { FIRST_FD = 512, LAST_FD = 16384 };
/* What idle connections have for saying good-bye in a drain; the core alone would wait 20 s for
 * those that do not answer. */
enum { GOODBYE_MS = 1000 };

#ifdef __SANITIZE_THREAD__
/* The C core is not instrumented; what it does with its own memory through malloc and memcpy would
 * look like races. Our own code stays under watch in full. */
const char *__tsan_default_options(void);
__attribute__((weak)) const char *__tsan_default_options(void)
{
    return "ignore_noninstrumented_modules=1";
}
#endif

/* Clients can make the core complain as often as they want; the log is for people. */
static bool may_log_core(void)
{
    static _Atomic uint64_t lines; /* the second, and above it how many there were in it */
    uint64_t second = (tick_now_ms() / 1000) & UINT32_MAX, before = atomic_load(&lines), after;
    do {
        if ((before & UINT32_MAX) == second && before >> 32 >= CORE_LINES_A_SECOND)
            return false;
        after = (before & UINT32_MAX) == second ? before + ((uint64_t)1 << 32)
                                                : ((uint64_t)1 << 32 | second);
    } while (!atomic_compare_exchange_weak(&lines, &before, after));
    return true;
}

/* What the core has to say (errors only) becomes a line of our log. */
static void log_core(gpr_log_func_args *args)
{
    if (may_log_core())
        log_event(LOG_WARNING, "grpc", "core_message", "message", args->message);
}

static grpc_arg setting(const char *key, uint64_t value)
{
    grpc_arg arg = {.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key};
    arg.value.integer = value < INT_MAX ? (int)value : INT_MAX;
    return arg;
}

static grpc_server *make_server(const struct rpc_settings *settings)
{
    grpc_arg args[] = {
        setting(GRPC_ARG_MAX_CONCURRENT_STREAMS, 100),
        setting(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, settings->max_message_bytes),
        setting(GRPC_ARG_MAX_METADATA_SIZE, 64 * 1024),
        /* Measuring the path, the core would offer ever larger windows and frames (of 4 MiB), and
         * with them ever more memory. */
        setting(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 16 * 1024),
        setting(GRPC_ARG_HTTP2_BDP_PROBE, 0),
        setting(GRPC_ARG_MAX_CONNECTION_IDLE_MS, settings->connection_idle_ms),
        setting(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                settings->connection_age_ms > 0 ? settings->connection_age_ms : (uint64_t)INT_MAX),
        setting(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, settings->connection_grace_ms > 0
                                                          ? settings->connection_grace_ms
                                                          : (uint64_t)INT_MAX),
        setting(GRPC_ARG_KEEPALIVE_TIME_MS, 60 * 1000),
        setting(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20 * 1000),
        setting(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
        setting(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10 * 1000),
        setting(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2),
        /* A compressed message would be inflated in full before its size is looked at. */
        setting(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0),
        setting(GRPC_ARG_ENABLE_CHANNELZ, 0),
        setting(GRPC_ARG_ALLOW_REUSEPORT, 0),
    };
    grpc_channel_args all = {.num_args = sizeof args / sizeof args[0], .args = args};
    grpc_server *server = grpc_server_create(&all, NULL);
    must(server != NULL);
    return server;
}

static void register_method(struct rpc_listener *listener, struct rpc_method method)
{
    if (method.path != NULL) {
        method.registered = grpc_server_register_method(
            listener->server, method.path, NULL,
            method.handler->received != NULL ? GRPC_SRM_PAYLOAD_NONE
                                             : GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER,
            0);
        must(method.registered != NULL);
    }
    listener->methods[listener->n_methods++] = method;
}

static void register_methods(struct rpc_listener *listener)
{
    const struct contract *contract = listener->core->contract;
    listener->methods =
        calloc(contract->n_methods + 3 + RPC_REFLECTION_METHODS, sizeof *listener->methods);
    must(listener->methods != NULL);
    for (size_t i = 0; i < contract->n_methods; i++) {
        const struct contract_method *flow = &contract->methods[i];
        register_method(listener, (struct rpc_method){.path = flow->rpc_path,
                                                      .flow = flow,
                                                      .handler = &rpc_flow_handler,
                                                      .streams = flow->streams});
    }
    register_method(listener, (struct rpc_method){.path = rpc_health_check_path,
                                                  .handler = &rpc_health_check_handler});
    register_method(listener, (struct rpc_method){.path = rpc_health_watch_path,
                                                  .handler = &rpc_health_watch_handler,
                                                  .streams = true});
#ifdef WEIR_DEBUG_SURFACE
    if (listener->core->debug && contract->surface != NULL) {
        listener->descriptors = rpc_descriptors_new(*contract->surface->descriptors);
        for (size_t i = 0; i < RPC_REFLECTION_METHODS; i++)
            register_method(listener, (struct rpc_method){.path = rpc_reflection_paths[i],
                                                          .handler = &rpc_reflection_handler,
                                                          .streams = true});
    }
#endif
    /* Without somebody who takes them, calls of unknown methods would hang. */
    register_method(listener, (struct rpc_method){.handler = &rpc_flow_handler});
}

struct rpc_listener *rpc_listener_new(const struct rpc_settings *settings, const struct core *core,
                                      struct core_worker *const *workers, size_t n_workers)
{
    struct rpc_listener *listener = calloc(1, sizeof *listener);
    must(listener != NULL && settings->queues > 0 && n_workers > 0);
    gpr_set_log_function(log_core);
    gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
    grpc_init();
    listener->core = core;
    listener->workers = workers;
    listener->n_workers = n_workers;
    listener->secure = settings->secure;
    atomic_init(&listener->next_fd, FIRST_FD);
    listener->linger_ms = settings->linger_ms > 0 ? settings->linger_ms : LINGER_MS;
    atomic_init(&listener->live, 1);
    atomic_init(&listener->watches, 0);
    atomic_init(&listener->inquiries, 0);
    atomic_init(&listener->draining, false);
    rpc_peers_init(&listener->peers);
    listener->server = make_server(settings);
    listener->credentials = grpc_insecure_server_credentials_create();
    listener->n_queues = settings->queues;
    listener->queues = calloc(listener->n_queues, sizeof *listener->queues);
    must(listener->queues != NULL);
    register_methods(listener);
    for (size_t i = 0; i < listener->n_queues; i++)
        rpc_queue_init(&listener->queues[i], listener);
    grpc_server_start(listener->server);
    for (size_t i = 0; i < listener->n_queues; i++)
        rpc_queue_start(&listener->queues[i]);
    return listener;
}

static int renumber(struct rpc_listener *listener, int fd)
{
    unsigned least = atomic_fetch_add(&listener->next_fd, 1);
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD + (int)(least % (LAST_FD - FIRST_FD)));
    if (moved < 0) /* the limit is lower, or there are no more */
        return fd;
    (void)close(fd);
    return moved;
}

void rpc_listener_adopt(struct rpc_listener *listener, int fd, const struct peer *peer,
                        struct certificate *certificate)
{
    fd = renumber(listener, fd);
    rpc_peers_set(&listener->peers, fd, peer, certificate);
    grpc_server_add_channel_from_fd(listener->server, fd, listener->credentials);
}

void rpc_listener_release(struct rpc_listener *listener)
{
    if (atomic_fetch_sub(&listener->live, 1) == 1)
        listener->done(listener->context);
}

static void on_shut_down(struct rpc_event *event, bool ok)
{
    (void)ok;
    rpc_listener_release(container_of(event, struct rpc_listener, shut_down));
}

void rpc_listener_drain(struct rpc_listener *listener, void (*done)(void *context), void *context)
{
    must(!atomic_load(&listener->draining));
    listener->done = done;
    listener->context = context;
    listener->shut_down.run = on_shut_down;
    rpc_event_give(&listener->shut_down);
    grpc_server_shutdown_and_notify(listener->server, listener->queues[0].core_queue,
                                    &listener->shut_down);
    atomic_store(&listener->draining, true);
}

void rpc_listener_look(struct rpc_listener *listener, uint64_t now_ns)
{
    if (!atomic_load(&listener->draining) || atomic_load(&listener->live) > 1)
        return;
    if (listener->idle_since_ns == 0)
        listener->idle_since_ns = now_ns;
    if (listener->cut || now_ns - listener->idle_since_ns < (uint64_t)GOODBYE_MS * 1000000U)
        return;
    listener->cut = true;
    grpc_server_cancel_all_calls(listener->server);
}

void rpc_listener_abort(struct rpc_listener *listener)
{
    grpc_server_cancel_all_calls(listener->server);
}

void rpc_listener_free(struct rpc_listener *listener)
{
    must(atomic_load(&listener->live) == 0);
    for (size_t i = 0; i < listener->n_queues; i++)
        rpc_queue_stop(&listener->queues[i]);
    grpc_server_destroy(listener->server);
    for (size_t i = 0; i < listener->n_queues; i++)
        rpc_queue_fini(&listener->queues[i]);
    grpc_server_credentials_release(listener->credentials);
    rpc_peers_fini(&listener->peers);
#ifdef WEIR_DEBUG_SURFACE
    listener->descriptors = rpc_descriptors_free(listener->descriptors);
#endif
    free(listener->queues);
    free(listener->methods);
    free(listener);
    grpc_shutdown();
}
