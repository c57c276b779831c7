/* The sample flows as the generated tables have them: what contract.md and V2 say, row by row. */
#include "tests/unit/contract/schema_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct flow_row {
    const char *rpc, *flow, *stream_result, *tool;
    const char *routes[6]; /* a POST each, but those of health */
    enum contract_kind kind;
    enum contract_cache cache;
    enum contract_limit limit;
} flow_rows[] = {
    {.rpc = "TellJoke", .flow = "tell_joke", .routes = {"/tell-joke"}},
    {.rpc = "TellJokeStream",
     .flow = "tell_joke",
     .routes = {"/tell-joke/stream"},
     .stream_result = "joke"},
    {.rpc = "TellStory",
     .flow = "tell_story",
     .routes = {"/tell-story/stream"},
     .stream_result = "story",
     .cache = CONTRACT_CACHE_SHARE,
     .limit = CONTRACT_LIMIT_HEAVY},
    {.rpc = "TranslateText",
     .flow = "translate_text",
     .routes = {"/translate"},
     .tool = "get_current_time",
     .kind = CONTRACT_STRUCTURED,
     .cache = CONTRACT_CACHE_STORE},
    {.rpc = "DescribeImage",
     .flow = "describe_image",
     .routes = {"/describe-image"},
     .cache = CONTRACT_CACHE_STORE,
     .limit = CONTRACT_LIMIT_HEAVY},
    {.rpc = "GenerateCharacter",
     .flow = "generate_character",
     .routes = {"/generate-character"},
     .kind = CONTRACT_STRUCTURED,
     .cache = CONTRACT_CACHE_STORE},
    {.rpc = "PirateChat", .flow = "pirate_chat", .routes = {"/chat"}},
    {.rpc = "GenerateCode",
     .flow = "generate_code",
     .routes = {"/generate-code"},
     .kind = CONTRACT_STRUCTURED,
     .cache = CONTRACT_CACHE_STORE,
     .limit = CONTRACT_LIMIT_HEAVY},
    {.rpc = "ReviewCode",
     .flow = "review_code",
     .routes = {"/review-code"},
     .kind = CONTRACT_STRUCTURED,
     .cache = CONTRACT_CACHE_STORE,
     .limit = CONTRACT_LIMIT_HEAVY},
    {.rpc = "Health",
     .flow = "health",
     .routes = {"/health", "/health/live", "/healthz", "/live", "/api/health"},
     .kind = CONTRACT_HEALTH,
     .limit = CONTRACT_LIMIT_EXEMPT},
};

enum { N_FLOWS = sizeof flow_rows / sizeof flow_rows[0] };

static void has_every_flow(void **state)
{
    (void)state;
    assert_int_equal(weir_contract.n_methods, N_FLOWS + 4); /* and those of chat */
    for (size_t i = 0; i < N_FLOWS; i++) {
        const struct flow_row *row = &flow_rows[i];
        const struct contract_method *method = method_named(row->rpc);
        bool health = row->kind == CONTRACT_HEALTH;
        char path[64], message[64];
        size_t n_routes = 0;
        (void)snprintf(path, sizeof path, "/weir.v1.FlowService/%s", row->rpc);
        assert_string_equal(method->rpc_path, path);
        assert_string_equal(method->flow, row->flow);
        assert_string_equal(method->scope, row->flow);
        (void)snprintf(message, sizeof message, "weir.v1.%sRequest", row->rpc);
        assert_string_equal(method->request->pb->name, message);
        (void)snprintf(message, sizeof message, "weir.v1.%sResponse", row->rpc);
        assert_string_equal(method->response->pb->name, message);
        for (; row->routes[n_routes] != NULL; n_routes++) {
            assert_string_equal(method->routes[n_routes].path, row->routes[n_routes]);
            assert_string_equal(method->routes[n_routes].verb, health ? "GET" : "POST");
        }
        assert_int_equal(method->n_routes, n_routes);
        assert_int_equal(method->kind, row->kind);
        assert_int_equal(method->cache, row->cache);
        assert_int_equal(method->limit, row->limit);
        assert_int_equal(method->streams, row->stream_result != NULL);
        if (row->stream_result != NULL)
            assert_string_equal(method->stream_result, row->stream_result);
        assert_int_equal(method->n_tools, row->tool != NULL ? 1 : 0);
        if (row->tool != NULL)
            assert_string_equal(method->tools[0], row->tool);
        if (!health)
            assert_string_equal(method->prompt, row->flow);
    }
}

