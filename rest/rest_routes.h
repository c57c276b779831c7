/* The table of routes: the contract's, and those that weir answers by itself. Exact paths only.
 * Built once; then any thread may read. */
#ifndef WEIR_REST_REST_ROUTES_H
#define WEIR_REST_REST_ROUTES_H

#include "shared/base/must.h"
#include "shared/flow/contract.h"

enum rest_system { REST_NO_SYSTEM, REST_READY, REST_UP, REST_VERSION };

struct rest_route {
    struct span path;
    const struct contract_method *get;
    const struct contract_method *post;
    const struct contract_method *rpc; /* answers POST, in the protocols of rest_web.h */
    enum rest_system system;           /* answers GET */
};

struct rest_routes {
    struct rest_route *slots; /* open addressing; owned */
    size_t capacity;          /* a power of two */
};

void rest_routes_init(struct rest_routes *routes, const struct contract *contract);
void rest_routes_fini(struct rest_routes *routes);
/* NULL: no such path. */
const struct rest_route *rest_routes_find(const struct rest_routes *routes, struct span path);
/* The value of the Allow header; static. */
const char *rest_route_allow(const struct rest_route *route);

#endif
