#include "server/lifecycle.h"

#include "server/admin.h"
#include "server/announce.h"
#include "server/authentication.h"
#include "server/descriptors.h"
#include "server/drain.h"
#include "server/front_door.h"
#include "server/gauges.h"
#include "server/jail.h"
#include "server/models.h"
#include "server/prompts.h"
#include "server/wiring.h"
#include "shared/base/audit.h"
#include "shared/base/log.h"
#include "shared/base/tick.h"
#include "shared/base/version.h"
#include "shared/pipeline/limits.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { DRAIN_STEP_MS = 20, GOAWAY_MS = 500, LAST_LOG_MS = 200 };

struct life {
    const struct config *config;
    uv_loop_t loop;
    uv_signal_t on_term, on_int, on_hup;
    uv_timer_t tick; /* looks whether the drain is done */
    uv_async_t rpc_done;
    struct front_door *door;
    struct admin *admin; /* NULL: off */
    struct gauges *gauges;
    struct readiness readiness;
    struct core core;
    struct keeper *keeper; /* NULL: there are no keys to keep */
    struct models *models;
    struct rest *rest;
    struct worker **workers;
    struct core_worker **core_workers;
    size_t n_workers;
    struct rpc_listener *rpc;
    struct tls *tls; /* NULL: plain text */
    bool draining, cut, severed, rpc_drains, rpc_is_done;
    struct drain_plan plan;
    uint64_t drained_since_ms;
};

/* A flight that is alive may still hand tasks to workers. */
static bool flights_are_done(const struct life *life)
{
    return life->core.sharing == NULL || flights_alive(life->core.sharing->flights) == 0;
}

static void on_closed(void *context, const struct peer *peer)
{
    struct life *life = context;
    front_door_closed(life->door, peer);
}

static void to_rpc(void *context, int fd, const struct peer *peer, struct certificate *certificate)
{
    const struct life *life = context;
    rpc_listener_adopt(life->rpc, fd, peer, certificate);
}

static bool open_tls(struct life *life)
{
    char error[256] = "";
    if (life->config->tls_cert_file[0] == '\0')
        return true;
    life->tls = wiring_tls(life->config, error);
    if (life->tls == NULL)
        log_event(LOG_ERROR, "lifecycle", "start_failed", "reason", error);
    return life->tls != NULL;
}

static void start_workers(struct life *life)
{
    const struct config *config = life->config;
    struct rest_settings settings = wiring_rest(config);
    struct guard_settings guard = wiring_guard(config);
    settings.closed = guard.closed = on_closed;
    settings.context = guard.closed_context = life;
    guard.tls = life->tls;
    guard.to_rpc = to_rpc;
    guard.rpc_context = life;
    life->rest = rest_new(&settings, &life->core);
    life->n_workers = config->workers;
    life->workers = calloc(life->n_workers, sizeof(struct worker *));
    life->core_workers = calloc(life->n_workers, sizeof(struct core_worker *));
    must(life->workers != NULL && life->core_workers != NULL);
    for (size_t i = 0; i < life->n_workers; i++) {
        life->workers[i] =
            worker_start((unsigned)i, &life->core, life->rest, models_settings(life->models),
                         wiring_guarded(config) ? &guard : NULL);
        life->core_workers[i] = worker_core(life->workers[i]);
    }
}

static void start_rpc(struct life *life)
{
    const struct rpc_settings settings = wiring_rpc(life->config);
    if (!life->config->no_grpc)
        life->rpc = rpc_listener_new(&settings, &life->core, life->core_workers, life->n_workers);
}

static void log_ready(const struct life *life)
{
    struct log_line line;
    log_begin(&line, LOG_INFO, "lifecycle", "ready");
    log_text(&line, "version", weir_version);
    log_text(&line, "commit", weir_commit);
    log_text(&line, "host", life->config->host);
    log_u64(&line, "port", front_door_port(life->door));
    if (front_door_grpc_port(life->door) != 0)
        log_u64(&line, "grpc_port", front_door_grpc_port(life->door));
    if (life->admin != NULL)
        log_u64(&line, "admin_port", admin_port(life->admin));
    log_u64(&line, "workers", life->n_workers);
    log_end(&line);
}

