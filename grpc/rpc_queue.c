/* The queue's thread: takes events out of the C core, arms for the next call, and keeps the store
 * of call objects. */
#include "grpc/rpc_queue.h"

#include "grpc/rpc_call.h"
#include "grpc/rpc_listener.h"
#include "shared/base/tick.h"

#include <grpc/support/alloc.h>
#include <stdio.h>
#include <stdlib.h>

/* Armed requests a method. Each is armed again before its call is looked at, so a few serve any
 * load; calls beyond them wait inside the C core for a moment. */
enum { TICKETS_PER_METHOD = 8 };
enum { SPARE_CALLS = 256 };
/* How often the calls that linger are looked at, and how many are cancelled at once at most. */
enum { SWEEP_MS = 500, SWEEP_CALLS = 32 };

/* A request for the next call of one method, armed in the C core. */
struct rpc_ticket {
    struct rpc_event event;
    struct rpc_queue *queue;
    const struct rpc_method *method;
    grpc_call *core_call;
    gpr_timespec deadline;
    grpc_metadata_array metadata;
    grpc_byte_buffer *payload;
    grpc_call_details details; /* for what is not registered */
};

static void arm(struct rpc_ticket *ticket)
{
    struct rpc_queue *queue = ticket->queue;
    const struct rpc_method *method = ticket->method;
    grpc_server *server = queue->listener->server;
    grpc_call_error error;
    ticket->core_call = NULL;
    ticket->payload = NULL;
    grpc_metadata_array_init(&ticket->metadata);
    grpc_call_details_init(&ticket->details);
    rpc_event_give(&ticket->event);
    if (method->registered != NULL)
        error = grpc_server_request_registered_call(
            server, method->registered, &ticket->core_call, &ticket->deadline, &ticket->metadata,
            method->handler->received != NULL ? NULL : &ticket->payload, queue->core_queue,
            queue->core_queue, &ticket->event);
    else
        error = grpc_server_request_call(server, &ticket->core_call, &ticket->details,
                                         &ticket->metadata, queue->core_queue, queue->core_queue,
                                         &ticket->event);
    must(error == GRPC_CALL_OK);
}

static struct core_worker *next_worker(struct rpc_queue *queue)
{
    const struct rpc_listener *listener = queue->listener;
    struct core_worker *worker = listener->workers[queue->next_worker];
    queue->next_worker = (queue->next_worker + 1) % listener->n_workers;
    return worker;
}

static struct rpc_peer peer_of(struct rpc_listener *listener, grpc_call *core_call)
{
    char *name = grpc_call_get_peer(core_call);
    struct rpc_peer peer = rpc_peers_get(&listener->peers, name);
    gpr_free(name);
    return peer;
}

static void on_ticket(struct rpc_event *event, bool ok)
{
    struct rpc_ticket *ticket = container_of(event, struct rpc_ticket, event);
    struct rpc_queue *queue = ticket->queue;
    if (!ok) { /* the server shuts down */
        grpc_metadata_array_destroy(&ticket->metadata);
        grpc_call_details_destroy(&ticket->details);
        return;
    }
    struct rpc_call *call = rpc_queue_take(queue);
    call->worker = next_worker(queue);
    call->method = ticket->method;
    call->core_call = ticket->core_call;
    call->metadata = ticket->metadata;
    call->payload = ticket->payload;
    call->path = ticket->details.method;
    call->deadline = ticket->method->registered ? ticket->deadline : ticket->details.deadline;
    call->received_ns = tick_now_ns();
    ticket->details.method = grpc_empty_slice();
    grpc_call_details_destroy(&ticket->details);
    arm(ticket);
    struct rpc_peer peer = peer_of(queue->listener, call->core_call);
    call->peer = peer.peer;
    call->certificate = peer.certificate;
    rpc_call_start(call);
}

/* Cancels calls whose client has not taken their end in time. */
static void sweep(struct rpc_queue *queue, uint64_t now_ns)
{
    uint64_t linger_ns = queue->listener->linger_ms * 1000000U;
    struct rpc_call *late[SWEEP_CALLS];
    size_t n = 0;
    (void)pthread_mutex_lock(&queue->synced.mutex);
    for (struct rpc_call *call = queue->synced.oldest;
         call != NULL && n < SWEEP_CALLS && call->ended_ns + linger_ns <= now_ns; call = call->next)
        if (rpc_call_try_ref(call))
            late[n++] = call;
    (void)pthread_mutex_unlock(&queue->synced.mutex);
    for (size_t i = 0; i < n; i++) {
        (void)grpc_call_cancel(late[i]->core_call, NULL);
        rpc_call_unref(late[i]);
    }
}

