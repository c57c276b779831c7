/* Tags of the completion queue, and what a race detector is told about them.
 *
 * An event is a member of the object that waits for it. Its address travels through the C core as a
 * tag; when it comes out of the queue, `run` is called on the queue's thread. The C core is not
 * instrumented, so the order that it guarantees (what happened before the tag went in is visible
 * where it comes out) is spelled out for ThreadSanitizer here. */
#ifndef WEIR_GRPC_RPC_EVENT_H
#define WEIR_GRPC_RPC_EVENT_H

#include <stdbool.h>

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

struct rpc_event {
    void (*run)(struct rpc_event *event, bool ok); /* queue thread; ok: the operation was done */
};

/* Before the event goes into the C core. */
static inline void rpc_event_give(struct rpc_event *event)
{
#ifdef __SANITIZE_THREAD__
    __tsan_release(event);
#else
    (void)event;
#endif
}

/* When it has come out. */
static inline void rpc_event_take(struct rpc_event *event)
{
#ifdef __SANITIZE_THREAD__
    __tsan_acquire(event);
#else
    (void)event;
#endif
}

#endif
