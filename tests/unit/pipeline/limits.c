/* The steps that limit, over a fake port and a fake clock: who is counted, against which rate, and
 * that every way out gives back what was taken. */
#include "shared/pipeline/limits.h"
#include "shared/pipeline/step.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

const char weir_version[] = "1.2.3"; /* the model's client wants one */

#define SECOND UINT64_C(1000000000)

static uint64_t now_ns;

static uint64_t fake_now_ns(void)
{
    return now_ns;
}

static const char *forwarded; /* X-Forwarded-For of the next requests; NULL: none */

static size_t fake_metadata(const struct request *request, const char *name, struct span *values,
                            size_t most)
{
    (void)request;
    if (strcmp(name, "x-forwarded-for") != 0 || forwarded == NULL || most == 0)
        return 0;
    values[0] = span_of(forwarded);
    return 1;
}

static void fake_finish(struct request *request, const struct verdict *verdict)
{
    (void)request;
    (void)verdict;
}

static const struct port fake_port = {
    .protocol = "fake", .metadata = fake_metadata, .finish = fake_finish};

static const struct contract_method plain = {.flow = "plain", .limit = CONTRACT_LIMIT_DEFAULT};
static const struct contract_method heavy = {.flow = "heavy", .limit = CONTRACT_LIMIT_HEAVY};
static const struct contract_method health = {.flow = "health", .limit = CONTRACT_LIMIT_EXEMPT};

static struct core core;
static struct core_worker worker = {.core = &core};

static const struct limits_settings settings = {
    .rates_on = true,
    .anonymous = {60, 60 * SECOND},
    .authenticated = {600, 60 * SECOND},
    .api_key = {10, SECOND},
    .heavy = {10, 60 * SECOND},
    .burst = {100, SECOND},
    .block_threshold = {10, 60 * SECOND},
    .most_flows = 1000,
    .most_urls = 5,
    .most_phones = 3,
    .client = {.hops = 1},
};

static int set_up(void **state)
{
    (void)state;
    core = (struct core){.now_ns = fake_now_ns};
    core.limits = limits_new(&settings);
    now_ns = 1000 * SECOND;
    forwarded = NULL;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    core.limits = limits_free(core.limits);
    return 0;
}

static const struct identity nobody = {.kind = IDENTITY_NONE};

static struct identity known(enum identity_kind kind, const char *tenant, const char *subject)
{
    return (struct identity){.kind = kind, .tenant = span_of(tenant), .subject = span_of(subject)};
}

/* One request through both steps; how it ends is up to `end` if they let it pass. */
static struct verdict run(const struct contract_method *method, const char *address,
                          struct identity identity, enum verdict_code end)
{
    static char policy[256];
    struct request request;
    struct verdict verdict = {.code = end};
    forwarded = address;
    request_init(&request, &worker, &fake_port);
    request.given.method = method;
    limits_find_client(&request);
    if (step_address(&request, &verdict) == STEP_NEXT) {
        request.identity = identity;
        request.presented_bad = end == VERDICT_UNAUTHENTICATED;
        if (end != VERDICT_UNAUTHENTICATED && step_subject(&request, &verdict) == STEP_NEXT)
            verdict.code = end;
    }
    limits_settle(&request, &verdict);
    assert_false(request.counted);
    policy[0] = '\0';
    if (request.n_notes > 0)
        (void)strncat(policy, request.notes[0].value.at, request.notes[0].value.len);
    verdict.detail = span_of(policy); /* for the tests to look at */
    request_fini(&request);
    return verdict;
}

/* How many of many calls at one moment pass. */
static unsigned passes(const struct contract_method *method, const char *address,
                       struct identity identity)
{
    unsigned n = 0;
    for (int i = 0; i < 2000; i++) {
        struct verdict verdict = run(method, address, identity, VERDICT_OK);
        n += verdict.code == VERDICT_OK ? 1 : 0;
        if (verdict.code != VERDICT_OK)
            break;
    }
    return n;
}

static void test_each_kind_of_caller_has_its_rate(void **state)
{
    (void)state;
    assert_int_equal(passes(&plain, "192.0.2.1", nobody), 60);
    assert_int_equal(passes(&plain, "192.0.2.1", known(IDENTITY_TOKEN, "t", "s")), 600);
    assert_int_equal(passes(&plain, "192.0.2.1", known(IDENTITY_CERTIFICATE, "t", "s")), 600);
    assert_int_equal(passes(&plain, "192.0.2.1", known(IDENTITY_API_KEY, "t", "s")), 10);
    struct identity own = known(IDENTITY_API_KEY, "t", "own");
    own.limit_count = 25;
    own.limit_period_ms = 60000;
    assert_int_equal(passes(&plain, "192.0.2.1", own), 25);
    assert_string_equal(run(&plain, "192.0.2.1", own, VERDICT_OK).detail.at,
                        "\"api-key\";q=25;w=60");
    own.subject = span_of("huge");
    own.limit_count = (UINT64_C(1) << 32) + 5;
    assert_int_equal(passes(&plain, "192.0.2.1", own), 2000);
}