static void chat_is_built_in(void **state)
{
    const struct contract_method *chat = method_named("Chat"), *stream = method_named("ChatStream");
    (void)state;
    assert_string_equal(chat->rpc_path, "/weir.v1.ChatService/Chat");
    assert_string_equal(chat->routes[0].path, "/v1/chat/completions");
    assert_int_equal(chat->n_routes, 1);
    assert_int_equal(stream->n_routes, 0);
    assert_string_equal(chat->flow, "chat_completions");
    assert_string_equal(stream->flow, "chat_completions");
    assert_ptr_equal(chat->request, stream->request);
    assert_int_equal(chat->kind, CONTRACT_CHAT);
    assert_int_equal(stream->kind, CONTRACT_CHAT);
    assert_int_equal(chat->cache, CONTRACT_CACHE_STORE);
    assert_false(chat->streams);
    assert_true(stream->streams);
}

static void models_of_chat_are_built_in(void **state)
{
    const struct contract_method *list = method_named("ListModels"),
                                 *one = method_named("GetModel");
    (void)state;
    assert_string_equal(list->rpc_path, "/weir.v1.ChatService/ListModels");
    assert_string_equal(list->routes[0].path, "/v1/models");
    assert_string_equal(one->routes[0].path, "/v1/models/");
    assert_false(list->routes[0].open);
    assert_true(one->routes[0].open);
    assert_string_equal(list->flow, "list_models");
    assert_string_equal(one->flow, "get_model");
    for (size_t i = 0; i < 2; i++) {
        const struct contract_method *method = i == 0 ? list : one;
        assert_string_equal(method->routes[0].verb, "GET");
        assert_int_equal(method->n_routes, 1);
        assert_int_equal(method->kind, CONTRACT_MODELS);
        assert_int_equal(method->cache, CONTRACT_CACHE_NONE);
        assert_int_equal(method->limit, CONTRACT_LIMIT_DEFAULT);
        assert_string_equal(method->scope, method_named("Chat")->scope); /* one lets in to all */
    }
}

/* Their messages are not those of flows. */
static bool is_of_chat(const struct contract_method *method)
{
    return method->kind == CONTRACT_CHAT || method->kind == CONTRACT_MODELS;
}

static const struct request_row {
    const char *rpc, *field, *default_value, *pattern;
    uint32_t min_len, max_len, prompt_max_len;
    bool required, uri, subject;
} request_rows[] = {
    {.rpc = "TellJoke", .field = "name", .default_value = "Mittens", .max_len = 200},
    {.rpc = "TellJoke", .field = "username", .max_len = 200, .subject = true},
    {.rpc = "TellJokeStream", .field = "name", .default_value = "Mittens", .max_len = 200},
    {.rpc = "TellJokeStream", .field = "username", .max_len = 200, .subject = true},
    {.rpc = "TellStory", .field = "topic", .default_value = "a brave cat", .max_len = 1000},
    {.rpc = "TranslateText",
     .field = "text",
     .default_value = "Hello, how are you today?",
     .required = true,
     .min_len = 1,
     .max_len = 10000,
     .prompt_max_len = 2000},
    {.rpc = "TranslateText", .field = "target_language", .default_value = "French", .max_len = 100},
    {.rpc = "DescribeImage",
     .field = "image_url",
     .default_value = "https://upload.wikimedia.org/wikipedia/commons/4/47/"
                      "PNG_transparency_demonstration_1.png",
     .max_len = 2048,
     .uri = true},
    {.rpc = "GenerateCharacter",
     .field = "name",
     .default_value = "Luna",
     .min_len = 1,
     .max_len = 200},
    {.rpc = "PirateChat",
     .field = "question",
     .default_value = "What is the best programming language?",
     .min_len = 1,
     .max_len = 5000},
    {.rpc = "GenerateCode",
     .field = "description",
     .default_value = "a Python function that checks if a number is prime",
     .min_len = 1,
     .max_len = 10000},
    {.rpc = "GenerateCode",
     .field = "language",
     .default_value = "python",
     .max_len = 50,
     .pattern = "^[a-zA-Z#+]+$"},
    {.rpc = "ReviewCode",
     .field = "code",
     .default_value = "def add(a, b):\n    return a + b",
     .min_len = 1,
     .max_len = 50000},
    {.rpc = "ReviewCode", .field = "language", .max_len = 50},
};

