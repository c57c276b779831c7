/* The OpenAPI 3.1 document: the frame (proto/openapi.json.in) with its marks, such as @paths@,
 * filled in from the contract, and its errors from the table of verdicts. */
#include "proto/compiler/plugin.h"

#include <stdio.h>

enum { MOST_TEMPLATE_BYTES = 256 * 1024 };

static const struct {
    int status;
    const char *title;
    const char *detail;
} verdicts[] = {
#define VERDICT(id, http_status, grpc_code, title, detail, level, breaker)                         \
    {http_status, title, detail},
#include "shared/verdict.def"
#undef VERDICT
};

/* The errors that flows are documented with. All others go by the name of the last. */
static const struct error {
    int status; /* 0: any other */
    const char *name;
    const char *header; /* of its own, or NULL */
} errors[] = {
    {400, "BadRequest", NULL},
    {401, "Unauthenticated", "WWW-Authenticate"},
    {403, "Forbidden", "WWW-Authenticate"},
    {405, "MethodNotAllowed", "Allow"},
    {413, "TooLarge", NULL},
    {415, "BadMediaType", NULL},
    {422, "Invalid", NULL},
    {429, "RateLimited", "Retry-After"},
    {500, "Internal", NULL},
    {502, "UpstreamFailed", NULL},
    {503, "Unavailable", "Retry-After"},
    {504, "TimedOut", NULL},
    {0, "Other", NULL},
};

enum { ERRORS = sizeof errors / sizeof errors[0] };

static void put_header(struct buf *out, const char *name)
{
    if (out->at[out->len - 1] != '{')
        buf_put_char(out, ',');
    buf_printf(out, "\"%s\":{\"$ref\":\"#/components/headers/%s\"}", name, name);
}

static void put_headers(struct buf *out, bool limited)
{
    buf_put_text(out, "\"headers\":{");
    put_header(out, "X-Request-ID");
    put_header(out, "Access-Control-Allow-Origin");
    if (limited) {
        put_header(out, "RateLimit");
        put_header(out, "RateLimit-Policy");
    }
}

static bool is_documented(int status)
{
    for (size_t i = 0; i < ERRORS; i++)
        if (errors[i].status == status)
            return true;
    return false;
}

static void put_error(struct plugin *plugin, struct buf *out, const struct error *error)
{
    struct buf text;
    buf_init(&text, &plugin->arena, 16384);
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        int status = verdicts[i].status;
        if (error->status != 0 ? status != error->status : status < 400 || is_documented(status))
            continue;
        buf_put_text(&text, text.len > 0 ? "\n" : "");
        if (error->status == 0)
            buf_printf(&text, "%d ", status);
        buf_printf(&text, "%s: %s", verdicts[i].title, verdicts[i].detail);
    }
    buf_printf(out, "\"%s\":{\"description\":", error->name);
    buf_put_json_string(out, buf_span(&text));
    buf_put_char(out, ',');
    put_headers(out, error->status > 0 && error->status < 500);
    if (error->header != NULL)
        put_header(out, error->header);
    buf_put_text(out, "},\"content\":{\"application/problem+json\":{\"schema\":"
                      "{\"$ref\":\"#/components/schemas/Problem\"}}}}");
}

static void put_responses(struct plugin *plugin, struct buf *out)
{
    for (size_t i = 0; i < ERRORS; i++) {
        buf_put_text(out, i > 0 ? "," : "");
        put_error(plugin, out, &errors[i]);
    }
}

static void put_error_refs(struct buf *out, bool exempt)
{
    for (size_t i = 0; i < ERRORS; i++) {
        if (exempt && errors[i].status != 0)
            continue;
        if (errors[i].status != 0)
            buf_printf(out, ",\"%d\"", errors[i].status);
        else
            buf_put_text(out, ",\"default\"");
        buf_printf(out, ":{\"$ref\":\"#/components/responses/%s\"}", errors[i].name);
    }
}

/* The defaults of the request, as the caller would write them. */
static void put_example(struct buf *out, const struct type_entry *request)
{
    buf_put_char(out, '{');
    for (size_t i = 0; i < request->n_fields; i++) {
        const struct type_field *field = &request->fields[i];
        if (field->contract == NULL || field->contract->default_value[0] == '\0')
            continue;
        buf_put_text(out, out->at[out->len - 1] != '{' ? "," : "");
        buf_put_json_string(out, span_of(field->proto->json_name));
        buf_put_char(out, ':');
        buf_put_json_string(out, span_of(field->contract->default_value));
    }
    buf_put_char(out, '}');
}

