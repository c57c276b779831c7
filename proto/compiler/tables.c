/* Writes the C file: constant tables of messages, methods, routes and prompts. */
#include "proto/compiler/plugin.h"

#include <stdio.h>

enum { MOST_PROMPT_BYTES = 256 * 1024 };

/* A C string literal; "NULL" for NULL. */
static void put_literal(struct buf *out, const char *text)
{
    if (text == NULL) {
        buf_put_text(out, "NULL");
        return;
    }
    buf_put_char(out, '"');
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '?')
            buf_put_char(out, *at);
        else
            buf_printf(out, "\\%03o", c);
    }
    buf_put_char(out, '"');
}

static void put_member(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, ", .%s = ", name);
    put_literal(out, text);
}

static void put_rules(struct buf *out, const struct type_entry *type, size_t index)
{
    const Weir__V1__FieldRules *rules =
        type->fields[index].contract != NULL ? type->fields[index].contract->rules : NULL;
    if (rules == NULL)
        return;
    buf_printf(out, ",\n     .rules = {.required = %d", rules->required != 0);
    if (rules->string != NULL) {
        const Weir__V1__StringRules *string = rules->string;
        buf_printf(out, ", .min_len = %u, .max_len = %u, .uri = %d", string->min_len,
                   string->max_len, string->uri != 0);
        if (string->pattern[0] != '\0')
            put_member(out, "pattern", string->pattern);
        if (string->n_in > 0)
            buf_printf(out, ", .in = in_%s_%zu, .n_in = %zu", type->symbol, index, string->n_in);
    }
    if (rules->number != NULL) {
        const Weir__V1__NumberRules *number = rules->number;
        if (number->greater_than_case == WEIR__V1__NUMBER_RULES__GREATER_THAN_GTE)
            buf_printf(out, ", .has_gte = 1, .gte = %.17g", number->gte);
        if (number->less_than_case == WEIR__V1__NUMBER_RULES__LESS_THAN_LTE)
            buf_printf(out, ", .has_lte = 1, .lte = %.17g", number->lte);
    }
    if (rules->repeated != NULL)
        buf_printf(out, ", .min_items = %u, .max_items = %u", rules->repeated->min_items,
                   rules->repeated->max_items);
    buf_put_text(out, "}");
}

static void put_source(struct buf *out, const struct type_field *field)
{
    switch (field_source(field)) {
    case WEIR__V1__ANSWER_SOURCE__SOURCE_TEXT:
        buf_put_text(out, ", .source = CONTRACT_FROM_TEXT");
        break;
    case WEIR__V1__ANSWER_SOURCE__SOURCE_REQUEST:
        buf_put_text(out, ", .source = CONTRACT_FROM_REQUEST");
        put_member(out, "source_request", field->contract->source->request);
        break;
    case WEIR__V1__ANSWER_SOURCE__SOURCE_CONSTANT:
        buf_put_text(out, ", .source = CONTRACT_FROM_CONSTANT");
        put_member(out, "source_constant", field->contract->source->constant);
        break;
    case WEIR__V1__ANSWER_SOURCE__SOURCE_JSON:
        buf_put_text(out, ", .source = CONTRACT_FROM_JSON");
        break;
    default:
        buf_put_text(out, ", .source = CONTRACT_FROM_MODEL");
    }
}

static void put_field(struct buf *out, const struct type_entry *type, size_t index)
{
    const struct type_field *field = &type->fields[index];
    const Weir__V1__FieldContract *contract = field->contract;
    buf_put_text(out, "    {.json_name = ");
    put_literal(out, field->proto->json_name);
    put_member(out, "description", field->comment);
    put_source(out, field);
    if (field->message != NULL)
        buf_printf(out, ", .message = &message_%s", field->message->symbol);
    if (field->is_map)
        buf_put_text(out, ", .is_map = 1");
    if (contract != NULL) {
        if (contract->default_value[0] != '\0')
            put_member(out, "default_value", contract->default_value);
        buf_printf(out, ", .default_subject = %d, .grpc_only = %d", contract->default_subject != 0,
                   contract->grpc_only != 0);
        if (contract->prompt != NULL)
            buf_printf(out, ", .prompt_trim = %d, .prompt_max_len = %u",
                       contract->prompt->trim != 0, contract->prompt->max_len);
    }
    put_rules(out, type, index);
    buf_put_text(out, "},\n");
}

