/* What the tests of grpc/ share: workers with their threads, a scripted core in place of the
 * pipeline, a listener, and a client of the C core over loopback.
 *
 * The script is the request's body: see kit_core.c. Waits are bounded (KIT_WAIT_MS) and fail the
 * test. Time for the workers' timers is the kit's own and only moves by kit_advance. */
#ifndef WEIR_TESTS_GRPC_KIT_H
#define WEIR_TESTS_GRPC_KIT_H

#include "grpc/rpc.h"
#include "shared/request.h"

#include <grpc/grpc.h>
#include <stdatomic.h>
#include <stdint.h>

enum { KIT_WAIT_MS = 20000, KIT_TEXT_BYTES = 8192, KIT_WORKERS = 2 };

/* What the scripted core saw; all may be read at any time. */
struct kit_seen {
    atomic_uint begun;
    atomic_uint refused;
    atomic_uint finished;
    atomic_uint abandoned;
    atomic_uint writable;
    atomic_uint full;
    atomic_uint pieces;
    atomic_int last_refused; /* enum verdict_code */
    atomic_ullong last_timeout_ms;
    atomic_uint last_port;
    atomic_uint last_body_bytes;
    atomic_uint wrong_thread;
};
extern struct kit_seen kit_seen;

struct kit; /* workers, core, listener */

extern const char kit_unary[];  /* "/kit.v1.Kit/Unary" */
extern const char kit_stream[]; /* "/kit.v1.Kit/Stream" */

struct kit *kit_new(uint64_t linger_ms);
/* Drains, waits for the end, frees; fails the test when the drain does not end. */
void kit_free(struct kit *kit);
/* The same in parts. */
void kit_drain(struct kit *kit);
void kit_abort(struct kit *kit);
bool kit_is_drained(struct kit *kit);
void kit_await_drained(struct kit *kit);
struct readiness *kit_readiness(struct kit *kit);
/* Moves the workers' time. */
void kit_advance(struct kit *kit, uint64_t ms);
bool kit_on_worker(const struct core_worker *worker);
/* Adopts one end of a new connection as coming from 192.0.2.1:`port`; returns the other end. */
int kit_connect(struct kit *kit, uint16_t port);
/* Waits until *counter is at least `least`. */
void kit_await(atomic_uint *counter, unsigned least);

/* --- client --- */

struct kit_client {
    grpc_channel *channel;
    grpc_completion_queue *queue;
};
/* `window_bytes` > 0 asks for so small a flow-control window. */
void kit_client_init(struct kit_client *client, int fd, int window_bytes);
void kit_client_fini(struct kit_client *client);

struct kit_call {
    struct kit_client *client;
    grpc_call *core_call;
    grpc_metadata_array header;
    grpc_metadata_array trailer;
    grpc_status_code code;
    grpc_slice message;
    grpc_byte_buffer *received;
    char text[KIT_TEXT_BYTES]; /* the last message, NUL-terminated, cut */
    size_t text_len;
    size_t message_len; /* of the last message, not cut */
};

struct kit_options {
    const char *key; /* one pair of metadata */
    const char *value;
    int64_t deadline_ms; /* 0: none */
    bool no_message;
};

/* Starts the call and sends its message. */
void kit_call_start(struct kit_call *call, struct kit_client *client, const char *path,
                    struct span body, const struct kit_options *options);
/* The next message; false at the end of the stream. */
bool kit_call_next(struct kit_call *call);
/* Waits for the status. */
grpc_status_code kit_call_status(struct kit_call *call);
void kit_call_fini(struct kit_call *call);
struct span kit_metadata(const grpc_metadata_array *array, const char *key);
struct span kit_slice(const grpc_slice *slice);

#endif