static void put_request(struct plugin *plugin, struct buf *out, const struct method_entry *method)
{
    buf_put_text(out, ",\"parameters\":[{\"$ref\":\"#/components/parameters/RequestId\"}]"
                      ",\"requestBody\":{\"required\":false,\"description\":"
                      "\"Absent: every field takes its default.\""
                      ",\"content\":{\"application/json\":{\"schema\":");
    openapi_put_ref(plugin, out, method->request);
    buf_put_text(out, ",\"example\":");
    put_example(out, method->request);
    buf_put_text(out, "}}}");
}

static void put_stream(struct buf *out, const struct method_entry *method)
{
    const char *result = method->contract->stream_result;
    buf_printf(out,
               "\"text/event-stream\":{\"schema\":{\"description\":\"What the data of one event "
               "holds. A stream without a `done` event did not end well.\","
               "\"$ref\":\"#/components/schemas/%sEvent\"},\"examples\":{",
               method->proto->name);
    buf_printf(out,
               "\"chunk\":{\"summary\":\"A piece\",\"value\":{\"chunk\":\"Once \"}},"
               "\"done\":{\"summary\":\"The end\",\"value\":{\"done\":true,\"%s\":\"Once ...\"}}}}",
               result);
}

static void put_answer(struct plugin *plugin, struct buf *out, const struct method_entry *method,
                       bool exempt)
{
    bool streams = method->proto->server_streaming != 0;
    buf_put_text(out, ",\"responses\":{\"200\":{\"description\":");
    buf_put_text(out, streams ? "\"Server-sent events: pieces as they come, then the end; or, once "
                                "pieces have gone out, `event: error` with a problem.\","
                              : "\"The answer.\",");
    put_headers(out, !exempt);
    buf_put_text(out, "},\"content\":{");
    if (streams) {
        put_stream(out, method);
    } else {
        buf_put_text(out, "\"application/json\":{\"schema\":");
        openapi_put_ref(plugin, out, method->response);
        buf_put_char(out, '}');
    }
    buf_put_text(out, "}}");
    put_error_refs(out, exempt);
    buf_put_char(out, '}');
}

static void put_description(struct buf *out, const struct method_entry *method)
{
    static const char *const caches[] = {
        "Each call is answered anew.", "Each call is answered anew.",
        "Callers of one tenant who ask the same at the same time share one answer.",
        "An answer is kept for a while, and given to who asks the same in the same tenant."};
    struct span comment = span_of(method->comment);
    const char *stop = strstr(method->comment, ". ");
    size_t first = stop != NULL ? (size_t)(stop - method->comment) + 1 : comment.len;
    buf_put_text(out, ",\"summary\":");
    buf_put_json_string(out, span_make(comment.at, first));
    buf_put_text(out, ",\"description\":\"");
    if (first < comment.len) {
        buf_put_json(out, span_from(comment, first + 1));
        buf_put_char(out, ' ');
    }
    if (method->prompt != NULL)
        buf_printf(out, "%s ", caches[method->contract->cache]);
    if (method->contract->limit_class == WEIR__V1__LIMIT_CLASS__LIMIT_CLASS_HEAVY)
        buf_put_text(out, "Costly: the lower rate limit applies. ");
    if (method->prompt != NULL)
        buf_printf(out, "Scope: `flow:%s`. ", method->scope);
    buf_printf(out, "gRPC: `%s/%s`.", method->service, method->proto->name);
    buf_put_char(out, '"');
}

/* "TellJoke", and for further routes "Health_healthz". */
static void put_id(struct buf *out, const struct method_entry *method, size_t route)
{
    buf_printf(out, "{\"operationId\":\"%s", method->proto->name);
    for (const char *at = method->routes[route].path; route > 0 && *at != '\0'; at++)
        buf_put_char(out, *at == '/' ? '_' : *at);
    buf_put_char(out, '"');
}

