/* A request that does not ask by itself: it waits for a flight to land, follows its stream, or
 * reads a kept one. For the pipeline's own files; owner thread only. */
#ifndef WEIR_PIPELINE_FOLLOW_H
#define WEIR_PIPELINE_FOLLOW_H

#include "shared/pipeline/step.h"

/* Before flight_join and flight_lead: how the request is woken. */
void follow_prepare(struct request *request);
/* For the flow step: waits for the flight that the request has joined, or reads what is kept. */
enum step_result follow_flight(struct request *request);
enum step_result follow_kept(struct request *request);
/* The port has room again. Harmless when the request follows nothing. */
void follow_writable(struct request *request);
/* Goes on with the answer that still holds, instead of ending. False: there is none, or the caller
 * has been told something else already. The request may be gone when this returns true. */
MUST_USE bool follow_fall_back(struct request *request, enum verdict_blame blame);
/* Leaves the flight, if it is in one, and settles the time. VERDICT_BAD counts against the model,
 * when nobody else waits for it. */
void follow_stop(struct request *request, enum verdict_blame blame);
/* Lets go of what it held, once the transport has no use for it. */
void follow_fini(struct request *request);

#endif
