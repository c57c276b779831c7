/* The steps identity and scope over a fake port: who passes, who is told what, and requests that
 * wait for fresh keys and leave, run out of time, or are told. */
#include "shared/pipeline/key_refresh.h"
#include "shared/policy/authenticator.h"
#include "tests/unit/pipeline/walk_kit.h"
#include "tests/unit/policy/mint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "0123456789abcdef0123456789abcdef"
#define CLAIMS                                                                                     \
    "{\"sub\":\"ada\",\"tenant\":\"acme\",\"scope\":\"flow:tell_joke\",\"exp\":1800000100}"
/* --- the fake refresh --- */

static struct key_waiter *waiting;
static bool takes_waiters;

static bool fake_ask(struct key_refresh *refresh, struct key_waiter *waiter)
{
    (void)refresh;
    if (!takes_waiters)
        return false;
    assert_null(waiting);
    waiting = waiter;
    return true;
}

static void refreshed(void)
{
    struct key_waiter *waiter = waiting;
    assert_non_null(waiter);
    waiting = NULL;
    waiter->task.run(&waiter->task);
}

/* --- the stage --- */

static struct key_refresh refresh = {.ask = fake_ask};
static EVP_PKEY *rsa;
static struct certificate *certificate; /* NULL: the client shows none */
static char *good, *foreign, value[2][1024];

static void use_keys(bool with_rsa)
{
    char problem[KEYSET_PROBLEM_BYTES];
    struct keyset *set = keyset_new();
    assert_true(keyset_add_secret(set, span_of(SECRET), problem));
    if (with_rsa) {
        char *jwk = mint_jwk(rsa, "new", ""), *text = NULL;
        assert_true(asprintf(&text, "{\"keys\":[%s]}", jwk) > 0);
        assert_true(keyset_add_jwks(set, span_of(text), problem));
        free(text);
        free(jwk);
    }
    keyring_put(&walk.core.authenticator->keyring, set);
}

static int set_up_group(void **state)
{
    (void)walk_set_up_group(state);
    walk.now_s = 1800000000;
    walk.core.key_refresh = &refresh;
    walk.core.authenticator->rules.algorithms =
        algorithm_bit(ALGORITHM_HS256) | algorithm_bit(ALGORITHM_RS256);
    rsa = mint_rsa(2048);
    good = mint_token("{\"alg\":\"HS256\"}", CLAIMS, ALGORITHM_HS256, NULL, SECRET);
    foreign = mint_token("{\"alg\":\"RS256\",\"kid\":\"new\"}", CLAIMS, ALGORITHM_RS256, rsa, NULL);
    return 0;
}

static int tear_down_group(void **state)
{
    certificate = certificate_unref(certificate);
    EVP_PKEY_free(rsa);
    free(good);
    free(foreign);
    return walk_tear_down_group(state);
}

static int set_up(void **state)
{
    struct authenticator *authenticator = walk.core.authenticator;
    takes_waiters = false;
    certificate = certificate_unref(certificate);
    free(authenticator->certificate_scopes);
    authenticator->certificate_scopes = NULL;
    authenticator->required = authenticator->by_token = true;
    authenticator->by_apikey = false;
    use_keys(false);
    return walk_set_up(state);
}

static int tear_down(void **state)
{
    assert_null(waiting);
    return walk_tear_down(state);
}

static struct request *begin(const char *rpc)
{
    struct request *request = walk_make(rpc, "");
    request->given.certificate = certificate;
    request_begin(request);
    return request;
}

static void present(const char *token)
{
    size_t n = walk.headers.n_authorization++;
    (void)snprintf(value[n], sizeof value[0], "Bearer %s", token);
    walk.headers.authorization[n] = span_of(value[n]);
}

static void assert_refused(enum verdict_code code, const char *error)
{
    assert_ended(code);
    assert_int_equal(model.calls, 0);
    if (error == NULL)
        assert_null(strstr(walk.challenge, "error="));
    else if (strstr(walk.challenge, error) == NULL)
        fail_msg("%s", walk.challenge);
}

/* The model was asked; ends the request. */
static void assert_passed(struct request *request, enum identity_kind kind)
{
    assert_int_equal(model.calls, 1);
    assert_int_equal(walk.finishes, 0);
    assert_int_equal(request->identity.kind, kind);
    request_abandon(request);
}

static void test_known(void **state)
{
    (void)state;
    present(good);
    struct request *request = begin("TellJoke");
    assert_true(span_is(request->identity.tenant, "acme"));
    assert_passed(request, IDENTITY_TOKEN);
}

static void test_nobody(void **state)
{
    (void)state;
    begin("TellJoke");
    assert_refused(VERDICT_UNAUTHENTICATED, NULL);
    assert_string_equal(walk.challenge, "Bearer realm=\"weir\"");
}

static void test_nobody_where_nobody_is_required(void **state)
{
    (void)state;
    walk.core.authenticator->required = false;
    assert_passed(begin("TellJoke"), IDENTITY_NONE);
    model.calls = walk.finishes = 0;
    present("a.b.c");
    begin("TellJoke");
    assert_refused(VERDICT_UNAUTHENTICATED, "invalid_token");
}

static void show_certificate(const char *name, const char *scopes)
{
    certificate = certificate_new(span_of(name), false);
    walk.core.authenticator->certificate_scopes = scopes != NULL ? strdup(scopes) : NULL;
}

