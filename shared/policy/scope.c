#include "shared/policy/scope.h"

bool scope_allows(struct span scopes, const char *flow)
{
    static const char prefix[] = "flow:";
    while (scopes.len > 0) {
        const char *space = memchr(scopes.at, ' ', scopes.len);
        size_t len = space != NULL ? (size_t)(space - scopes.at) : scopes.len;
        struct span scope = span_make(scopes.at, len);
        scopes = span_from(scopes, space != NULL ? len + 1 : len);
        if (!span_starts_with(scope, prefix))
            continue;
        struct span name = span_from(scope, sizeof prefix - 1);
        if (span_is(name, "*") || (name.len > 0 && span_is(name, flow)))
            return true;
    }
    return false;
}
