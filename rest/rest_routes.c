#include "rest/rest_routes.h"

#include <stdlib.h>

static const struct {
    const char *path;
    enum rest_system system;
} system_routes[] = {
    {"/ready", REST_READY}, {"/readyz", REST_READY},    {"/health/ready", REST_READY},
    {"/_up", REST_UP},      {"/version", REST_VERSION},
};

enum { SYSTEM_ROUTES = sizeof system_routes / sizeof system_routes[0] };

/* FNV-1a; the paths in the table are ours, and a look-up is bounded by the table. */
static size_t hash_of(struct span path)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (size_t i = 0; i < path.len; i++)
        hash = (hash ^ (unsigned char)path.at[i]) * 0x100000001b3U;
    return (size_t)(hash ^ (hash >> 32));
}

static struct rest_route *slot_of(const struct rest_routes *routes, struct span path)
{
    size_t i = hash_of(path) & (routes->capacity - 1);
    while (routes->slots[i].path.at != NULL && !span_equal(routes->slots[i].path, path))
        i = (i + 1) & (routes->capacity - 1);
    return &routes->slots[i];
}

static struct rest_route *add_open(struct rest_routes *routes)
{
    must(routes->n_open < REST_ROUTES_OPEN);
    routes->open[routes->n_open] = (struct rest_route){0};
    return &routes->open[routes->n_open++];
}

void rest_routes_init(struct rest_routes *routes, const struct contract *contract)
{
    size_t n = SYSTEM_ROUTES + REST_ROUTES_DOCUMENTS;
    for (size_t i = 0; i < contract->n_methods; i++)
        n += contract->methods[i].n_routes + 1;
    for (routes->capacity = 16; routes->capacity < 4 * n;)
        routes->capacity *= 2;
    routes->n_open = 0;
    routes->slots = calloc(routes->capacity, sizeof *routes->slots);
    must(routes->slots != NULL);
    for (size_t i = 0; i < contract->n_methods; i++) {
        const struct contract_method *method = &contract->methods[i];
        struct rest_route *rpc = slot_of(routes, span_of(method->rpc_path));
        rpc->path = span_of(method->rpc_path);
        rpc->rpc = method;
        for (size_t j = 0; j < method->n_routes; j++) {
            struct span path = span_of(method->routes[j].path);
            struct rest_route *route =
                method->routes[j].open ? add_open(routes) : slot_of(routes, path);
            route->path = path;
            if (strcmp(method->routes[j].verb, "GET") == 0)
                route->get = method;
            else
                route->post = method;
        }
    }
    for (size_t i = 0; i < SYSTEM_ROUTES; i++) {
        struct span path = span_of(system_routes[i].path);
        struct rest_route *route = slot_of(routes, path);
        route->path = path;
        route->system = system_routes[i].system;
    }
}

void rest_routes_add(struct rest_routes *routes, const struct rest_document *document)
{
    struct span path = span_of(document->path);
    struct rest_route *route = slot_of(routes, path);
    must(route->path.at == NULL);
    route->path = path;
    route->document = document;
}

void rest_routes_fini(struct rest_routes *routes)
{
    free(routes->slots);
    routes->slots = NULL;
}

static bool is_below(struct span path, struct span open)
{
    return path.len > open.len && memcmp(path.at, open.at, open.len) == 0;
}

const struct rest_route *rest_routes_find(const struct rest_routes *routes, struct span path)
{
    const struct rest_route *route = slot_of(routes, path);
    if (route->path.at != NULL)
        return route;
    for (size_t i = 0; i < routes->n_open; i++)
        if (is_below(path, routes->open[i].path))
            return &routes->open[i];
    return NULL;
}

bool rest_route_has_get(const struct rest_route *route)
{
    return route->get != NULL || route->system != REST_NO_SYSTEM || route->document != NULL;
}

const char *rest_route_allow(const struct rest_route *route)
{
    bool get = rest_route_has_get(route);
    if (get && route->post != NULL)
        return "GET, HEAD, POST, OPTIONS";
    return get ? "GET, HEAD, OPTIONS" : "POST, OPTIONS";
}
