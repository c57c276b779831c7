/* One call: a small state machine over the batches of the C core.
 *
 * It knows messages, back-pressure, cancellation and the end of a call, but not what is said: that
 * is the handler's. A call belongs to one worker; the functions here are for that worker's thread
 * unless they say otherwise. Its memory is the queue's and is used again for later calls, once all
 * batches are back. */
#ifndef WEIR_GRPC_RPC_CALL_H
#define WEIR_GRPC_RPC_CALL_H

#include "grpc/rpc_event.h"
#include "grpc/rpc_listener.h"
#include "grpc/rpc_outbox.h"
#include "shared/base/task.h"
#include "shared/request.h"

struct rpc_handler {
    /* The call came in. Leads to rpc_call_end, in here or later. */
    void (*begin)(struct rpc_call *call);
    /* The client is gone (left, out of time, disconnected). At most once, never after
     * rpc_call_end; calls rpc_call_end before it returns. NULL when begin always ends the call. */
    void (*left)(struct rpc_call *call);
    /* There is room again after PORT_FULL. NULL when the handler does not care. */
    void (*writable)(struct rpc_call *call);
    /* The message that rpc_call_receive asked for is there: rpc_call_body has it; or, when
     * `payload` is NULL, the client sends no more. Never after rpc_call_end. NULL when the client
     * sends one message, which comes with the call. */
    void (*received)(struct rpc_call *call);
};

/* A batch that may be under way, and the way back to the worker when it completes. */
struct rpc_step {
    struct rpc_event event;
    struct task task;
    struct rpc_call *call;
    bool ok; /* the queue thread sets it before it posts the task */
};

/* A watch of grpc.health.v1. */
struct rpc_watch {
    struct timer timer;
    struct rpc_call *call;
    bool known; /* the service */
    int last;   /* the status last sent */
};

/* A stream of grpc.reflection. */
struct rpc_inquiry {
    struct timer timer;
    struct rpc_call *call;
    tick_ms asked_ms; /* when the last question came */
    bool waits;       /* for room, before the next question is read */
};

/* grpc-status-details-bin and the notes of the request. */
enum { RPC_TRAILERS = 1 + REQUEST_NOTES };

struct rpc_call {
    /* Fixed from arrival to release. */
    struct rpc_queue *queue;
    struct core_worker *worker;
    const struct rpc_method *method;
    grpc_call *core_call;
    grpc_metadata_array metadata;
    grpc_byte_buffer *payload; /* NULL: none came */
    grpc_slice path;           /* of a method that is not registered; else empty */
    gpr_timespec deadline;
    uint64_t received_ns;
    struct peer peer;
    struct certificate *certificate; /* a reference; NULL: none was shown */
    struct task arrived;

    /* Worker and queue thread. */
    atomic_uint refs; /* one until the end has gone out, one a batch or task under way */
    atomic_bool ended;
    atomic_int sending; /* enum sending */

    /* Worker. */
    bool watched; /* the batch that notices a client that leaves is under way */
    bool left;
    bool full;
    bool opened;  /* initial metadata has gone out */
    bool closing; /* the last batch has gone out */
    struct rpc_step leave;
    struct rpc_step sent;
    struct rpc_step receive;
    struct rpc_event finished;
    int cancelled; /* the C core writes it before `leave` comes back */
    struct rpc_outbox outbox;
    grpc_byte_buffer *buffer; /* of the message under way; used again */
    grpc_slice body;          /* a payload of several pieces, in one */
    grpc_metadata header;     /* x-request-id */
    grpc_metadata trailers[RPC_TRAILERS];
    size_t n_trailers;
    bool has_header;
    grpc_slice message;
    grpc_status_code code;

    /* The handler's. */
    union {
        struct request request;
        struct rpc_watch watch;
        struct rpc_inquiry inquiry;
    };

    /* The queue's, under its mutex. */
    struct rpc_call *next;
    struct rpc_call *previous;
    uint64_t ended_ns;
    bool lingers;
};

/* A call out of the C core, filled in up to `peer`: hands it to its worker. Queue thread. */
void rpc_call_start(struct rpc_call *call);
/* Frees the object itself, from the queue's store. */
void rpc_call_free(struct rpc_call *call);

/* The request message's bytes; they live until rpc_call_end or rpc_call_receive. VERDICT_OK, or the
 * reason why there are none (BAD_COMPRESSION, MALFORMED). */
MUST_USE enum verdict_code rpc_call_body(struct rpc_call *call, struct span *body);
/* The first value of a metadata key (lower case); empty when there is none. Lives as long as the
 * call. */
struct span rpc_call_metadata(const struct rpc_call *call, const char *key);
/* Asks for the client's next message, of a method whose handler has `received`. One at a time; the
 * message before is gone with it. */
void rpc_call_receive(struct rpc_call *call);
/* The client's deadline from arrival on, at least 1; 0 when it set none. */
uint64_t rpc_call_timeout_ms(const struct rpc_call *call);
/* Sets the x-request-id that goes out with the first batch. At most once, before the first send. */
void rpc_call_name(struct rpc_call *call, struct span id);

/* All values of a metadata key (lower case): fills in up to `most`, returns how many there are. */
size_t rpc_call_metadata_all(const struct rpc_call *call, const char *key, struct span *values,
                             size_t most);
/* Adds trailing metadata; `key` is static, `value` is copied. Before rpc_call_end. */
void rpc_call_trailer(struct rpc_call *call, const char *key, struct span value);

/* Sends one message; takes `slice` over. A unary answer waits for rpc_call_end. */
enum port_state rpc_call_send(struct rpc_call *call, grpc_slice slice);
/* Settles how the call will end: code, grpc-message, grpc-status-details-bin (either may be empty).
 * The spans are copied. Once; without it the end is an empty OK. */
void rpc_call_conclude(struct rpc_call *call, enum grpc_code code, struct span message,
                       struct span details);
/* Ends the call behind the messages sent so far. Exactly once, and the last call of all: the call
 * may be gone when this returns. */
void rpc_call_end(struct rpc_call *call);

/* Keeps a call in memory, unless its last user is just letting go (then false). Any thread. */
MUST_USE bool rpc_call_try_ref(struct rpc_call *call);
void rpc_call_unref(struct rpc_call *call);

#endif
