/* A run of a flow that belongs to a flight: it does not end with the request that started it.
 *
 * It has a copy of all it needs, stays on the worker that started it, and frees itself when it has
 * landed or when the last waiter has left. Owner thread only. */
#ifndef WEIR_PIPELINE_SHARED_RUN_H
#define WEIR_PIPELINE_SHARED_RUN_H

#include "shared/request.h"

/* For a request that leads its flight (share.waiter): starts the run. What goes wrong at once is
 * told to all who wait, this request too, from the loop. */
void shared_run_start(struct request *request);
/* The request leaves its flight. `last`: and the call with it, so that what it has come to is the
 * request's. Harmless when the request has started no run, or that is over. */
void shared_run_leave(struct request *request, bool last);

#endif
