/* Which dialect a request speaks, from its route and its headers. */
#include "rest/rest_dialect.h"

#include "rest/rest_routes.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct contract_method unary = {.streams = false}, stream = {.streams = true};
static const struct rest_route plain_route = {.post = &unary}, unary_route = {.rpc = &unary},
                               stream_route = {.rpc = &stream};

static const struct contract_method chat = {.kind = CONTRACT_CHAT},
                                    models = {.kind = CONTRACT_MODELS};
static const struct rest_route chat_route = {.post = &chat}, models_route = {.get = &models},
                               chat_rpc_route = {.rpc = &chat};

static const char *path = "/somewhere";

static void assert_speech(const struct rest_route *route, const char *type, const char *version,
                          const struct rest_dialect *dialect, const char *answer_type,
                          bool understood)
{
    struct rest_speech speech =
        rest_speech_of(route, span_of(path), span_of(type), span_of(version));
    assert_ptr_equal(speech.dialect, dialect);
    assert_int_equal(speech.understood, understood);
    if (answer_type == NULL)
        assert_null(speech.type);
    else
        assert_string_equal(speech.type->name, answer_type);
}

static void test_plain_routes_are_plain(void **state)
{
    (void)state;
    assert_speech(&plain_route, "application/json", "1", &rest_plain, NULL, true);
    assert_speech(&plain_route, "application/grpc-web", NULL, &rest_plain, NULL, true);
    assert_speech(&plain_route, NULL, NULL, &rest_plain, NULL, true);
}

static void test_unary(void **state)
{
    (void)state;
    assert_speech(&unary_route, "application/json", NULL, &rest_connect, "application/json", true);
    assert_speech(&unary_route, "application/proto", "1", &rest_connect, "application/proto", true);
    assert_speech(&unary_route, "application/grpc-web", NULL, &rest_grpc_web,
                  "application/grpc-web", true);
    assert_speech(&unary_route, "application/grpc-web-text+proto", NULL, &rest_grpc_web,
                  "application/grpc-web-text+proto", true);
    assert_speech(&unary_route, "application/connect+json", NULL, &rest_connect, "application/json",
                  false);
    assert_speech(&unary_route, NULL, NULL, &rest_connect, "application/json", false);
    assert_speech(&unary_route, "application/grpc", NULL, &rest_connect, "application/json", false);
}

static void test_streams(void **state)
{
    (void)state;
    assert_speech(&stream_route, "application/connect+json", NULL, &rest_connect_stream,
                  "application/connect+json", true);
    assert_speech(&stream_route, "application/connect+proto", NULL, &rest_connect_stream,
                  "application/connect+proto", true);
    assert_speech(&stream_route, "application/grpc-web-text", NULL, &rest_grpc_web,
                  "application/grpc-web-text", true);
    assert_speech(&stream_route, "application/json", "1", &rest_connect, "application/json", false);
    assert_speech(&stream_route, "application/grpc-web+json", NULL, &rest_grpc_web,
                  "application/grpc-web", false);
}

static void test_no_route(void **state)
{
    (void)state;
    assert_speech(NULL, "application/json", NULL, &rest_plain, NULL, true);
    assert_speech(NULL, "text/plain", "1", &rest_plain, NULL, true);
    assert_speech(NULL, NULL, NULL, &rest_plain, NULL, true);
    assert_speech(NULL, "application/json", "1", &rest_connect, "application/json", true);
    assert_speech(NULL, "application/proto", NULL, &rest_connect, "application/proto", true);
    assert_speech(NULL, "application/connect+json", NULL, &rest_connect_stream,
                  "application/connect+json", true);
    assert_speech(NULL, "application/grpc-web", NULL, &rest_grpc_web, "application/grpc-web", true);
    assert_speech(NULL, "application/grpc-web+xml", NULL, &rest_grpc_web, "application/grpc-web",
                  false);
}

/* Whatever else the headers say: OpenAI's clients read nothing else. */
static void test_openai(void **state)
{
    static const char *const below[] = {"/v1/embeddings", "/v1/chat/", "/v1/"},
                             *const others[] = {"/v1", "/v2/chat/completions", "/V1/models", ""};
    (void)state;
    assert_speech(&chat_route, "application/json", NULL, &rest_openai, NULL, true);
    assert_speech(&chat_route, "application/grpc-web", "1", &rest_openai, NULL, true);
    assert_speech(&models_route, NULL, NULL, &rest_openai, NULL, true);
    assert_speech(&chat_rpc_route, "application/json", NULL, &rest_connect, "application/json",
                  true);
    for (size_t i = 0; i < sizeof below / sizeof below[0]; i++) {
        path = below[i];
        assert_speech(NULL, "application/json", NULL, &rest_openai, NULL, true);
        assert_speech(NULL, NULL, NULL, &rest_openai, NULL, true);
        assert_speech(&plain_route, NULL, NULL, &rest_plain, NULL, true);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        path = others[i];
        assert_speech(NULL, "application/json", NULL, &rest_plain, NULL, true);
    }
    path = "/somewhere";
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_routes_are_plain),
        cmocka_unit_test(test_unary),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_no_route),
        cmocka_unit_test(test_openai),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
