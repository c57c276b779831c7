/* A worker: one thread, one event loop, and what runs on it: REST connections, the model's client,
 * timers, tasks from other threads. Every request belongs to one worker. */
#ifndef WEIR_SERVER_WORKER_H
#define WEIR_SERVER_WORKER_H

#include "rest/rest.h"
#include "shared/base/must.h"
#include "shared/base/peer.h"
#include "shared/llm/llm.h"
#include "shared/pipeline/core.h"

struct worker;

/* Starts the thread. `core`, `rest` and `llm` must outlive the worker. */
MUST_USE struct worker *worker_start(unsigned index, const struct core *core, struct rest *rest,
                                     const struct llm_settings *llm);
/* For the listeners: owner thread only, except its executor. */
struct core_worker *worker_core(struct worker *worker);
/* Hands a connected socket over; any thread. */
void worker_adopt(struct worker *worker, int fd, const struct peer *peer);
/* Idle REST connections are closed, busy ones end after their answer. Any thread. */
void worker_drain(struct worker *worker);
/* REST connections that are still open are ended. Any thread. */
void worker_abort(struct worker *worker);
/* Ends the loop and the thread, and frees the worker. No connection and no request may be left. Not
 * from the worker's own thread. */
void worker_stop(struct worker *worker);

#endif
