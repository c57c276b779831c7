/* The table of routes over the sample flows: exact paths, and what each may be asked. */
#include "rest/rest_routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct rest_routes routes;

static int set_up(void **state)
{
    (void)state;
    rest_routes_init(&routes, &weir_contract);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rest_routes_fini(&routes);
    return 0;
}

static const struct rest_route *found(const char *path)
{
    return rest_routes_find(&routes, span_of(path));
}

static void every_route_of_the_contract_is_there(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t i = 0; i < weir_contract.n_methods; i++)
        for (size_t j = 0; j < weir_contract.methods[i].n_routes; j++, n++) {
            const struct contract_method *method = &weir_contract.methods[i];
            char path[128];
            (void)snprintf(path, sizeof path, "%s%s", method->routes[j].path,
                           method->routes[j].open ? "x" : "");
            const struct rest_route *route = found(path);
            bool get = strcmp(method->routes[j].verb, "GET") == 0;
            assert_non_null(route);
            assert_true(span_is(route->path, method->routes[j].path));
            assert_ptr_equal(get ? route->get : route->post, method);
            assert_ptr_equal(get ? route->post : route->get, NULL);
            assert_int_equal(route->system, REST_NO_SYSTEM);
            assert_string_equal(rest_route_allow(route),
                                get ? "GET, HEAD, OPTIONS" : "POST, OPTIONS");
        }
    assert_int_equal(n, 17);
}

static void open_routes_have_what_is_below(void **state)
{
    static const char *const names[] = {"/v1/models/a", "/v1/models/a/b%2fc", "/v1/models//",
                                        "/v1/models/\xff"};
    (void)state;
    const struct rest_route *list = found("/v1/models");
    assert_non_null(list);
    assert_string_equal(list->get->rpc_name, "ListModels");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_non_null(found(names[i]));
        assert_string_equal(found(names[i])->get->rpc_name, "GetModel");
    }
    assert_null(found("/v1/models/"));
    assert_null(found("/v1/modelsa"));
    assert_null(found("/v1/model"));
}

static void weir_answers_some_by_itself(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum rest_system system;
    } own[] = {
        {"/ready", REST_READY}, {"/readyz", REST_READY},    {"/health/ready", REST_READY},
        {"/_up", REST_UP},      {"/version", REST_VERSION},
    };
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        const struct rest_route *route = found(own[i].path);
        assert_non_null(route);
        assert_int_equal(route->system, own[i].system);
        assert_null(route->get);
        assert_null(route->post);
        assert_string_equal(rest_route_allow(route), "GET, HEAD, OPTIONS");
    }
}

static void every_rpc_has_a_path(void **state)
{
    (void)state;
    for (size_t i = 0; i < weir_contract.n_methods; i++) {
        const struct rest_route *route = found(weir_contract.methods[i].rpc_path);
        assert_non_null(route);
        assert_ptr_equal(route->rpc, &weir_contract.methods[i]);
        assert_null(route->get);
        assert_null(route->post);
        assert_string_equal(rest_route_allow(route), "POST, OPTIONS");
    }
}

/* Nothing is decoded, folded, trimmed or walked. */
static void paths_are_exact(void **state)
{
    (void)state;
    static const char *const others[] = {
        "",
        "/",
        "*",
        "/tell-jok",
        "/tell-joke/",
        "//chat",
        "/Chat",
        "/chat?",
        "/tell-joke/streams",
        "/../chat",
        "/./chat",
        "/%63hat",
        " /chat",
        "/tell-joke%2fstream",
        "/chat\n",
        "/tell-joke/../chat",
        "/docs",
        "/openapi.json",
        "/weir.v1.FlowService",
        "/weir.v1.FlowService/TellJokes",
        "/weir.v1.flowservice/TellJoke",
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (found(others[i]) != NULL)
            fail_msg("%s is a route", others[i]);
    assert_non_null(found("/tell-joke/stream"));
    assert_null(rest_routes_find(&routes, span_make("/chat\0", 6)));
    assert_non_null(rest_routes_find(&routes, span_make("/chat/x", 5)));
}

/* A table that was full would make a look-up endless. */
static void many_routes(void **state)
{
    (void)state;
    enum { MANY = 300 };
    static char paths[MANY][32];
    static struct contract_route posts[MANY];
    const struct contract_method get = {.rpc_path = "/s/Get",
                                        .routes = &(struct contract_route){"GET", "/p/7", false},
                                        .n_routes = 1};
    struct contract_method methods[2] = {{.rpc_path = "/s/Post", .routes = posts, .n_routes = MANY},
                                         get};
    const struct contract contract = {.methods = methods, .n_methods = 2};
    struct rest_routes table;
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "/p/%d", i);
        posts[i] = (struct contract_route){"POST", paths[i], false};
    }
    rest_routes_init(&table, &contract);
    for (int i = 0; i < MANY; i++) {
        const struct rest_route *route = rest_routes_find(&table, span_of(paths[i]));
        assert_non_null(route);
        assert_ptr_equal(route->post, &methods[0]);
        assert_ptr_equal(route->get, i == 7 ? &methods[1] : NULL);
    }
    assert_string_equal(rest_route_allow(rest_routes_find(&table, span_of("/p/7"))),
                        "GET, HEAD, POST, OPTIONS");
    for (int i = MANY; i < 10 * MANY; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "/p/%d", i);
        assert_null(rest_routes_find(&table, span_of(path)));
    }
    rest_routes_fini(&table);
}

static void documents_answer_get(void **state)
{
    (void)state;
    static const struct span body = SPAN_LITERAL("text");
    static const char *const paths[REST_ROUTES_DOCUMENTS] = {"/a", "/b", "/c", "/d",
                                                             "/e", "/f", "/g", "/h"};
    static struct rest_document documents[REST_ROUTES_DOCUMENTS];
    const struct contract nothing = {0};
    struct rest_routes table;
    rest_routes_init(&table, &nothing);
    for (size_t i = 0; i < REST_ROUTES_DOCUMENTS; i++) {
        documents[i] = (struct rest_document){paths[i], "text/plain", NULL, &body};
        assert_null(rest_routes_find(&table, span_of(paths[i])));
        rest_routes_add(&table, &documents[i]);
    }
    for (size_t i = 0; i < REST_ROUTES_DOCUMENTS; i++) {
        const struct rest_route *route = rest_routes_find(&table, span_of(paths[i]));
        assert_non_null(route);
        assert_ptr_equal(route->document, &documents[i]);
        assert_true(rest_route_has_get(route));
        assert_string_equal(rest_route_allow(route), "GET, HEAD, OPTIONS");
    }
    assert_null(rest_routes_find(&table, span_of("/i")));
    rest_routes_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_route_of_the_contract_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open_routes_have_what_is_below, set_up, tear_down),
        cmocka_unit_test_setup_teardown(weir_answers_some_by_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_rpc_has_a_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(paths_are_exact, set_up, tear_down),
        cmocka_unit_test(many_routes),
        cmocka_unit_test(documents_answer_get),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
