/* A call to a model and the client it belongs to, for the client's own files.
 *
 * A call is in one state at a time:
 *
 *   start ──> WAITING ──> RUNNING ──────> done ──> (LINGERING) ──> spare
 *     ^  ├───────────────────^  │           ^
 *     │  ├──> SPEAKING (offline) ───────────┤
 *     │  └──> FAILED (could not start) ─────┤
 *     └── RESTING <──(attempt failed)───────┘
 *
 * WAITING is for a connection; RESTING is between two attempts (attempt.h); RUNNING has one, and
 * may still have received bytes to read when that has ended; LINGERING is over for the caller,
 * while the rest of the HTTP answer is read so that the connection can be used again. A call that
 * is cancelled goes straight to spare, but for one that is inside an event: that is OVER until the
 * event returns.
 *
 * Calls with something to tell are in the client's `ready` ring; events are only ever delivered
 * from there and from timers, that is from the loop. Owner thread only. */
#ifndef WEIR_LLM_CALL_H
#define WEIR_LLM_CALL_H

#include "shared/base/buf.h"
#include "shared/base/list.h"
#include "shared/llm/llm.h"
#include "shared/llm/memo.h"
#include "shared/llm/offline.h"
#include "shared/llm/sse.h"
#include "shared/llm/tool_calls.h"
#include "shared/llm/transfer.h"
#include "shared/llm/upstream.h"

#include <uv.h>

enum call_state {
    CALL_SPARE,
    CALL_FAILED,
    CALL_WAITING,
    CALL_RUNNING,
    CALL_RESTING,
    CALL_SPEAKING,
    CALL_LINGERING,
    CALL_OVER
};

/* How an HTTP answer is read; known with its first byte. */
enum call_reading { READING_NOTHING, READING_WHOLE, READING_EVENTS };

struct llm_call {
    struct link ready;  /* in client->ready, or alone */
    struct link member; /* in lane->waiting, client->lingering or spare, or alone */
    struct llm_client *client;
    struct lane *lane; /* of the upstream that is asked; NULL: the offline model */
    const struct llm_events *events;
    void *context;
    enum call_state state;
    enum call_reading reading;
    bool stream;
    bool paused;
    bool in_event;
    bool spoke; /* the first piece is out */
    bool ended; /* the transfer has, with `fate` */
    bool too_large;
    bool closing; /* the stream's end marker was read */
    enum transfer_fate fate;
    struct timer timer;
    tick_ms started_ms;
    tick_ms deadline_ms; /* nobody waits for it any longer */
    tick_ms attempt_ms;
    tick_ms progress_ms; /* the last event of the stream, or the last resume */
    unsigned attempts;
    unsigned retries;
    bool written; /* path and body are for this lane */
    bool paid;    /* into this lane's retry budget */
    bool entered; /* the upstream's breaker, with `pass` */
    struct breaker_pass pass;
    struct lane *first;        /* that is asked */
    struct lane *asked;        /* by the last attempt that went out */
    size_t asked_bytes;        /* of the conversation */
    struct llm_usage spent;    /* by attempts that are over */
    struct arena talk_arena;   /* holds `talk` */
    struct conversation *talk; /* for other upstreams; NULL where there is just one */
    char request_id[129];
    const char *flow;
    struct transfer *transfer;
    struct buf path; /* of the request */
    struct buf body;
    struct buf inbox; /* received and not yet read; the whole text of an offline answer */
    size_t read;      /* bytes of inbox that are done with */
    size_t received;  /* bytes of the answer's body */
    size_t said;      /* bytes of text in pieces */
    struct sse sse;
    struct tool_calls *calls; /* owned; NULL: no tools are on offer */
    struct llm_result result;
};

/* An upstream as one worker uses it. */
struct lane {
    struct llm_client *client;
    struct llm_upstream *upstream;
    struct memo schemas;
    struct transfers *transfers;
    uint64_t key_version; /* that the transfers have */
    struct link waiting;  /* first come, first served */
    size_t waiting_calls;
    size_t waiting_bytes;
};

struct llm_client {
    uv_loop_t *loop;
    struct timers *timers;
    const struct llm_settings *settings;
    struct offline offline;
    struct lane lanes[LLM_UPSTREAMS_MOST]; /* in the order in which they are asked */
    size_t n_lanes;                        /* 0: the offline model */
    size_t open_lanes;                     /* not yet closed */
    uint64_t seed;                         /* of the waits before retries */
    uv_idle_t wake;                        /* runs while calls are ready */
    uv_idle_cb on_wake;
    struct link ready;
    struct link lingering;
    struct link spare;
    size_t spares;
    size_t live; /* started and not yet ended */
    void (*closed)(void *context);
    void *closed_context;
};

/* Has the loop deliver to the call soon. */
void call_wake(struct llm_call *call);
/* Keeps why it fails, for the log; the first reason counts. */
void call_note(struct llm_call *call, const char *reason);
/* Ends an attempt that cannot be started: from the loop, later. */
void call_fail(struct llm_call *call, enum llm_end end, const char *reason);
/* Hands a piece out. False: the caller cancelled in there, and the call is gone. */
MUST_USE bool call_piece(struct llm_call *call, struct span text);
/* Ends the call with call->result, whose text, if any, outlives this. `reason` may be NULL. The
 * call is gone when this returns. From the loop only. */
void call_finish(struct llm_call *call, enum llm_end end, const char *reason);
/* Takes the call out of everything that could call it back. */
void call_detach(struct llm_call *call);
/* Takes all from the call and makes it spare. */
void call_drop(struct llm_call *call);
/* A new call, all fields clear. */
struct llm_call *call_new(struct llm_client *client);
void call_free(struct llm_call *call);

/* Delivers to all calls that are ready; `context` is the client. From the loop only. */
void client_deliver(void *context);

/* --- over HTTP --- */

extern const struct transfer_events remote_events;
/* Sets the timer for the next time-out. */
void remote_arm(struct llm_call *call);
void remote_deliver(struct llm_call *call);
void remote_resume(struct llm_call *call);
/* Lets the rest of the answer come in, for a moment. */
void remote_linger(struct llm_call *call);

/* --- built in --- */

void local_start(struct llm_call *call, const struct conversation *what);
void local_deliver(struct llm_call *call);

#endif
