/* The contract's rules applied to a message: once, for requests of both protocols and for the
 * model's answers (V1, V4). Pure; any thread once validate_prepare has run. */
#ifndef WEIR_FLOW_VALIDATE_H
#define WEIR_FLOW_VALIDATE_H

#include "shared/base/arena.h"
#include "shared/base/must.h"
#include "shared/flow/contract.h"
#include "shared/verdict.h"

enum { VALIDATE_MOST_VIOLATIONS = 32 };

/* Compiles the patterns of the contract. Once, from main. Returns false and names the pattern in
 * `*bad` when one does not compile. */
MUST_USE bool validate_prepare(const struct contract *contract, const char **bad);
/* Frees the compiled patterns. */
void validate_shutdown(void);

/* Fills in defaults: empty string fields with default_value take it; those with default_subject
 * take `subject` (may be empty; else a NUL follows its last byte). Nested messages too. Values
 * point to static text or to `subject`, which must outlive the message. */
void validate_defaults(const struct contract_message *type, ProtobufCMessage *message,
                       struct span subject);

/* Checks every rule, nested messages included. Returns the number of violations (at most
 * VALIDATE_MOST_VIOLATIONS are kept), with *violations in `arena`. */
MUST_USE size_t validate_message(const struct contract_message *type,
                                 const ProtobufCMessage *message, struct arena *arena,
                                 struct violation **violations);

#endif
