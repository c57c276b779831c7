/* What goes on every response (H1, H3), and whether the client takes gzip (H7). Worker's thread. */
#ifndef WEIR_REST_REST_HEADERS_H
#define WEIR_REST_REST_HEADERS_H

#include "shared/base/span.h"

#include <stdbool.h>

#include <uv.h>

#include <h2o.h>

/* What the settings say about the headers of responses. */
struct rest_headers_policy {
    struct span origins; /* a list of shared/policy/origins.h */
    struct span hsts;    /* the value of Strict-Transport-Security; empty: never sent */
};

/* Does a proxy say that its client speaks HTTPS? `forwarded_proto` is X-Forwarded-Proto; of several
 * words the last is the nearest proxy's. Pure. */
bool rest_says_https(struct span forwarded_proto);
/* Adds the security headers, with HSTS where the request came over HTTPS, those of CORS, and
 * X-Request-ID; `id` is copied. */
void rest_headers_add(h2o_req_t *req, const struct rest_headers_policy *policy, bool https,
                      const char *id);
/* Adds one header; name and value are not copied. */
void rest_header_add(h2o_req_t *req, const char *name, struct span value);
/* Gives a header that the response has another value, which is not copied. */
void rest_header_replace(h2o_req_t *req, const char *name, struct span value);
/* All values of a request header (lower-case name), in order: fills in up to `most`, returns how
 * many there are. They live in the request pool. Host is the request's authority. */
size_t rest_header_values(const h2o_req_t *req, const char *name, struct span *values, size_t most);
/* The first value of a request header (lower-case name); empty when there is none. */
struct span rest_header_find(const h2o_req_t *req, const char *name);

/* Does an Accept-Encoding value allow gzip (RFC 9110 section 12.5.3)? Pure. */
bool rest_accepts_gzip(struct span accept_encoding);
/* Is a Content-Type value JSON, parameters aside? Pure. */
bool rest_is_json(struct span content_type);

#endif
