/* What is counted about requests, with a made-up contract and a port that is only a name. */
#include "shared/pipeline/meters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct contract_method methods[] = {
    {.flow = "tell", .index = 0},
    {.flow = "tell", .streams = true, .index = 1},
    {.flow = "draw", .limit = CONTRACT_LIMIT_HEAVY, .index = 2},
};
static const struct contract contract = {.methods = methods, .n_methods = 3};
static const struct port rest = {.protocol = "rest"}, grpc = {.protocol = "grpc"};
static struct meters *sets[2];
static struct buf out;

static int setup(void **state)
{
    (void)state;
    sets[0] = meters_new(&contract);
    sets[1] = meters_new(&contract);
    buf_init(&out, NULL, 1024 * 1024);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sets[0] = meters_free(sets[0]);
    sets[1] = meters_free(sets[1]);
    assert_null(meters_free(NULL));
    buf_fini(&out);
    return 0;
}

static void end_one(struct meters *meters, const struct port *port,
                    const struct contract_method *method, enum verdict_code code)
{
    struct verdict verdict = verdict_of(code);
    struct request request = {.port = port,
                              .given.method = method,
                              .model.usage = {.input_tokens = 10, .output_tokens = 3}};
    meters_request(meters, &request, &verdict, 3000000);
}

static void write_all(void)
{
    const struct meters *const all[] = {sets[0], sets[1]};
    struct exposition exposition = {.out = &out};
    buf_clear(&out);
    meters_write(&exposition, all, 2);
    assert_false(out.overflow);
    buf_put_char(&out, '\0');
}

static void assert_line(const char *line)
{
    char text[256];
    (void)snprintf(text, sizeof text, "\n%s\n", line);
    if (strstr(out.at, text) == NULL)
        fail_msg("no line %s in\n%s", line, out.at);
}

static void test_requests(void **state)
{
    (void)state;
    end_one(sets[0], &rest, &methods[0], VERDICT_OK);
    end_one(sets[1], &rest, &methods[1], VERDICT_OK);
    end_one(sets[1], &grpc, &methods[0], VERDICT_TIMED_OUT);
    end_one(sets[0], &grpc, &methods[0], VERDICT_UPSTREAM_TIMED_OUT);
    end_one(sets[0], &rest, NULL, VERDICT_NO_ROUTE);
    write_all();
    assert_line("weir_requests_total{protocol=\"rest\",flow=\"tell\",code=\"OK\"} 2");
    assert_line("weir_requests_total{protocol=\"rest\",flow=\"draw\",code=\"OK\"} 0");
    assert_line(
        "weir_requests_total{protocol=\"grpc\",flow=\"tell\",code=\"DEADLINE_EXCEEDED\"} 2");
    assert_line("weir_requests_total{protocol=\"rest\",flow=\"other\",code=\"NOT_FOUND\"} 1");
    assert_null(strstr(out.at, "flow=\"other\",code=\"OK\""));
    assert_line("weir_request_ends_total{end=\"UPSTREAM_TIMED_OUT\"} 1");
    assert_line("weir_request_duration_seconds_count{protocol=\"rest\",flow=\"tell\"} 2");
    assert_line("weir_request_duration_seconds_sum{protocol=\"rest\",flow=\"tell\"} 0.006");
    assert_line("weir_tokens_total{direction=\"input\"} 50");
    assert_line("weir_tokens_total{direction=\"output\"} 15");
}

static void test_in_flight(void **state)
{
    (void)state;
    const struct meters *const all[] = {sets[0], sets[1]};
    meters_begun(sets[0]);
    meters_begun(sets[1]);
    meters_ended(sets[1]);
    assert_int_equal(meters_in_flight(all, 2), 1);
    meters_ended(sets[0]);
    assert_int_equal(meters_in_flight(all, 2), 0);
    write_all();
    assert_line("weir_requests_in_flight 0");
}

static void test_classes_of_limits(void **state)
{
    (void)state;
    struct verdict verdict = verdict_of(VERDICT_RATE_LIMITED);
    struct request request = {.port = &rest, .given.method = &methods[0]};
    meters_request(sets[0], &request, &verdict, 0);
    request.identity.kind = IDENTITY_TOKEN;
    meters_request(sets[0], &request, &verdict, 0);
    request.identity.kind = IDENTITY_API_KEY;
    meters_request(sets[0], &request, &verdict, 0);
    request.given.method = &methods[2];
    meters_request(sets[0], &request, &verdict, 0);
    write_all();
    assert_line("weir_rate_limited_total{class=\"public\"} 1");
    assert_line("weir_rate_limited_total{class=\"authenticated\"} 1");
    assert_line("weir_rate_limited_total{class=\"api_key\"} 1");
    assert_line("weir_rate_limited_total{class=\"heavy\"} 1");
}

static void test_calls(void **state)
{
    (void)state;
    char provider[] = "openai"; /* told apart by their text */
    meters_upstream(sets[0], "openai", "done", 2000000000);
    meters_upstream(sets[1], provider, "done", 1000000000);
    meters_upstream(sets[1], "openai", "timed_out", 1);
    write_all();
    assert_line("weir_upstream_calls_total{provider=\"openai\",end=\"done\"} 2");
    assert_line("weir_upstream_calls_total{provider=\"openai\",end=\"timed_out\"} 1");
    assert_line("weir_upstream_duration_seconds_sum{provider=\"openai\",end=\"done\"} 3.0");
}

/* More pairs than there are places: nothing is lost, and nothing grows. */
static void test_too_many_kinds_of_calls(void **state)
{
    (void)state;
    static char names[300][16];
    for (size_t i = 0; i < 300; i++) {
        (void)snprintf(names[i], sizeof names[i], "p%zu", i);
        meters_upstream(sets[0], names[i], "done", 1);
    }
    write_all();
    assert_line("weir_upstream_calls_total{provider=\"p0\",end=\"done\"} 1");
    assert_line("weir_upstream_calls_total{provider=\"other\",end=\"other\"} 205");
}

static void test_nothing_is_counted_without_a_set(void **state)
{
    (void)state;
    meters_begun(NULL);
    meters_ended(NULL);
    end_one(NULL, &rest, &methods[0], VERDICT_OK);
    meters_upstream(NULL, "openai", "done", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_flight, setup, teardown),
        cmocka_unit_test_setup_teardown(test_classes_of_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_kinds_of_calls, setup, teardown),
        cmocka_unit_test(test_nothing_is_counted_without_a_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
