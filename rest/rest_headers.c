#include "rest/rest_headers.h"

#include "rest/rest_cors.h"

static const struct {
    struct span name, value;
} security[] = {
    {SPAN_LITERAL("content-security-policy"),
     SPAN_LITERAL("default-src 'none'; frame-ancestors 'none'")},
    {SPAN_LITERAL("x-content-type-options"), SPAN_LITERAL("nosniff")},
    {SPAN_LITERAL("x-frame-options"), SPAN_LITERAL("DENY")},
    {SPAN_LITERAL("referrer-policy"), SPAN_LITERAL("strict-origin-when-cross-origin")},
    {SPAN_LITERAL("permissions-policy"), SPAN_LITERAL("geolocation=(), camera=(), microphone=()")},
    {SPAN_LITERAL("cross-origin-opener-policy"), SPAN_LITERAL("same-origin")},
    {SPAN_LITERAL("cache-control"), SPAN_LITERAL("no-store")},
};

static void add(h2o_req_t *req, struct span name, struct span value)
{
    h2o_add_header_by_str(&req->pool, &req->res.headers, name.at, name.len, 0, NULL, value.at,
                          value.len);
}

void rest_header_add(h2o_req_t *req, const char *name, struct span value)
{
    add(req, span_of(name), value);
}

void rest_header_replace(h2o_req_t *req, const char *name, struct span value)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < req->res.headers.size; i++) {
        h2o_header_t *header = &req->res.headers.entries[i];
        if (h2o_memis(header->name->base, header->name->len, name, len))
            header->value = h2o_iovec_init(value.at, value.len);
    }
}

bool rest_says_https(struct span forwarded_proto)
{
    struct span item, last = SPAN_EMPTY;
    while (span_next_item(&forwarded_proto, &item))
        last = item;
    return span_is_nocase(last, "https");
}

static void add_cors(h2o_req_t *req, struct span origins)
{
    struct rest_cors_header headers[REST_CORS_HEADERS];
    const struct rest_cors_request request = {
        .origin = rest_header_find(req, "origin"),
        .requested_method = rest_header_find(req, "access-control-request-method"),
        .is_options =
            h2o_memis(req->input.method.base, req->input.method.len, H2O_STRLIT("OPTIONS")),
    };
    size_t n = rest_cors_headers(origins, &request, headers);
    for (size_t i = 0; i < n; i++)
        rest_header_add(req, headers[i].name, headers[i].value);
}

void rest_headers_add(h2o_req_t *req, const struct rest_headers_policy *policy, bool https,
                      const char *id)
{
    h2o_iovec_t copy = h2o_strdup(&req->pool, id, SIZE_MAX);
    for (size_t i = 0; i < sizeof security / sizeof security[0]; i++)
        add(req, security[i].name, security[i].value);
    if (https && policy->hsts.len > 0)
        rest_header_add(req, "strict-transport-security", policy->hsts);
    add_cors(req, policy->origins);
    rest_header_add(req, "x-request-id", span_make(copy.base, copy.len));
}

size_t rest_header_values(const h2o_req_t *req, const char *name, struct span *values, size_t most)
{
    size_t len = strlen(name);
    size_t n = 0;
    /* h2o takes Host out of the headers. */
    if (strcmp(name, "host") == 0) {
        if (req->input.authority.len > 0 && most > 0)
            values[0] = span_make(req->input.authority.base, req->input.authority.len);
        return req->input.authority.len > 0;
    }
    for (size_t i = 0; i < req->headers.size; i++) {
        const h2o_header_t *header = &req->headers.entries[i];
        if (!h2o_memis(header->name->base, header->name->len, name, len))
            continue;
        if (n < most)
            values[n] = span_make(header->value.base, header->value.len);
        n++;
    }
    return n;
}

struct span rest_header_find(const h2o_req_t *req, const char *name)
{
    struct span value = SPAN_EMPTY;
    (void)rest_header_values(req, name, &value, 1);
    return value;
}

/* Is the weight in "gzip;q=0.5" zero? */
static bool is_refused(struct span parameters)
{
    struct span rest = span_trim(parameters);
    if (rest.len < 3 || (rest.at[0] != 'q' && rest.at[0] != 'Q') || rest.at[1] != '=')
        return false;
    for (size_t i = 2; i < rest.len; i++)
        if (rest.at[i] >= '1' && rest.at[i] <= '9')
            return false;
    return true;
}

bool rest_accepts_gzip(struct span accept_encoding)
{
    bool any = false;
    struct span item;
    while (span_next_item(&accept_encoding, &item)) {
        const char *semicolon = item.len > 0 ? memchr(item.at, ';', item.len) : NULL;
        size_t len = semicolon != NULL ? (size_t)(semicolon - item.at) : item.len;
        struct span name = span_trim(span_make(item.at, len));
        bool refused = semicolon != NULL && is_refused(span_from(item, len + 1));
        if (span_is_nocase(name, "gzip") || span_is_nocase(name, "x-gzip"))
            return !refused;
        if (span_is(name, "*"))
            any = !refused;
    }
    return any;
}

bool rest_is_json(struct span content_type)
{
    const char *semicolon =
        content_type.len > 0 ? memchr(content_type.at, ';', content_type.len) : NULL;
    size_t len = semicolon != NULL ? (size_t)(semicolon - content_type.at) : content_type.len;
    return span_is_nocase(span_trim(span_make(content_type.at, len)), "application/json");
}
