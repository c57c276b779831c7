/* The rpcs of the files to generate: routes, kind, prompt, and whether they make sense. */
#include "proto/compiler/plugin.h"

#include <ctype.h>

enum { METHOD_EXTENSION = 50101, HTTP_EXTENSION = 72295728, MOST_METHODS = 1024 };

static const char *snake_case(struct arena *arena, const char *name)
{
    struct buf out;
    buf_init(&out, arena, 512);
    for (const char *at = name; *at != '\0'; at++) {
        if (isupper((unsigned char)*at) && at != name)
            buf_put_char(&out, '_');
        buf_put_char(&out, (char)tolower((unsigned char)*at));
    }
    return arena_copy(arena, buf_span(&out));
}

/* A last segment of "{field=**}" stands for the one field of the request, a text: whatever is
 * behind the path. It is cut off. */
static void cut_field(struct plugin *plugin, const struct method_entry *method, struct route *route)
{
    const char *brace = strchr(route->path, '{');
    const struct type_field *field = method->request->fields;
    if (brace == NULL || brace == route->path || brace[-1] != '/')
        return;
    if (strcmp(route->verb, "GET") != 0 || method->request->n_fields != 1 ||
        !field_is_string(field) || field->repeated ||
        strcmp(brace, format_text(&plugin->arena, "{%s=**}", field->proto->name)) != 0)
        refuse("%s: {field=**} ends the path of a get, and is the request's one field, a string",
               method->proto->name);
    route->path = arena_copy(&plugin->arena, span_make(route->path, (size_t)(brace - route->path)));
    route->open = true;
}

static void add_route(struct plugin *plugin, struct method_entry *method,
                      const Google__Api__HttpRule *rule)
{
    const char *name = method->proto->name;
    struct route route = {NULL, NULL, false};
    switch (rule->pattern_case) {
    case GOOGLE__API__HTTP_RULE__PATTERN_GET:
        route = (struct route){"GET", rule->get, false};
        break;
    case GOOGLE__API__HTTP_RULE__PATTERN_POST:
        route = (struct route){"POST", rule->post, false};
        break;
    default:
        refuse("%s: an HTTP rule is get or post", name);
    }
    if (strcmp(route.verb, "POST") == 0 && strcmp(rule->body, "*") != 0)
        refuse("%s: a post takes body: \"*\"", name);
    cut_field(plugin, method, &route);
    if (strcmp(route.verb, "GET") == 0 &&
        (rule->body[0] != '\0' || (method->request->n_fields > 0 && !route.open)))
        refuse("%s: a get has no body, so its request message has no fields", name);
    if (rule->response_body[0] != '\0')
        refuse("%s: response_body is not supported", name);
    if (route.path[0] != '/' || strpbrk(route.path, "{}*?# ") != NULL)
        refuse("%s: the path %s is not a plain one", name, route.path);
    for (size_t i = 0; i <= plugin->n_methods; i++)
        for (size_t j = 0; j < plugin->methods[i].n_routes; j++)
            if (strcmp(plugin->methods[i].routes[j].path, route.path) == 0)
                refuse("%s: %s is the route of %s already", name, route.path,
                       plugin->methods[i].proto->name);
    method->routes[method->n_routes++] = route;
}

static bool is_chat(const struct method_entry *method)
{
    return method->contract->builtin == WEIR__V1__BUILTIN__BUILTIN_CHAT;
}

static bool is_models(const struct method_entry *method)
{
    return method->contract->builtin == WEIR__V1__BUILTIN__BUILTIN_MODELS;
}

bool method_in_openapi(const struct method_entry *method)
{
    return !is_chat(method) && !is_models(method);
}

static void read_routes(struct plugin *plugin, struct method_entry *method)
{
    struct span bytes;
    const Google__Protobuf__MethodOptions *options = method->proto->options;
    if (options == NULL ||
        !extension_find(&options->base, HTTP_EXTENSION, &plugin->arena, &bytes)) {
        if (is_chat(method) && method->proto->server_streaming)
            return;
        refuse("%s: there is no google.api.http rule", method->proto->name);
    }
    Google__Api__HttpRule *rule =
        google__api__http_rule__unpack(NULL, bytes.len, (const uint8_t *)bytes.at);
    if (rule == NULL)
        refuse("%s: the HTTP rule could not be read", method->proto->name);
    method->routes =
        arena_zero(&plugin->arena, (1 + rule->n_additional_bindings) * sizeof *method->routes);
    add_route(plugin, method, rule);
    for (size_t i = 0; i < rule->n_additional_bindings; i++)
        add_route(plugin, method, rule->additional_bindings[i]);
}

static void read_annotation(struct plugin *plugin, struct method_entry *method)
{
    struct span bytes;
    const Google__Protobuf__MethodOptions *options = method->proto->options;
    if (options != NULL &&
        extension_find(&options->base, METHOD_EXTENSION, &plugin->arena, &bytes)) {
        method->contract =
            weir__v1__flow_contract__unpack(NULL, bytes.len, (const uint8_t *)bytes.at);
        if (method->contract == NULL)
            refuse("%s: the annotation could not be read", method->proto->name);
    } else {
        method->contract = arena_alloc(&plugin->arena, sizeof *method->contract);
        weir__v1__flow_contract__init(method->contract);
    }
    method->flow = method->contract->name[0] != '\0'
                       ? method->contract->name
                       : snake_case(&plugin->arena, method->proto->name);
    method->scope = method->contract->scope[0] != '\0' ? method->contract->scope : method->flow;
    if (method->contract->builtin == WEIR__V1__BUILTIN__BUILTIN_UNSPECIFIED)
        method->prompt =
            method->contract->prompt[0] != '\0' ? method->contract->prompt : method->flow;
}