/* --- the drain --- */

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* The loop runs out of handles and ends. */
static void on_door_closed(void *context)
{
    struct life *life = context;
    close_handle((uv_handle_t *)&life->on_term);
    close_handle((uv_handle_t *)&life->on_int);
    close_handle((uv_handle_t *)&life->on_hup);
    close_handle((uv_handle_t *)&life->tick);
    close_handle((uv_handle_t *)&life->rpc_done);
}

static void finish(struct life *life)
{
    (void)uv_timer_stop(&life->tick);
    if (life->rpc != NULL)
        rpc_listener_free(life->rpc);
    life->keeper = keeper_stop(life->keeper);
    for (size_t i = 0; i < life->n_workers; i++)
        worker_stop(life->workers[i]);
    admin_close(life->admin);
    life->admin = NULL;
    front_door_free(life->door, on_door_closed, life);
}

static void log_drain(const struct life *life, enum log_level level, const char *event)
{
    struct log_line line;
    log_begin(&line, level, "lifecycle", event);
    log_u64(&line, "requests", gauges_in_flight(life->gauges));
    log_u64(&line, "connections", front_door_connections(life->door));
    if (life->cut)
        log_text(&line, "setting", "SHUTDOWN_GRACE");
    log_end(&line);
}

static void on_rpc_done_here(uv_async_t *async)
{
    struct life *life = async->data;
    life->rpc_is_done = true;
}

/* On a thread of the gRPC listener. */
static void on_rpc_done(void *context)
{
    struct life *life = context;
    (void)uv_async_send(&life->rpc_done);
}

/* What the C core gets once it shuts down it cancels. So the guards tell the clients first, and the
 * core is shut down when their last calls are in. */
static void drain_rpc(struct life *life)
{
    if (life->rpc != NULL && !life->rpc_drains)
        rpc_listener_drain(life->rpc, on_rpc_done, life);
    life->rpc_drains = true;
}

static void on_drain_tick(uv_timer_t *tick)
{
    struct life *life = tick->data;
    uint64_t waited_ms = tick_now_ms() - life->drained_since_ms;
    bool rest_is_done = front_door_connections(life->door) == 0;
    if (life->rpc_is_done && rest_is_done && flights_are_done(life)) {
        finish(life);
        return;
    }
    if (waited_ms >= GOAWAY_MS)
        drain_rpc(life);
    if (!life->cut && waited_ms >= life->plan.cut_ms) {
        life->cut = true;
        log_drain(life, LOG_WARNING, "drain_cut_short");
        for (size_t i = 0; i < life->n_workers; i++)
            worker_cut(life->workers[i]);
    }
    if (!life->severed && waited_ms >= life->plan.sever_ms) {
        life->severed = true;
        log_drain(life, LOG_WARNING, "drain_severed");
        for (size_t i = 0; i < life->n_workers; i++)
            worker_abort(life->workers[i]);
        if (life->rpc != NULL)
            rpc_listener_abort(life->rpc);
    }
    if (waited_ms >= life->plan.fail_ms) {
        log_drain(life, LOG_ERROR, "drain_failed");
        log_stop(LAST_LOG_MS);
        _exit(1);
    }
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct life *life = signal->data;
    (void)number;
    if (life->draining) { /* at once, and not with 0: what was in flight is lost */
        log_event(LOG_WARNING, "lifecycle", "stopped_at_once", NULL, NULL);
        log_stop(LAST_LOG_MS);
        _exit(1);
    }
    life->draining = true;
    life->drained_since_ms = tick_now_ms();
    atomic_store(&life->readiness.draining, true);
    log_drain(life, LOG_INFO, "draining");
    front_door_shut(life->door);
    for (size_t i = 0; i < life->n_workers; i++)
        worker_drain(life->workers[i]);
    life->rpc_is_done = life->rpc == NULL;
    if (!life->config->grpc_guard)
        drain_rpc(life);
    must(uv_timer_start(&life->tick, on_drain_tick, DRAIN_STEP_MS, DRAIN_STEP_MS) == 0);
}