static void test_heavy_flows_have_their_own_for_everybody(void **state)
{
    (void)state;
    assert_int_equal(passes(&heavy, "192.0.2.1", nobody), 10);
    assert_int_equal(passes(&plain, "192.0.2.1", nobody), 50);
    assert_int_equal(passes(&heavy, "192.0.2.1", known(IDENTITY_TOKEN, "t", "s")), 10);
    struct verdict verdict = run(&heavy, "192.0.2.1", known(IDENTITY_TOKEN, "t", "s"), VERDICT_OK);
    assert_int_equal(verdict.code, VERDICT_RATE_LIMITED);
    assert_int_equal(verdict.retry_after_ms, 6000);
    assert_string_equal(verdict.detail.at, "\"authenticated\";q=600;w=60, \"heavy\";q=10;w=60");
}

/* An identity is counted wherever it calls from, and no two of them as one. */
static void test_who_is_who(void **state)
{
    (void)state;
    assert_int_equal(passes(&heavy, "192.0.2.1", known(IDENTITY_TOKEN, "ab", "c")), 10);
    assert_int_equal(passes(&heavy, "192.0.2.2", known(IDENTITY_TOKEN, "ab", "c")), 0);
    assert_int_equal(passes(&heavy, "192.0.2.1", known(IDENTITY_TOKEN, "a", "bc")), 10);
    assert_int_equal(passes(&heavy, "192.0.2.1", known(IDENTITY_TOKEN, "a:b", "c")), 10);
    assert_int_equal(passes(&heavy, "192.0.2.1", known(IDENTITY_TOKEN, "other", "c")), 10);
    assert_int_equal(passes(&heavy, "192.0.2.1", known(IDENTITY_CERTIFICATE, "ab", "c")), 10);
    assert_int_equal(passes(&heavy, "192.0.2.1", nobody), 10);
    assert_int_equal(passes(&heavy, "192.0.2.2", nobody), 10);
    assert_int_equal(passes(&heavy, "::ffff:192.0.2.2", nobody), 0);
    assert_int_equal(passes(&heavy, "2001:db8:0:1::1", nobody), 10);
    assert_int_equal(passes(&heavy, "2001:db8:0:1:f::2", nobody), 0);
    assert_int_equal(passes(&heavy, "2001:db8:0:2::1", nobody), 10);
}

/* 50 bad tokens: 30 are looked at, then none of the address for a while. */
static void test_bad_credentials_meet_the_limiter(void **state)
{
    unsigned looked_at = 0;
    (void)state;
    for (int i = 0; i < 50; i++)
        looked_at += run(&plain, "192.0.2.1", nobody, VERDICT_UNAUTHENTICATED).code ==
                             VERDICT_UNAUTHENTICATED
                         ? 1
                         : 0;
    assert_int_equal(looked_at, 30);
    struct verdict verdict = run(&plain, "192.0.2.1", nobody, VERDICT_OK);
    assert_int_equal(verdict.code, VERDICT_RATE_LIMITED);
    assert_int_equal(verdict.retry_after_ms, 2000);
    assert_string_equal(verdict.detail.at, "\"credentials\";q=30;w=60");
    /* Other addresses feel nothing, and the calls of this one are still its own. */
    assert_int_equal(run(&plain, "192.0.2.2", nobody, VERDICT_UNAUTHENTICATED).code,
                     VERDICT_UNAUTHENTICATED);
    now_ns += 2 * SECOND;
    assert_int_equal(passes(&plain, "192.0.2.1", nobody), 60);
}

/* Any number of honest users behind one address: good credentials cost it nothing. */
static void test_many_users_behind_one_address(void **state)
{
    char subject[16];
    (void)state;
    for (int user = 0; user < 200; user++) {
        (void)snprintf(subject, sizeof subject, "user-%d", user);
        for (int i = 0; i < 20; i++)
            assert_int_equal(
                run(&plain, "192.0.2.1", known(IDENTITY_TOKEN, "t", subject), VERDICT_OK).code,
                VERDICT_OK);
    }
    assert_int_equal(passes(&plain, "192.0.2.1", nobody), 60);
    /* Nor do those who have used up the address's anonymous calls stand in their way. */
    assert_int_equal(run(&plain, "192.0.2.1", known(IDENTITY_TOKEN, "t", "late"), VERDICT_OK).code,
                     VERDICT_OK);
}