static void test_certificate(void **state)
{
    (void)state;
    show_certificate("CN=till 4,O=Shop", "flow:tell_joke");
    struct request *request = begin("TellJoke");
    assert_true(span_is(request->identity.tenant, "CN=till 4,O=Shop"));
    assert_true(span_is(request->identity.subject, "CN=till 4,O=Shop"));
    assert_passed(request, IDENTITY_CERTIFICATE);
    model.calls = walk.finishes = 0;
    begin("TranslateText");
    assert_refused(VERDICT_FORBIDDEN_SCOPE, "scope=\"flow:translate_text\"");
    /* It names its holder where nobody is required and nothing else is a way to be known, too. */
    walk.core.authenticator->required = walk.core.authenticator->by_token = false;
    model.calls = walk.finishes = 0;
    assert_passed(begin("TellJoke"), IDENTITY_CERTIFICATE);
}

static void test_a_certificate_that_is_no_identity(void **state)
{
    (void)state;
    show_certificate("CN=till 4", NULL);
    begin("TellJoke");
    assert_refused(VERDICT_UNAUTHENTICATED, NULL);
    certificate = certificate_unref(certificate);
    walk.finishes = 0;
    show_certificate("", "flow:*");
    begin("TellJoke");
    assert_refused(VERDICT_UNAUTHENTICATED, NULL);
}

/* The request's own credential says who asks; a bad one is not made good by the connection. */
static void test_a_token_comes_before_the_certificate(void **state)
{
    (void)state;
    show_certificate("CN=gateway", "flow:*");
    present(good);
    struct request *request = begin("TellJoke");
    assert_true(span_is(request->identity.tenant, "acme"));
    assert_passed(request, IDENTITY_TOKEN);
    model.calls = walk.finishes = 0;
    walk.headers.n_authorization = 0;
    present("a.b.c");
    begin("TellJoke");
    assert_refused(VERDICT_UNAUTHENTICATED, "invalid_token");
}

/* An authenticator that nobody set up lets nobody in. */
static void test_closed_by_default(void **state)
{
    (void)state;
    walk.core.authenticator->by_token = false;
    present(good);
    begin("TellJoke");
    assert_refused(VERDICT_UNAUTHENTICATED, "invalid_token");
}

static void test_refusals(void **state)
{
    (void)state;
    char *expired = mint_token("{\"alg\":\"HS256\"}", "{\"sub\":\"ada\",\"exp\":1}",
                               ALGORITHM_HS256, NULL, SECRET);
    present(expired);
    begin("TellJoke");
    assert_refused(VERDICT_UNAUTHENTICATED, "error_description=\"expired\"");
    free(expired);
    walk.finishes = 0;
    present(good);
    begin("TellJoke");
    assert_refused(VERDICT_MALFORMED, "invalid_request");
    walk.finishes = 0;
    walk.headers.n_authorization = 0;
    keyring_put(&walk.core.authenticator->keyring, NULL);
    present(good);
    begin("TellJoke");
    assert_refused(VERDICT_IDENTITY_UNAVAILABLE, NULL);
    assert_string_equal(walk.challenge, "");
}

static void test_scope(void **state)
{
    (void)state;
    present(good);
    begin("TranslateText");
    assert_refused(VERDICT_FORBIDDEN_SCOPE, "scope=\"flow:translate_text\"");
}

static void test_health_is_for_all(void **state)
{
    (void)state;
    begin("Health");
    assert_int_equal(walk.finishes, 1);
    assert_int_equal(walk.ended.code, VERDICT_OK);
}

/* --- fresh keys --- */

static void test_no_refresh_now(void **state)
{
    (void)state;
    present(foreign);
    begin("TellJoke");
    assert_refused(VERDICT_UNAUTHENTICATED, "invalid_token");
}

static void test_fresh_keys_let_it_in(void **state)
{
    (void)state;
    takes_waiters = true;
    present(foreign);
    struct request *request = begin("TellJoke");
    assert_int_equal(walk.finishes + model.calls, 0);
    use_keys(true);
    refreshed();
    assert_passed(request, IDENTITY_TOKEN);
}

static void test_fresh_keys_do_not_know_it_either(void **state)
{
    (void)state;
    takes_waiters = true;
    present(foreign);
    begin("TellJoke");
    refreshed();
    assert_refused(VERDICT_UNAUTHENTICATED, "invalid_token");
}

static void test_it_leaves_while_it_waits(void **state)
{
    (void)state;
    takes_waiters = true;
    present(foreign);
    struct request *request = begin("TellJoke");
    request_abandon(request);
    assert_int_equal(walk.finishes, 1);
    assert_int_equal(walk.ended.code, VERDICT_CANCELLED);
    use_keys(true);
    refreshed(); /* finds nobody */
    assert_int_equal(walk.finishes, 1);
    assert_int_equal(model.calls, 0);
}

static void test_its_time_ends_while_it_waits(void **state)
{
    (void)state;
    takes_waiters = true;
    present(foreign);
    begin("TellJoke");
    walk.now_ns += 2000000000;
    timers_run(&walk.timers, walk.now_ns / 1000000);
    assert_int_equal(walk.finishes, 1);
    assert_int_equal(walk.ended.code, VERDICT_TIMED_OUT);
    refreshed();
    assert_int_equal(walk.finishes, 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_known),
        CASE(test_nobody),
        CASE(test_nobody_where_nobody_is_required),
        CASE(test_certificate),
        CASE(test_a_certificate_that_is_no_identity),
        CASE(test_a_token_comes_before_the_certificate),
        CASE(test_closed_by_default),
        CASE(test_refusals),
        CASE(test_scope),
        CASE(test_health_is_for_all),
        CASE(test_no_refresh_now),
        CASE(test_fresh_keys_let_it_in),
        CASE(test_fresh_keys_do_not_know_it_either),
        CASE(test_it_leaves_while_it_waits),
        CASE(test_its_time_ends_while_it_waits),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
