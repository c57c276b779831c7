#include "rest/rest_cors.h"

#include "shared/policy/origins.h"

static const struct rest_cors_header methods = {
    "access-control-allow-methods",
    SPAN_LITERAL("GET, POST, OPTIONS"),
};
static const struct rest_cors_header allowed = {
    "access-control-allow-headers",
    SPAN_LITERAL("Content-Type, Authorization, X-Request-ID, X-API-Key, "
                 "Connect-Protocol-Version, Connect-Timeout-Ms, X-Grpc-Web, Grpc-Timeout, "
                 "X-User-Agent"),
};
static const struct rest_cors_header max_age = {
    "access-control-max-age",
    SPAN_LITERAL("600"),
};
static const struct rest_cors_header exposed = {
    "access-control-expose-headers",
    SPAN_LITERAL("X-Request-ID, Retry-After, RateLimit, RateLimit-Policy, Grpc-Status, "
                 "Grpc-Message, Grpc-Status-Details-Bin"),
};
static const struct span same = SPAN_LITERAL("same-origin");
static const struct span cross = SPAN_LITERAL("cross-origin");

size_t rest_cors_headers(struct span origins, const struct rest_cors_request *request,
                         struct rest_cors_header headers[REST_CORS_HEADERS])
{
    bool any = origins_any(origins);
    bool allow = origins_allow(origins, request->origin);
    bool preflight = request->is_options && request->requested_method.len > 0;
    size_t n = 0;
    headers[n++] =
        (struct rest_cors_header){"cross-origin-resource-policy", allow || any ? cross : same};
    /* The same for everybody, or different for each: caches have to know, also where the request
     * had no Origin. */
    if (origins.len > 0 && !any)
        headers[n++] = (struct rest_cors_header){"vary", SPAN_LITERAL("Origin")};
    if (!allow)
        return n;
    headers[n++] = (struct rest_cors_header){
        "access-control-allow-origin", any ? (struct span)SPAN_LITERAL("*") : request->origin};
    if (preflight) {
        headers[n++] = methods;
        headers[n++] = allowed;
        headers[n++] = max_age;
    } else {
        headers[n++] = exposed;
    }
    return n;
}
