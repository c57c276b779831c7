/* grpc.health.v1: Check answers at once, Watch looks every second and tells of changes. */
#include "grpc/rpc_health.h"

#include "grpc/rpc_call.h"

#include <grpc/health/v1/health.pb-c.h>

const char rpc_health_check_path[] = "/grpc.health.v1.Health/Check";
const char rpc_health_watch_path[] = "/grpc.health.v1.Health/Watch";

enum { WATCH_PERIOD_MS = 1000 };
/* A service's name is short; more is not worth unpacking. */
enum { REQUEST_BYTES = 1024 };

enum {
    SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING,
    NOT_SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING,
    SERVICE_UNKNOWN = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN
};

static void end(struct rpc_call *call, enum grpc_code code, const char *message)
{
    rpc_call_conclude(call, code, span_of(message), SPAN_EMPTY);
    rpc_call_end(call);
}

/* "weir.v1.FlowService" of "/weir.v1.FlowService/TellJoke". */
static struct span service_of(const struct contract_method *method)
{
    struct span name = span_of(method->rpc_path + 1);
    const char *slash = memchr(name.at, '/', name.len);
    return span_make(name.at, slash != NULL ? (size_t)(slash - name.at) : name.len);
}

static bool is_known(const struct contract *contract, const char *service)
{
    if (service[0] == '\0')
        return true;
    for (size_t i = 0; i < contract->n_methods; i++)
        if (span_is(service_of(&contract->methods[i]), service))
            return true;
    return false;
}

/* Reads which service is asked for; false: the call was ended with an error. */
static bool read_request(struct rpc_call *call, bool *known)
{
    struct span body;
    Grpc__Health__V1__HealthCheckRequest *request = NULL;
    enum verdict_code code = rpc_call_body(call, &body);
    if (code == VERDICT_OK && body.len <= REQUEST_BYTES)
        request = grpc__health__v1__health_check_request__unpack(NULL, body.len,
                                                                 (const uint8_t *)body.at);
    if (request == NULL) {
        const struct verdict_row *row =
            verdict_row(code != VERDICT_OK ? code : VERDICT_BAD_MESSAGE);
        end(call, row->grpc_code, row->detail);
        return false;
    }
    *known = is_known(call->worker->core->contract, request->service);
    grpc__health__v1__health_check_request__free_unpacked(request, NULL);
    return true;
}

static int status_now(const struct rpc_call *call)
{
    return readiness_ok(call->worker->core->readiness) ? SERVING : NOT_SERVING;
}

static void send_status(struct rpc_call *call, int status)
{
    Grpc__Health__V1__HealthCheckResponse answer = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    answer.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status;
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(&answer.base));
    (void)protobuf_c_message_pack(&answer.base, GRPC_SLICE_START_PTR(slice));
    (void)rpc_call_send(call, slice);
}

static void check_begin(struct rpc_call *call)
{
    bool known = false;
    if (!read_request(call, &known))
        return;
    if (!known) {
        end(call, GRPC_NOT_FOUND, "There is no such service.");
        return;
    }
    send_status(call, status_now(call));
    end(call, GRPC_OK, NULL);
}

static void watch_end(struct rpc_call *call, enum grpc_code code, const char *message)
{
    timers_cancel(call->worker->timers, &call->watch.timer);
    (void)atomic_fetch_sub(&call->queue->listener->watches, 1);
    end(call, code, message);
}

static void watch_look(struct rpc_call *call, tick_ms now_ms)
{
    struct rpc_watch *watch = &call->watch;
    /* Looked at first: what the drain did to the readiness is then seen, and told, too. */
    bool draining = atomic_load(&call->queue->listener->draining);
    int status = watch->known ? status_now(call) : SERVICE_UNKNOWN;
    if (status != watch->last)
        send_status(call, status);
    watch->last = status;
    /* A watch would keep the drain waiting for ever; its client looks for another instance. */
    if (draining)
        watch_end(call, GRPC_UNAVAILABLE, verdict_row(VERDICT_DRAINING)->detail);
    else
        timers_set(call->worker->timers, &watch->timer, now_ms + WATCH_PERIOD_MS);
}

static void watch_fire(struct timer *timer, tick_ms now_ms)
{
    watch_look(container_of(timer, struct rpc_watch, timer)->call, now_ms);
}

static void watch_begin(struct rpc_call *call)
{
    bool known = false;
    atomic_size_t *watches = &call->queue->listener->watches;
    if (!read_request(call, &known))
        return;
    if (atomic_fetch_add(watches, 1) >= RPC_HEALTH_WATCHES) {
        (void)atomic_fetch_sub(watches, 1);
        end(call, GRPC_RESOURCE_EXHAUSTED, "There are too many watches already.");
        return;
    }
    call->watch =
        (struct rpc_watch){.timer.fire = watch_fire, .call = call, .known = known, .last = -1};
    watch_look(call, call->worker->core->now_ns() / 1000000U);
}

static void watch_left(struct rpc_call *call)
{
    watch_end(call, GRPC_CANCELLED, NULL);
}

const struct rpc_handler rpc_health_check_handler = {.begin = check_begin};
const struct rpc_handler rpc_health_watch_handler = {.begin = watch_begin, .left = watch_left};