static void put_operation(struct plugin *plugin, struct buf *out, const struct method_entry *method,
                          size_t route)
{
    bool exempt = method->contract->limit_class == WEIR__V1__LIMIT_CLASS__LIMIT_CLASS_EXEMPT;
    bool post = strcmp(method->routes[route].verb, "POST") == 0;
    buf_put_json_string(out, span_of(method->routes[route].path));
    buf_put_text(out, post ? ":{\"post\":" : ":{\"get\":");
    put_id(out, method, route);
    buf_printf(out, ",\"tags\":[\"%s\"]", method->prompt != NULL ? "flows" : "system");
    put_description(out, method);
    buf_printf(out, ",\"x-grpc-method\":\"%s/%s\"", method->service, method->proto->name);
    if (exempt)
        buf_put_text(out, ",\"security\":[]");
    if (post)
        put_request(plugin, out, method);
    put_answer(plugin, out, method, exempt);
    buf_put_text(out, "}}");
}

static void put_paths(struct plugin *plugin, struct buf *out)
{
    const char *comma = "";
    for (size_t i = 0; i < plugin->n_methods; i++)
        for (size_t j = 0;
             method_in_openapi(&plugin->methods[i]) && j < plugin->methods[i].n_routes; j++) {
            buf_put_text(out, comma);
            comma = ",";
            put_operation(plugin, out, &plugin->methods[i], j);
        }
}

static void put_ready(struct buf *out, const char *id)
{
    buf_printf(out, "{\"operationId\":\"%s\",\"tags\":[\"system\"],\"security\":[]", id);
    buf_put_text(out, ",\"summary\":\"Says whether to send traffic here.\",\"description\":"
                      "\"200 when this instance can serve, 503 when it cannot, with the reasons.\""
                      ",\"responses\":{");
    for (int ok = 1; ok >= 0; ok--) {
        buf_put_text(out, ok ? "\"200\":{\"description\":\"Ready.\","
                             : ",\"503\":{\"description\":\"Not ready.\",");
        put_headers(out, false);
        buf_put_text(out, "},\"content\":{\"application/json\":{\"schema\":"
                          "{\"$ref\":\"#/components/schemas/Readiness\"}}}}");
    }
    put_error_refs(out, true);
    buf_put_text(out, "}}");
}

static void put_mark(struct plugin *plugin, struct buf *out, struct span mark)
{
    if (span_is(mark, "version"))
        buf_put_json(out, span_of(plugin->version != NULL ? plugin->version : "0"));
    else if (span_is(mark, "paths"))
        put_paths(plugin, out);
    else if (span_is(mark, "responses"))
        put_responses(plugin, out);
    else if (span_is(mark, "schemas"))
        openapi_put_schemas(plugin, out);
    else if (span_is(mark, "ready"))
        put_ready(out, "Ready");
    else if (span_is(mark, "readyz"))
        put_ready(out, "Ready_readyz");
    else if (span_is(mark, "health_ready"))
        put_ready(out, "Ready_health_ready");
    else
        refuse("%s has an unknown mark: %.*s", plugin->template, (int)mark.len, mark.at);
}

static struct span read_template(struct plugin *plugin)
{
    FILE *file = fopen(plugin->template, "rb");
    if (file == NULL)
        refuse("%s cannot be opened", plugin->template);
    char *text = arena_alloc(&plugin->arena, MOST_TEMPLATE_BYTES + 1);
    size_t len = fread(text, 1, MOST_TEMPLATE_BYTES + 1, file);
    (void)fclose(file);
    if (len > MOST_TEMPLATE_BYTES)
        refuse("%s is larger than %d bytes", plugin->template, MOST_TEMPLATE_BYTES);
    return span_make(text, len);
}

void openapi_write(struct plugin *plugin, struct buf *out)
{
    struct span rest = read_template(plugin);
    for (;;) {
        const char *from = rest.len > 0 ? memchr(rest.at, '@', rest.len) : NULL;
        size_t before = from != NULL ? (size_t)(from - rest.at) : rest.len;
        buf_put(out, rest.at, before);
        if (from == NULL)
            break;
        rest = span_from(rest, before + 1);
        const char *to = rest.len > 0 ? memchr(rest.at, '@', rest.len) : NULL;
        if (to == NULL)
            refuse("%s has a mark without an end", plugin->template);
        put_mark(plugin, out, span_make(rest.at, (size_t)(to - rest.at)));
        rest = span_from(rest, (size_t)(to - rest.at) + 1);
    }
    if (out->overflow)
        refuse("the OpenAPI document grew too large");
}