static void put_in_lists(struct buf *out, const struct type_entry *type)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const Weir__V1__FieldContract *contract = type->fields[i].contract;
        if (contract == NULL || contract->rules == NULL || contract->rules->string == NULL ||
            contract->rules->string->n_in == 0)
            continue;
        buf_printf(out, "static const char *const in_%s_%zu[] = {", type->symbol, i);
        for (size_t j = 0; j < contract->rules->string->n_in; j++) {
            put_literal(out, contract->rules->string->in[j]);
            buf_put_text(out, ", ");
        }
        buf_put_text(out, "};\n");
    }
}

static bool is_structured_response(const struct plugin *plugin, const struct type_entry *type)
{
    for (size_t i = 0; i < plugin->n_methods; i++)
        if (plugin->methods[i].response == type &&
            strcmp(plugin->methods[i].kind, "CONTRACT_STRUCTURED") == 0)
            return true;
    return false;
}

static void put_type(struct plugin *plugin, struct buf *out, const struct type_entry *type)
{
    put_in_lists(out, type);
    if (type->n_fields > 0) {
        buf_printf(out, "static const struct contract_field fields_%s[] = {\n", type->symbol);
        for (size_t i = 0; i < type->n_fields; i++)
            put_field(out, type, i);
        buf_put_text(out, "};\n");
    }
    buf_printf(out, "static const struct contract_message message_%s = {\n", type->symbol);
    buf_printf(out, "    .pb = &%s__descriptor, ", type->symbol);
    if (type->n_fields > 0)
        buf_printf(out, ".fields = fields_%s", type->symbol);
    else
        buf_put_text(out, ".fields = NULL");
    if (is_structured_response(plugin, type))
        put_member(out, "answer_schema", schema_write(plugin, type));
    buf_put_text(out, "};\n\n");
}

static void put_method_lists(struct buf *out, const struct method_entry *method, size_t index)
{
    if (method->n_routes > 0)
        buf_printf(out, "static const struct contract_route routes_%zu[] = {", index);
    for (size_t i = 0; i < method->n_routes; i++) {
        buf_printf(out, "{\"%s\", ", method->routes[i].verb);
        put_literal(out, method->routes[i].path);
        buf_printf(out, ", %d}, ", method->routes[i].open);
    }
    if (method->n_routes > 0)
        buf_put_text(out, "};\n");
    if (method->contract->n_tools == 0)
        return;
    buf_printf(out, "static const char *const tools_%zu[] = {", index);
    for (size_t i = 0; i < method->contract->n_tools; i++) {
        put_literal(out, method->contract->tools[i]);
        buf_put_text(out, ", ");
    }
    buf_put_text(out, "};\n");
}

static void put_method(struct plugin *plugin, struct buf *out, size_t index)
{
    static const char *const caches[] = {"CONTRACT_CACHE_NONE", "CONTRACT_CACHE_NONE",
                                         "CONTRACT_CACHE_SHARE", "CONTRACT_CACHE_STORE"};
    static const char *const limits[] = {"CONTRACT_LIMIT_DEFAULT", "CONTRACT_LIMIT_DEFAULT",
                                         "CONTRACT_LIMIT_HEAVY", "CONTRACT_LIMIT_EXEMPT"};
    const struct method_entry *method = &plugin->methods[index];
    const Weir__V1__FlowContract *contract = method->contract;
    buf_put_text(out, "    {.flow = ");
    put_literal(out, method->flow);
    put_member(out, "scope", method->scope);
    put_member(out, "rpc_path",
               format_text(&plugin->arena, "/%s/%s", method->service, method->proto->name));
    put_member(out, "rpc_name", method->proto->name);
    put_member(out, "prompt", method->prompt);
    if (contract->stream_result[0] != '\0')
        put_member(out, "stream_result", contract->stream_result);
    buf_printf(out, ",\n     .request = &message_%s, .response = &message_%s",
               method->request->symbol, method->response->symbol);
    if (method->n_routes > 0)
        buf_printf(out, ",\n     .routes = routes_%zu, .n_routes = %zu", index, method->n_routes);
    if (contract->n_tools > 0)
        buf_printf(out, ", .tools = tools_%zu, .n_tools = %zu", index, contract->n_tools);
    buf_printf(out, ",\n     .kind = %s, .cache = %s, .limit = %s", method->kind,
               caches[contract->cache], limits[contract->limit_class]);
    buf_printf(out, ", .streams = %d, .index = %zu, .text_field = ",
               method->proto->server_streaming != 0, index);
    if (method->text_field == SIZE_MAX)
        buf_put_text(out, "SIZE_MAX},\n");
    else
        buf_printf(out, "%zu},\n", method->text_field);
}

