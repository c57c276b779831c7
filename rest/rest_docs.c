/* The docs page and the OpenAPI document, compiled in (S2, S3). Debug builds only.
 *
 * The page has no markup of strangers and no inline script or style, so that its policy can name
 * this origin and nothing else. */
#include "rest/rest_internal.h"

#define DOCS_POLICY                                                                                \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "                \
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "                \
    "require-trusted-types-for 'script'"

/* docs/, by proto/embed.cmake */
extern const struct span rest_docs_page, rest_docs_style, rest_docs_script, rest_docs_icon;

static const struct rest_document documents[] = {
    {"/docs", "text/html; charset=utf-8", DOCS_POLICY, &rest_docs_page},
    {"/docs/docs.css", "text/css; charset=utf-8", NULL, &rest_docs_style},
    {"/docs/docs.js", "text/javascript; charset=utf-8", NULL, &rest_docs_script},
    {"/docs/icon.svg", "image/svg+xml", NULL, &rest_docs_icon},
};

void rest_docs_install(struct rest *rest)
{
    const struct contract_surface *surface = rest->core->contract->surface;
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++)
        rest_routes_add(&rest->routes, &documents[i]);
    if (surface == NULL)
        return;
    rest->openapi =
        (struct rest_document){"/openapi.json", "application/json", NULL, surface->openapi};
    rest_routes_add(&rest->routes, &rest->openapi);
}