static void assert_text(const char *got, const char *want)
{
    assert_int_equal(got != NULL, want != NULL);
    if (got != NULL && want != NULL)
        assert_string_equal(got, want);
}

static void requests_have_defaults_and_rules(void **state)
{
    (void)state;
    size_t n = sizeof request_rows / sizeof request_rows[0], n_fields = 0;
    for (size_t i = 0; i < n; i++) {
        const struct request_row *row = &request_rows[i];
        const struct contract_field *field =
            field_named(method_named(row->rpc)->request, row->field);
        assert_text(field->default_value, row->default_value);
        assert_text(field->rules.pattern, row->pattern);
        assert_int_equal(field->rules.required, row->required);
        assert_int_equal(field->rules.min_len, row->min_len);
        assert_int_equal(field->rules.max_len, row->max_len);
        assert_int_equal(field->rules.uri, row->uri);
        assert_int_equal(field->default_subject, row->subject);
        assert_int_equal(field->prompt_max_len, row->prompt_max_len);
        assert_int_equal(field->prompt_trim, row->prompt_max_len > 0);
        assert_false(field->rules.has_gte || field->rules.has_lte || field->grpc_only);
        assert_int_equal(field->rules.n_in + field->rules.min_items + field->rules.max_items, 0);
    }
    for (size_t i = 0; i < weir_contract.n_methods; i++)
        if (!is_of_chat(&weir_contract.methods[i]))
            n_fields += weir_contract.methods[i].request->pb->n_fields;
    assert_int_equal(n_fields, n);
}

static const struct response_row {
    const char *rpc, *field, *from; /* the request field, or the constant */
    enum contract_source source;
} response_rows[] = {
    {"TellJoke", "joke", NULL, CONTRACT_FROM_TEXT},
    {"TellJoke", "username", "username", CONTRACT_FROM_REQUEST},
    {"TellJokeStream", "text", NULL, CONTRACT_FROM_TEXT},
    {"TellStory", "text", NULL, CONTRACT_FROM_TEXT},
    {"TranslateText", "original_text", "text", CONTRACT_FROM_REQUEST},
    {"TranslateText", "translated_text", NULL, CONTRACT_FROM_MODEL},
    {"TranslateText", "target_language", "target_language", CONTRACT_FROM_REQUEST},
    {"TranslateText", "confidence", NULL, CONTRACT_FROM_MODEL},
    {"DescribeImage", "description", NULL, CONTRACT_FROM_TEXT},
    {"DescribeImage", "image_url", "image_url", CONTRACT_FROM_REQUEST},
    {"GenerateCharacter", "name", NULL, CONTRACT_FROM_MODEL},
    {"GenerateCharacter", "back_story", NULL, CONTRACT_FROM_MODEL},
    {"GenerateCharacter", "abilities", NULL, CONTRACT_FROM_MODEL},
    {"GenerateCharacter", "skills", NULL, CONTRACT_FROM_MODEL},
    {"PirateChat", "answer", NULL, CONTRACT_FROM_TEXT},
    {"PirateChat", "persona", "pirate captain", CONTRACT_FROM_CONSTANT},
    {"GenerateCode", "code", NULL, CONTRACT_FROM_MODEL},
    {"GenerateCode", "language", NULL, CONTRACT_FROM_MODEL},
    {"GenerateCode", "explanation", NULL, CONTRACT_FROM_MODEL},
    {"GenerateCode", "filename", NULL, CONTRACT_FROM_MODEL},
    {"ReviewCode", "review", NULL, CONTRACT_FROM_JSON},
    {"ReviewCode", "summary", NULL, CONTRACT_FROM_MODEL},
    {"ReviewCode", "issues", NULL, CONTRACT_FROM_MODEL},
    {"ReviewCode", "score", NULL, CONTRACT_FROM_MODEL},
    {"ReviewCode", "language", NULL, CONTRACT_FROM_MODEL},
    {"Health", "status", "ok", CONTRACT_FROM_CONSTANT},
};

