/* From the model's words to the response message (F4, V4). Pure; any thread. */
#ifndef WEIR_FLOW_ANSWER_H
#define WEIR_FLOW_ANSWER_H

#include "shared/base/arena.h"
#include "shared/base/must.h"
#include "shared/flow/contract.h"
#include "shared/verdict.h"

/* Builds the unary response: text or structured members from `text`, the rest from the request and
 * the contract. A structured answer may be wrapped in one Markdown fence; else it is read strictly
 * and checked against the response's rules. `request` has its defaults filled in and must outlive
 * the response. On success returns true and *response is in `arena`; else *violations say what is
 * wrong (for the log and for a second try; one with an empty path for broken JSON). `text` must be
 * UTF-8 without NUL, else false. */
MUST_USE bool answer_build(const struct contract_method *method, const ProtobufCMessage *request,
                           struct span text, struct arena *arena, ProtobufCMessage **response,
                           struct violation **violations, size_t *n_violations);

/* One piece of a streamed answer as a response message whose text field points to `text`, which
 * must be NUL-terminated, UTF-8, and outlive the message. In `arena`. */
MUST_USE ProtobufCMessage *answer_piece(const struct contract_method *method, const char *text,
                                        struct arena *arena);

#endif
