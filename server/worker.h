/* A worker: one thread, one event loop, and what runs on it: REST connections, the model's client,
 * timers, tasks from other threads. Every request belongs to one worker. */
#ifndef WEIR_SERVER_WORKER_H
#define WEIR_SERVER_WORKER_H

#include "rest/rest.h"
#include "server/guard.h"
#include "shared/base/must.h"
#include "shared/base/peer.h"
#include "shared/llm/llm.h"
#include "shared/pipeline/core.h"

struct worker;

/* Starts the thread. `core`, `rest` and `llm` must outlive the worker. `guard` is copied; NULL:
 * there is none. */
MUST_USE struct worker *worker_start(unsigned index, const struct core *core, struct rest *rest,
                                     const struct llm_settings *llm,
                                     const struct guard_settings *guard);
/* For the listeners: owner thread only, except its executor. */
struct core_worker *worker_core(struct worker *worker);
/* Hands a connected socket over to the REST listener; any thread. */
void worker_adopt(struct worker *worker, int fd, const struct peer *peer);
/* Hands one over to the worker's guard, which has to be there; any thread. */
void worker_relay(struct worker *worker, int fd, const struct peer *peer, enum tls_use use);
/* What its guard has counted; zeros without one. Any thread. */
void worker_guard_stats(const struct worker *worker, struct guard_stats *stats);
/* Idle REST connections are closed, busy ones end after their answer; relays that have not begun
 * end soon. Any thread. */
void worker_drain(struct worker *worker);
/* The time of the drain is up: requests of both protocols that are not done are told so, and end.
 * Any thread. */
void worker_cut(struct worker *worker);
/* Connections that are still open are closed as they are. Any thread. */
void worker_abort(struct worker *worker);
/* Ends the loop and the thread, and frees the worker. No connection and no request may be left. Not
 * from the worker's own thread. */
void worker_stop(struct worker *worker);

#endif