static const struct type_field *field_named(const struct type_entry *type, const char *name)
{
    for (size_t i = 0; i < type->n_fields; i++)
        if (strcmp(type->fields[i].proto->name, name) == 0)
            return &type->fields[i];
    return NULL;
}

static void check_copy(const struct method_entry *method, const struct type_field *field)
{
    const struct type_field *from = field_named(method->request, field->contract->source->request);
    if (from == NULL)
        refuse("%s: %s copies %s, which the request does not have", method->proto->name,
               field->proto->name, field->contract->source->request);
    if (!field_is_string(from) || !field_is_string(field) || from->repeated || field->repeated)
        refuse("%s: %s copies %s, and only string fields are copied", method->proto->name,
               field->proto->name, from->proto->name);
}

static bool has_messages(const struct method_entry *method, const char *request,
                         const char *response)
{
    return strcmp(method->request->name, request) == 0 &&
           strcmp(method->response->name, response) == 0;
}

/* The kind of those that take the messages of weir/v1/chat.proto; NULL: it is none of them. */
static const char *kind_of_chat(const struct method_entry *method)
{
    bool streams = method->proto->server_streaming;
    if (is_chat(method)) {
        if (!has_messages(method, ".weir.v1.ChatRequest",
                          streams ? ".weir.v1.ChatChunk" : ".weir.v1.ChatResponse"))
            refuse("%s: chat has the messages of weir/v1/chat.proto", method->proto->name);
        return "CONTRACT_CHAT";
    }
    if (!is_models(method))
        return NULL;
    if (streams ||
        (!has_messages(method, ".weir.v1.ListModelsRequest", ".weir.v1.ListModelsResponse") &&
         !has_messages(method, ".weir.v1.GetModelRequest", ".weir.v1.GetModelResponse")))
        refuse("%s: models have the messages of weir/v1/chat.proto", method->proto->name);
    return "CONTRACT_MODELS";
}

/* What the answer is made of decides the kind of the flow. */
static void settle_kind(struct method_entry *method)
{
    const char *name = method->proto->name;
    size_t texts = 0, from_model = 0;
    method->text_field = SIZE_MAX;
    for (size_t i = 0; i < method->response->n_fields; i++) {
        const struct type_field *field = &method->response->fields[i];
        switch (field_source(field)) {
        case WEIR__V1__ANSWER_SOURCE__SOURCE_TEXT:
            texts++;
            method->text_field = i;
            break;
        case WEIR__V1__ANSWER_SOURCE__SOURCE_REQUEST:
            check_copy(method, field);
            break;
        case WEIR__V1__ANSWER_SOURCE__SOURCE__NOT_SET:
            from_model++;
            break;
        default:
            break;
        }
    }
    if (method->contract->builtin == WEIR__V1__BUILTIN__BUILTIN_HEALTH) {
        if (texts + from_model > 0)
            refuse("%s: health does not ask a model", name);
        method->kind = "CONTRACT_HEALTH";
        return;
    }
    method->kind = kind_of_chat(method);
    if (method->kind != NULL)
        return;
    if (texts > 1)
        refuse("%s: more than one field takes the text", name);
    if (texts == 1 && from_model > 0)
        refuse("%s: a text flow has no field that a structured answer would fill", name);
    if (texts + from_model == 0)
        refuse("%s: no field of the response comes from the model", name);
    if (method->proto->server_streaming && texts != 1)
        refuse("%s: a streamed response has exactly one field with source text", name);
    if (method->proto->server_streaming && method->contract->stream_result[0] == '\0')
        refuse("%s: a stream needs stream_result", name);
    method->kind = texts == 1 ? "CONTRACT_TEXT" : "CONTRACT_STRUCTURED";
}

static void read_method(struct plugin *plugin, const file_proto *file, size_t service_index,
                        size_t index)
{
    const service_proto *service = file->service[service_index];
    const method_proto *proto = service->method[index];
    const int32_t path[] = {6, (int32_t)service_index, 2, (int32_t)index};
    if (plugin->n_methods == MOST_METHODS)
        refuse("too many rpcs");
    struct method_entry *method = &plugin->methods[plugin->n_methods];
    *method = (struct method_entry){
        .service = format_text(&plugin->arena, "%s.%s", file->package, service->name),
        .proto = proto,
        .comment = comment_find(&plugin->arena, file, path, 4),
        .request = type_find(plugin, proto->input_type),
        .response = type_find(plugin, proto->output_type)};
    must(method->request != NULL && method->response != NULL);
    if (proto->client_streaming)
        refuse("%s: client streaming is not supported", proto->name);
    type_reach(method->request);
    type_reach(method->response);
    read_annotation(plugin, method);
    read_routes(plugin, method);
    settle_kind(method);
    plugin->n_methods++;
}

static bool is_generated(const struct plugin *plugin, const file_proto *file)
{
    for (size_t i = 0; i < plugin->request->n_file_to_generate; i++)
        if (strcmp(plugin->request->file_to_generate[i], file->name) == 0)
            return true;
    return false;
}

void methods_read(struct plugin *plugin)
{
    plugin->methods = arena_zero(&plugin->arena, (MOST_METHODS + 1) * sizeof *plugin->methods);
    for (size_t i = 0; i < plugin->request->n_proto_file; i++) {
        const file_proto *file = plugin->request->proto_file[i];
        for (size_t j = 0; is_generated(plugin, file) && j < file->n_service; j++)
            for (size_t k = 0; k < file->service[j]->n_method; k++)
                read_method(plugin, file, j, k);
    }
    if (plugin->n_methods == 0)
        refuse("the contract has no rpc");
}