/* What files and servers hold is read again; nothing that is open ends. */
static void on_reload(uv_signal_t *signal, int number)
{
    struct life *life = signal->data;
    char error[256] = "";
    (void)number;
    audit_put(&(struct audit_event){.kind = AUDIT_CONFIGURATION, .action = SPAN_LITERAL("reload")});
    prompts_reload(&life->core);
    if (life->keeper != NULL)
        keeper_reload(life->keeper);
    if (life->tls == NULL)
        return;
    if (tls_reload(life->tls, error))
        log_event(LOG_INFO, "lifecycle", "certificates_reloaded", NULL, NULL);
    else
        log_event(LOG_ERROR, "lifecycle", "certificates_kept", "reason", error);
}

static void watch_signals(struct life *life)
{
    must(uv_signal_init(&life->loop, &life->on_term) == 0);
    must(uv_signal_init(&life->loop, &life->on_int) == 0);
    must(uv_signal_init(&life->loop, &life->on_hup) == 0);
    must(uv_timer_init(&life->loop, &life->tick) == 0);
    must(uv_async_init(&life->loop, &life->rpc_done, on_rpc_done_here) == 0);
    life->on_term.data = life->on_int.data = life->on_hup.data = life->tick.data =
        life->rpc_done.data = life;
    must(uv_signal_start(&life->on_term, on_signal, SIGTERM) == 0);
    must(uv_signal_start(&life->on_int, on_signal, SIGINT) == 0);
    must(uv_signal_start(&life->on_hup, on_reload, SIGHUP) == 0);
}

/* main blocked them; those that came meanwhile are delivered now. */
static void take_signals(void)
{
    sigset_t ours;
    (void)sigemptyset(&ours);
    (void)sigaddset(&ours, SIGTERM);
    (void)sigaddset(&ours, SIGINT);
    (void)sigaddset(&ours, SIGHUP);
    must(pthread_sigmask(SIG_UNBLOCK, &ours, NULL) == 0);
}

static bool open_admin(struct life *life, char error[256])
{
    const struct admin_settings settings = {
        .host = life->config->admin_host,
        .port = (uint16_t)life->config->admin_port,
        .readiness = &life->readiness,
        .write_metrics = gauges_write,
        .context = life->gauges,
    };
    if (life->config->admin_port == CONFIG_OFF)
        return true;
    life->admin = admin_open(&life->loop, &settings, error);
    return life->admin != NULL;
}

static bool open_door(struct life *life)
{
    const struct config *config = life->config;
    char error[256] = "";
    struct front_door_settings settings = {
        .host = config->host,
        .port = (uint16_t)config->port,
        .grpc_port = (uint16_t)config->grpc_port,
        .single_port = config->single_port,
        .no_grpc = config->no_grpc,
        .guard = config->grpc_guard,
        .tls = life->tls != NULL,
        .rest_http2 = config->rest_http2,
        .max_connections = descriptors_connections(config),
        .max_connections_per_address = config->max_connections_per_address,
        .peek_ms = 2000,
        .balancers = wiring_balancers(config),
        .header_ms = 3000, /* a lost packet is sent again after 1 s, and then after 2 s */
    };
    if (open_admin(life, error))
        life->door = front_door_open(&life->loop, &settings, error);
    if (life->door != NULL)
        return true;
    cidr_list_free(&settings.balancers);
    log_event(LOG_ERROR, "lifecycle", "start_failed", "reason", error);
    admin_close(life->admin);
    (void)uv_run(&life->loop, UV_RUN_DEFAULT); /* until it is closed */
    return false;
}