/* The prompt's text, from the first folder that has the file. */
static const char *read_prompt(struct plugin *plugin, const struct method_entry *method)
{
    for (size_t i = 0; i < plugin->n_prompt_dirs; i++) {
        FILE *file = fopen(
            format_text(&plugin->arena, "%s/%s.prompt", plugin->prompt_dirs[i], method->prompt),
            "rb");
        if (file == NULL)
            continue;
        char *text = arena_alloc(&plugin->arena, MOST_PROMPT_BYTES + 1);
        size_t len = fread(text, 1, MOST_PROMPT_BYTES + 1, file);
        (void)fclose(file);
        if (len > MOST_PROMPT_BYTES)
            refuse("%s.prompt is larger than %d bytes", method->prompt, MOST_PROMPT_BYTES);
        text[len] = '\0';
        if (strlen(text) != len)
            refuse("%s.prompt has a NUL byte", method->prompt);
        return text;
    }
    refuse("%s: there is no %s.prompt", method->proto->name, method->prompt);
}

static bool prompt_is_written(const struct plugin *plugin, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (plugin->methods[i].prompt != NULL &&
            strcmp(plugin->methods[i].prompt, plugin->methods[index].prompt) == 0)
            return true;
    return false;
}

static size_t put_prompts(struct plugin *plugin, struct buf *out)
{
    size_t n = 0;
    buf_put_text(out, "static const struct contract_prompt prompts[] = {\n");
    for (size_t i = 0; i < plugin->n_methods; i++) {
        if (plugin->methods[i].prompt == NULL || prompt_is_written(plugin, i))
            continue;
        buf_put_text(out, "    {.name = ");
        put_literal(out, plugin->methods[i].prompt);
        buf_put_text(out, ", .source = SPAN_LITERAL(");
        put_literal(out, read_prompt(plugin, &plugin->methods[i]));
        buf_put_text(out, ")},\n");
        n++;
    }
    buf_put_text(out, n > 0 ? "};\n\n" : "    {.name = NULL}};\n\n");
    return n;
}

/* "weir/v1/flows.proto" -> weir/v1/flows.pb-c.h */
static void put_include(struct buf *out, const char *proto)
{
    size_t len = strlen(proto);
    size_t stem = len > 6 && strcmp(proto + len - 6, ".proto") == 0 ? len - 6 : len;
    buf_put_text(out, "#include \"");
    buf_put(out, proto, stem);
    buf_put_text(out, ".pb-c.h\"\n");
}

void tables_write(struct plugin *plugin, struct buf *out)
{
    buf_put_text(out, "/* Made by protoc-gen-weir from the contract. */\n"
                      "#include \"shared/flow/contract.h\"\n\n");
    for (size_t i = 0; i < plugin->request->n_file_to_generate; i++)
        put_include(out, plugin->request->file_to_generate[i]);
    buf_put_char(out, '\n');
    for (size_t i = 0; i < plugin->n_types; i++)
        if (plugin->types[i].reachable)
            buf_printf(out, "static const struct contract_message message_%s;\n",
                       plugin->types[i].symbol);
    buf_put_char(out, '\n');
    for (size_t i = 0; i < plugin->n_types; i++)
        if (plugin->types[i].reachable)
            put_type(plugin, out, &plugin->types[i]);
    for (size_t i = 0; i < plugin->n_methods; i++)
        put_method_lists(out, &plugin->methods[i], i);
    buf_put_text(out, "\nstatic const struct contract_method methods[] = {\n");
    for (size_t i = 0; i < plugin->n_methods; i++)
        put_method(plugin, out, i);
    buf_put_text(out, "};\n\n");
    size_t n_prompts = put_prompts(plugin, out);
    buf_put_text(out, "#ifdef WEIR_DEBUG_SURFACE\n"
                      "extern const struct span weir_openapi;\n"
                      "extern const struct span weir_descriptors;\n"
                      "static const struct contract_surface surface = {\n"
                      "    .openapi = &weir_openapi, .descriptors = &weir_descriptors};\n"
                      "#define SURFACE &surface\n"
                      "#else\n"
                      "#define SURFACE NULL\n"
                      "#endif\n\n");
    buf_printf(out,
               "const struct contract weir_contract = {\n"
               "    .methods = methods, .n_methods = %zu, .prompts = prompts, .n_prompts = %zu,\n"
               "    .surface = SURFACE};\n",
               plugin->n_methods, n_prompts);
    if (out->overflow)
        refuse("the tables grew too large");
}