static void *run(void *argument)
{
    struct rpc_queue *queue = argument;
    uint64_t period_ms = queue->listener->linger_ms / 4 + 1;
    if (period_ms > SWEEP_MS)
        period_ms = SWEEP_MS;
    for (;;) {
        gpr_timespec until = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                          gpr_time_from_millis((int64_t)period_ms, GPR_TIMESPAN));
        grpc_event what = grpc_completion_queue_next(queue->core_queue, until, NULL);
        if (what.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        if (what.type == GRPC_OP_COMPLETE) {
            struct rpc_event *event = what.tag;
            rpc_event_take(event);
            event->run(event, what.success != 0);
        }
        uint64_t now_ns = tick_now_ns();
        if (now_ns - queue->swept_ns >= period_ms * 1000000U) {
            queue->swept_ns = now_ns;
            sweep(queue, now_ns);
            if (queue == queue->listener->queues)
                rpc_listener_look(queue->listener, now_ns);
        }
    }
}

void rpc_queue_init(struct rpc_queue *queue, struct rpc_listener *listener)
{
    *queue = (struct rpc_queue){.listener = listener};
    must(pthread_mutex_init(&queue->synced.mutex, NULL) == 0);
    queue->core_queue = grpc_completion_queue_create_for_next(NULL);
    grpc_server_register_completion_queue(listener->server, queue->core_queue, NULL);
}

void rpc_queue_start(struct rpc_queue *queue)
{
    struct rpc_listener *listener = queue->listener;
    char name[16];
    queue->n_tickets = listener->n_methods * TICKETS_PER_METHOD;
    queue->tickets = calloc(queue->n_tickets, sizeof *queue->tickets);
    must(queue->tickets != NULL);
    for (size_t i = 0; i < queue->n_tickets; i++) {
        queue->tickets[i] =
            (struct rpc_ticket){.event.run = on_ticket,
                                .queue = queue,
                                .method = &listener->methods[i / TICKETS_PER_METHOD]};
        arm(&queue->tickets[i]);
    }
    size_t index = (size_t)(queue - listener->queues);
    queue->next_worker = index % listener->n_workers;
    queue->swept_ns = tick_now_ns();
    must(pthread_create(&queue->thread, NULL, run, queue) == 0);
    (void)snprintf(name, sizeof name, "weir-rpc-%u", (unsigned)index);
    (void)pthread_setname_np(queue->thread, name);
}

void rpc_queue_stop(struct rpc_queue *queue)
{
    grpc_completion_queue_shutdown(queue->core_queue);
    must(pthread_join(queue->thread, NULL) == 0);
}

void rpc_queue_fini(struct rpc_queue *queue)
{
    must(queue->synced.oldest == NULL);
    while (queue->synced.spare != NULL) {
        struct rpc_call *call = queue->synced.spare;
        queue->synced.spare = call->next;
        rpc_call_free(call);
    }
    grpc_completion_queue_destroy(queue->core_queue);
    (void)pthread_mutex_destroy(&queue->synced.mutex);
    free(queue->tickets);
}

struct rpc_call *rpc_queue_take(struct rpc_queue *queue)
{
    (void)atomic_fetch_add(&queue->listener->live, 1);
    (void)pthread_mutex_lock(&queue->synced.mutex);
    struct rpc_call *call = queue->synced.spare;
    if (call != NULL) {
        queue->synced.spare = call->next;
        queue->synced.n_spare--;
    }
    (void)pthread_mutex_unlock(&queue->synced.mutex);
    if (call == NULL) {
        call = calloc(1, sizeof *call);
        must(call != NULL);
        call->queue = queue;
    }
    return call;
}

void rpc_queue_linger(struct rpc_queue *queue, struct rpc_call *call, uint64_t now_ns)
{
    (void)pthread_mutex_lock(&queue->synced.mutex);
    call->ended_ns = now_ns;
    call->lingers = true;
    call->next = NULL;
    call->previous = queue->synced.newest;
    if (call->previous != NULL)
        call->previous->next = call;
    else
        queue->synced.oldest = call;
    queue->synced.newest = call;
    (void)pthread_mutex_unlock(&queue->synced.mutex);
}

static void unlink_locked(struct rpc_queue *queue, struct rpc_call *call)
{
    if (call->previous != NULL)
        call->previous->next = call->next;
    else
        queue->synced.oldest = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
    else
        queue->synced.newest = call->previous;
    call->lingers = false;
}

void rpc_queue_give(struct rpc_queue *queue, struct rpc_call *call)
{
    struct rpc_listener *listener = queue->listener;
    (void)pthread_mutex_lock(&queue->synced.mutex);
    if (call->lingers)
        unlink_locked(queue, call);
    bool keep = queue->synced.n_spare < SPARE_CALLS;
    if (keep) {
        call->next = queue->synced.spare;
        queue->synced.spare = call;
        queue->synced.n_spare++;
    }
    (void)pthread_mutex_unlock(&queue->synced.mutex);
    if (!keep)
        rpc_call_free(call);
    rpc_listener_release(listener);
}