static void responses_have_sources(void **state)
{
    (void)state;
    size_t n = sizeof response_rows / sizeof response_rows[0], n_fields = 0;
    for (size_t i = 0; i < n; i++) {
        const struct response_row *row = &response_rows[i];
        const struct contract_method *method = method_named(row->rpc);
        const struct contract_field *field = field_named(method->response, row->field);
        bool copied = row->source == CONTRACT_FROM_REQUEST;
        assert_int_equal(field->source, row->source);
        assert_text(field->source_request, copied ? row->from : NULL);
        assert_text(field->source_constant, copied ? NULL : row->from);
        assert_int_equal(field->grpc_only, row->source == CONTRACT_FROM_JSON);
        if (row->source == CONTRACT_FROM_TEXT)
            assert_ptr_equal(&method->response->fields[method->text_field], field);
    }
    for (size_t i = 0; i < weir_contract.n_methods; i++)
        if (!is_of_chat(&weir_contract.methods[i]))
            n_fields += weir_contract.methods[i].response->pb->n_fields;
    assert_int_equal(n_fields, n);
}

static void check_json_names(const struct contract_message *type)
{
    for (size_t i = 0; i < type->pb->n_fields; i++) {
        const char *name = type->pb->fields[i].name;
        assert_string_equal(type->fields[i].json_name,
                            strcmp(name, "back_story") == 0 ? "backStory" : name);
        if (type->fields[i].message != NULL)
            check_json_names(type->fields[i].message);
    }
}

static void only_back_story_is_camel_cased(void **state)
{
    (void)state;
    for (size_t i = 0; i < weir_contract.n_methods; i++) {
        check_json_names(weir_contract.methods[i].request);
        check_json_names(weir_contract.methods[i].response);
    }
}

static void tables_agree_with_descriptors_and_schemas(void **state)
{
    (void)state;
    assert_int_equal(contract_check(&weir_contract), 4);
}

static void schemas_of_translation_and_character(void **state)
{
    (void)state;
    json_t *schema = schema_of("TranslateText");
    assert_json(schema, "{\"type\":\"object\",\"properties\":{"
                        "\"translated_text\":{\"type\":\"string\",\"minLength\":1,"
                        "\"description\":\"The text in the target language.\"},"
                        "\"confidence\":{\"type\":\"string\",\"minLength\":1,"
                        "\"enum\":[\"high\",\"medium\",\"low\"],"
                        "\"description\":\"How sure the model is of the translation.\"}},"
                        "\"required\":[\"translated_text\",\"confidence\"],"
                        "\"additionalProperties\":false}");
    json_decref(schema);
    schema = schema_of("GenerateCharacter");
    const json_t *members = json_object_get(schema, "properties");
    assert_json(json_object_get(schema, "required"),
                "[\"name\",\"backStory\",\"abilities\",\"skills\"]");
    assert_json(json_object_get(members, "abilities"),
                "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"minLength\":1},"
                "\"minItems\":1,\"maxItems\":10,\"description\":\"Three or four abilities.\"}");
    assert_json(json_object_get(members, "skills"),
                "{\"type\":\"object\",\"properties\":{"
                "\"strength\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":100},"
                "\"charisma\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":100},"
                "\"endurance\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":100}},"
                "\"required\":[\"strength\",\"charisma\",\"endurance\"],"
                "\"additionalProperties\":false}");
    json_decref(schema);
}

static void schemas_of_code_and_review(void **state)
{
    (void)state;
    json_t *schema = schema_of("GenerateCode");
    assert_json(json_object_get(schema, "required"),
                "[\"code\",\"language\",\"explanation\",\"filename\"]");
    json_decref(schema);
    schema = schema_of("ReviewCode");
    const json_t *members = json_object_get(schema, "properties");
    const json_t *issues = json_object_get(members, "issues");
    const json_t *issue = json_object_get(issues, "items");
    assert_null(json_object_get(members, "review"));
    assert_json(json_object_get(schema, "required"),
                "[\"summary\",\"issues\",\"score\",\"language\"]");
    assert_json(json_object_get(issues, "maxItems"), "100");
    assert_json(json_object_get(issue, "required"),
                "[\"severity\",\"line\",\"message\",\"suggestion\"]");
    assert_json(
        json_object_get(json_object_get(json_object_get(issue, "properties"), "severity"), "enum"),
        "[\"info\",\"warning\",\"error\"]");
    json_decref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_every_flow),
        cmocka_unit_test(chat_is_built_in),
        cmocka_unit_test(models_of_chat_are_built_in),
        cmocka_unit_test(requests_have_defaults_and_rules),
        cmocka_unit_test(responses_have_sources),
        cmocka_unit_test(only_back_story_is_camel_cased),
        cmocka_unit_test(tables_agree_with_descriptors_and_schemas),
        cmocka_unit_test(schemas_of_translation_and_character),
        cmocka_unit_test(schemas_of_code_and_review),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
