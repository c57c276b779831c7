/* What a credential may do: scopes, separated by spaces (RFC 6749 section 3.3). `flow:<name>` is
 * one flow, `flow:*` all of them; nothing else means anything here, and no scopes means nothing is
 * allowed. Pure; any thread. */
#ifndef WEIR_POLICY_SCOPE_H
#define WEIR_POLICY_SCOPE_H

#include "shared/base/span.h"

/* Does one of `scopes` allow the flow (its name, such as "tell_joke")? */
bool scope_allows(struct span scopes, const char *flow);

#endif
