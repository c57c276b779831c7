/* The table of routes: the contract's, and those that weir answers by itself. Exact paths, but
 * for open routes, which have what is below theirs. Built once; then any thread may read. */
#ifndef WEIR_REST_REST_ROUTES_H
#define WEIR_REST_REST_ROUTES_H

#include "shared/base/must.h"
#include "shared/flow/contract.h"

enum { REST_ROUTES_DOCUMENTS = 8, REST_ROUTES_OPEN = 4 };
enum rest_system { REST_NO_SYSTEM, REST_READY, REST_UP, REST_VERSION };

/* A file that is compiled in (debug builds only). */
struct rest_document {
    const char *path;
    const char *type;
    const char *policy; /* its Content-Security-Policy; NULL: that of all responses */
    const struct span *body;
};

struct rest_route {
    struct span path;
    const struct contract_method *get;
    const struct contract_method *post;
    const struct contract_method *rpc;    /* answers POST, in the protocols of rest_web.h */
    enum rest_system system;              /* answers GET */
    const struct rest_document *document; /* answers GET */
};

struct rest_routes {
    struct rest_route *slots; /* open addressing; owned */
    size_t capacity;          /* a power of two */
    struct rest_route open[REST_ROUTES_OPEN];
    size_t n_open;
};

/* The contract must outlive the table; it has REST_ROUTES_OPEN open routes at most. */
void rest_routes_init(struct rest_routes *routes, const struct contract *contract);
/* Adds the route of a document, which must outlive the table; REST_ROUTES_DOCUMENTS at most. Before
 * others read. */
void rest_routes_add(struct rest_routes *routes, const struct rest_document *document);
void rest_routes_fini(struct rest_routes *routes);
/* Does the route answer GET and HEAD? */
bool rest_route_has_get(const struct rest_route *route);
/* NULL: no such path. */
const struct rest_route *rest_routes_find(const struct rest_routes *routes, struct span path);
/* The value of the Allow header; static. */
const char *rest_route_allow(const struct rest_route *route);

#endif
