/* The contract's patterns, compiled once for the process. Internal to validate. */
#ifndef WEIR_FLOW_PATTERNS_H
#define WEIR_FLOW_PATTERNS_H

#include "shared/base/must.h"
#include "shared/flow/contract.h"

/* Compiles every pattern that the methods' messages reach. From main, before other threads match.
 * Returns false, with *bad the pattern and nothing kept, when one does not compile. */
MUST_USE bool patterns_prepare(const struct contract *contract, const char **bad);
/* Frees them; harmless twice. */
void patterns_shutdown(void);

/* Does `text` match the field's pattern? The field has one, and patterns_prepare has seen it. Any
 * thread. */
MUST_USE bool patterns_match(const struct contract_field *field, const char *text);

#endif