static void test_health_is_never_limited(void **state)
{
    (void)state;
    (void)passes(&plain, "192.0.2.1", nobody);
    for (int i = 0; i < 50; i++)
        (void)run(&plain, "192.0.2.1", nobody, VERDICT_UNAUTHENTICATED);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(run(&health, "192.0.2.1", nobody, VERDICT_OK).code, VERDICT_OK);
    /* Nor does it take a place among the flows. */
    struct limits_settings none = settings;
    none.most_flows = 0;
    core.limits = limits_free(core.limits);
    core.limits = limits_new(&none);
    assert_int_equal(run(&health, "192.0.2.1", nobody, VERDICT_OK).code, VERDICT_OK);
    struct verdict verdict = run(&plain, "192.0.2.1", nobody, VERDICT_OK);
    assert_int_equal(verdict.code, VERDICT_OVERLOADED);
    assert_int_equal(verdict.retry_after_ms, 1000);
}

static void test_what_is_shed_costs_no_calls(void **state)
{
    (void)state;
    core.limits->flows.most = 0;
    for (int i = 0; i < 100; i++)
        assert_int_equal(run(&plain, "192.0.2.1", nobody, VERDICT_OK).code, VERDICT_OVERLOADED);
    core.limits->flows.most = 1;
    assert_int_equal(passes(&plain, "192.0.2.1", nobody), 60);
}

static void test_who_hammers_on_is_blocked(void **state)
{
    unsigned limited = 0;
    struct verdict verdict;
    (void)state;
    assert_int_equal(passes(&plain, "192.0.2.1", nobody), 60);
    do {
        verdict = run(&plain, "192.0.2.1", nobody, VERDICT_OK);
        limited += verdict.code == VERDICT_RATE_LIMITED ? 1 : 0;
    } while (verdict.code == VERDICT_RATE_LIMITED && limited < 1000);
    assert_int_equal(limited + 1, 100 + 10); /* one of them was passes()' own */
    assert_int_equal(verdict.code, VERDICT_BLOCKED);
    assert_int_equal(verdict.retry_after_ms, 60000);
    assert_int_equal(run(&plain, "192.0.2.1", known(IDENTITY_TOKEN, "t", "s"), VERDICT_OK).code,
                     VERDICT_OK);
    now_ns += 60 * SECOND;
    assert_int_equal(run(&plain, "192.0.2.1", nobody, VERDICT_OK).code, VERDICT_OK);
}

static void test_rates_off(void **state)
{
    struct limits_settings off = settings;
    (void)state;
    off.rates_on = false;
    core.limits = limits_free(core.limits);
    core.limits = limits_new(&off);
    assert_int_equal(passes(&heavy, "192.0.2.1", nobody), 2000);
    for (int i = 0; i < 100; i++)
        assert_int_equal(run(&plain, "192.0.2.1", nobody, VERDICT_UNAUTHENTICATED).code,
                         VERDICT_UNAUTHENTICATED);
}

static void test_the_allow_list_is_about_the_client(void **state)
{
    struct limits_settings listed = settings;
    struct span wrong;
    (void)state;
    core.limits = limits_free(core.limits);
    assert_true(cidr_list_parse(span_of("192.0.2.0/24"), &listed.allowed, &wrong));
    core.limits = limits_new(&listed);
    assert_int_equal(run(&plain, "192.0.2.1", nobody, VERDICT_OK).code, VERDICT_OK);
    assert_int_equal(run(&plain, "192.0.3.1", nobody, VERDICT_OK).code, VERDICT_FORBIDDEN_ADDRESS);
    assert_int_equal(run(&plain, NULL, nobody, VERDICT_OK).code, VERDICT_FORBIDDEN_ADDRESS);
    assert_int_equal(run(&health, "192.0.3.1", nobody, VERDICT_OK).code, VERDICT_OK);
}

static void test_without_limits_everything_passes(void **state)
{
    (void)state;
    core.limits = limits_free(core.limits);
    assert_int_equal(passes(&heavy, "192.0.2.1", nobody), 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_each_kind_of_caller_has_its_rate),
        TEST(test_heavy_flows_have_their_own_for_everybody),
        TEST(test_who_is_who),
        TEST(test_bad_credentials_meet_the_limiter),
        TEST(test_many_users_behind_one_address),
        TEST(test_health_is_never_limited),
        TEST(test_what_is_shed_costs_no_calls),
        TEST(test_who_hammers_on_is_blocked),
        TEST(test_rates_off),
        TEST(test_the_allow_list_is_about_the_client),
        TEST(test_without_limits_everything_passes),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
