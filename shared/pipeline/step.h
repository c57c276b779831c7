/* The steps of a request's life, for the pipeline's own files.
 *
 * A step does its part and says how to go on. One that waits has wired its cancellation (the
 * request's call and timer) before it returns STEP_WAIT, and later, never from inside itself, calls
 * pipeline_continue or pipeline_end once. Owner thread only. */
#ifndef WEIR_PIPELINE_STEP_H
#define WEIR_PIPELINE_STEP_H

#include "shared/pipeline/core.h"
#include "shared/request.h"

enum step_result {
    STEP_NEXT,
    STEP_WAIT,
    STEP_END /* *verdict is filled in */
};

enum step_result step_admit(struct request *request, struct verdict *verdict);
enum step_result step_address(struct request *request, struct verdict *verdict);
enum step_result step_identity(struct request *request, struct verdict *verdict);
enum step_result step_scope(struct request *request, struct verdict *verdict);
enum step_result step_subject(struct request *request, struct verdict *verdict);
enum step_result step_decode(struct request *request, struct verdict *verdict);
enum step_result step_content(struct request *request, struct verdict *verdict);
enum step_result step_chat(struct request *request, struct verdict *verdict);
enum step_result step_cache(struct request *request, struct verdict *verdict);
enum step_result step_flow(struct request *request, struct verdict *verdict);
enum step_result step_reply(struct request *request, struct verdict *verdict);

/* Goes on behind the step that waited. */
void pipeline_continue(struct request *request);
/* Ends the request: stops its work, writes its access line, calls finish. The request may be gone
 * when this returns. */
void pipeline_end(struct request *request, const struct verdict *verdict);
/* Sends through the port. False: the request was abandoned meanwhile and has ended; it may be gone.
 */
MUST_USE bool pipeline_send(struct request *request, const struct message_view *message);

/* Stops waiting for fresh keys, if the request does. */
void identity_stop(struct request *request);
/* Stops the request's call of the model, or leaves the one it shares, and settles time and tokens;
 * VERDICT_BAD counts against the model. */
void flow_stop(struct request *request, enum verdict_blame blame);
/* The prompt of the request's flow, the same for all of its life; NULL for what has none. */
const struct prompt *request_prompt(struct request *request);
/* Does the request wait for the model? */
bool flow_waits(const struct request *request);
/* The port is full; it has room again. */
void flow_full(struct request *request);
void flow_writable(struct request *request);

/* The security events of the request's end (O3). */
void audit_request(const struct request *request, const struct verdict *verdict);

/* Adds what a call has come to, to the line of whoever accounts for it. */
void access_model(struct log_line *line, const struct llm_account *model);
/* Counts the request, and makes the one access line of it (O1), which is the caller's to end. */
void access_line(const struct request *request, const struct verdict *verdict,
                 struct log_line *line);

#endif
