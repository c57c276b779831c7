/* What is counted about requests and calls of the model, for /metrics (O4).
 *
 * One set a worker, which alone writes it; anybody may add them up. Labels are bounded: flows come
 * from the contract (everything else is "other"), codes and ends from their tables, providers from
 * the few that this build knows. */
#ifndef WEIR_PIPELINE_METERS_H
#define WEIR_PIPELINE_METERS_H

#include "shared/base/exposition.h"
#include "shared/flow/contract.h"
#include "shared/llm/llm.h"
#include "shared/request.h"

struct meters;

MUST_USE struct meters *meters_new(const struct contract *contract);
/* Accepts NULL. */
struct meters *meters_free(struct meters *meters);

/* All of these: the worker's thread; `meters` NULL counts nothing. */
void meters_begun(struct meters *meters);
void meters_ended(struct meters *meters);
/* A request of any kind has been answered, `duration_ns` after it came in. */
void meters_request(struct meters *meters, const struct request *request,
                    const struct verdict *verdict, uint64_t duration_ns);
/* A call of the model is over. `provider` is static; `end` as llm_end_name has it, "cancelled" for
 * one that was given up. */
void meters_upstream(struct meters *meters, const char *provider, const char *end,
                     uint64_t duration_ns);

/* Requests begun and not yet ended, all sets added up. Any thread. */
uint64_t meters_in_flight(const struct meters *const *all, size_t n);
/* Writes the families, all sets added up. Any thread. */
void meters_write(struct exposition *exposition, const struct meters *const *all, size_t n);

#endif