/* False: the jail was asked for and is not closed. */
static bool close_jail(const struct life *life)
{
    char error[256] = "";
    if (!life->config->jail) {
        log_event(LOG_WARNING, "lifecycle", "jail_open", "setting", "JAIL");
        return true;
    }
    switch (jail_close(error)) {
    case JAIL_CLOSED:
        return true;
    case JAIL_NOT_BUILT:
        log_event(LOG_WARNING, "lifecycle", "jail_open", "reason", "a sanitizer build has none");
        return true;
    case JAIL_FAILED:
        break;
    }
    log_event(LOG_ERROR, "lifecycle", "start_failed", "reason", error);
    return false;
}

int lifecycle_run(const struct config *config, const struct contract *contract)
{
    struct life life = {.config = config};
    char error[256] = "";
    readiness_init(&life.readiness);
    life.core = (struct core){.request_timeout_ms = config->request_timeout_ms,
                              .max_body_bytes = config->max_body_bytes,
                              .debug = config->debug,
                              .prompts_dir = config->prompts_dir,
                              .access_log = config->access_log};
    if (config->cloud_run)
        life.core.trace_project = config->google_cloud_project;
    if (!core_init(&life.core, contract, &life.readiness, error)) {
        log_event(LOG_ERROR, "lifecycle", "start_failed", "reason", error);
        return 1;
    }
    must(uv_loop_init(&life.loop) == 0);
    life.plan = drain_plan_of(config->shutdown_grace_ms);
    life.gauges = gauges_new();
    life.core.limits = wiring_limits(config);
    if (!open_tls(&life) || !open_door(&life)) {
        life.gauges = gauges_free(life.gauges);
        life.core.limits = limits_free(life.core.limits);
        must(uv_loop_close(&life.loop) == 0);
        life.tls = tls_free(life.tls);
        core_fini(&life.core);
        return 1;
    }
    llm_global_init();
    life.models = models_new(config);
    atomic_store(&life.readiness.offline_model, models_settings(life.models)->n_upstreams ==
                                                    models_settings(life.models)->n_named);
    life.core.chat = models_chat(life.models);
    life.readiness.providers = models_readiness;
    life.readiness.providers_context = life.models;
    wiring_images(config, models_want_images(life.models), &life.core.images);
    watch_signals(&life);
    if (!authentication_start(config, &life.core, &life.keeper, error)) {
        log_event(LOG_ERROR, "lifecycle", "start_failed", "reason", error);
        log_stop(LAST_LOG_MS);
        _exit(1);
    }
    life.core.sharing = wiring_sharing(config, models_settings(life.models));
    start_workers(&life);
    start_rpc(&life);
    gauges_serve(life.gauges, life.door, life.workers, life.n_workers, &life.core,
                 models_settings(life.models), life.keeper);
    if (!close_jail(&life)) {
        log_stop(500);
        _exit(1);
    }
    atomic_store(&life.readiness.started, true);
    front_door_serve(life.door, life.workers, life.n_workers, life.rpc);
    announce_settings(config);
    models_log(life.models);
    prompts_announce(&life.core);
    log_ready(&life);
    take_signals();
    (void)uv_run(&life.loop, UV_RUN_DEFAULT);
    must(uv_loop_close(&life.loop) == 0);
    life.gauges = gauges_free(life.gauges);
    life.rest = rest_free(life.rest);
    life.tls = tls_free(life.tls);
    life.core.sharing = sharing_free(life.core.sharing);
    life.core.limits = limits_free(life.core.limits);
    core_fini(&life.core);
    wiring_images_free(&life.core.images);
    life.models = models_free(life.models);
    llm_global_fini();
    free(life.workers);
    free(life.core_workers);
    log_event(LOG_INFO, "lifecycle", "stopped", NULL, NULL);
    return 0;
}
