/* Cross-origin resource sharing (H2): which headers a response carries, from the list of origins
 * and what the request says. Pure but for where the headers go; worker's thread.
 *
 * Nothing is refused here: browsers enforce. Credentials are never allowed.
 *
 * Source: the Fetch standard, sections 3.3 (CORS protocol) and 3.7 (CORP). */
#ifndef WEIR_REST_REST_CORS_H
#define WEIR_REST_REST_CORS_H

#include "shared/base/span.h"

#include <stdbool.h>

enum { REST_CORS_HEADERS = 6 };

struct rest_cors_header {
    const char *name;
    struct span value; /* static, or the request's origin */
};

/* What the request says; empty spans for headers that it has not. */
struct rest_cors_request {
    struct span origin;
    struct span requested_method; /* Access-Control-Request-Method */
    bool is_options;
};

/* Fills in the headers of the response and returns how many. `origins` is a list of origins.h. */
size_t rest_cors_headers(struct span origins, const struct rest_cors_request *request,
                         struct rest_cors_header headers[REST_CORS_HEADERS]);

#endif
