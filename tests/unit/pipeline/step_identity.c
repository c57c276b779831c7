/* The steps identity and scope over a fake port: who passes, who is told what, and requests that
 * wait for fresh keys and leave, run out of time, or are told. */
#include "shared/pipeline/core.h"
#include "shared/pipeline/key_refresh.h"
#include "shared/policy/authenticator.h"
#include "shared/request.h"

#include "tests/unit/policy/mint.h"

#include <stdlib.h>
#include <string.h>

#define SECRET "0123456789abcdef0123456789abcdef"
#define CLAIMS                                                                                     \
    "{\"sub\":\"ada\",\"tenant\":\"acme\",\"scope\":\"flow:tell_joke\",\"exp\":1800000100}"

/* --- the fake model, in place of the client at link time --- */

struct llm_call {
    int unused;
};

static struct llm_call the_call;
static unsigned calls;

struct llm_call *llm_start(struct llm_client *client, const struct conversation *what,
                           tick_ms now_ms, const struct llm_events *events, void *context)
{
    (void)client;
    (void)what;
    (void)now_ms;
    (void)events;
    (void)context;
    calls++;
    return &the_call;
}

void llm_cancel(struct llm_call *call)
{
    (void)call;
}

void llm_give_up(struct llm_call *call)
{
    (void)call;
}

void llm_account(const struct llm_call *call, struct llm_account *account)
{
    (void)call;
    *account = (struct llm_account){.provider = "fake"};
}

void llm_pause(struct llm_call *call)
{
    (void)call;
}

void llm_resume(struct llm_call *call)
{
    (void)call;
}

const char *llm_end_name(enum llm_end end)
{
    (void)end;
    return "fake";
}

/* --- the fake port --- */

static struct span authorization[2], api_key[2];
static size_t n_authorization, n_api_key;
static unsigned finishes;
static struct verdict ended;
static char challenge[256];

static size_t fake_metadata(const struct request *request, const char *name, struct span *values,
                            size_t most)
{
    (void)request;
    bool bearer = strcmp(name, "authorization") == 0;
    size_t n = bearer ? n_authorization : strcmp(name, "x-api-key") == 0 ? n_api_key : 0;
    for (size_t i = 0; i < n && i < most; i++)
        values[i] = bearer ? authorization[i] : api_key[i];
    return n;
}

static enum port_state fake_send(struct request *request, const struct message_view *message)
{
    (void)request;
    (void)message;
    return PORT_READY;
}

static void fake_finish(struct request *request, const struct verdict *verdict)
{
    finishes++;
    ended = *verdict;
    challenge[0] = '\0';
    for (size_t i = 0; i < request->n_notes; i++)
        if (strcmp(request->notes[i].name, "www-authenticate") == 0)
            strncat(challenge, request->notes[i].value.at, request->notes[i].value.len);
    request_fini(request);
    free(request);
}

static const struct port fake_port = {
    .protocol = "fake", .metadata = fake_metadata, .send = fake_send, .finish = fake_finish};

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

static uint64_t now_ns = 5000000000;

static uint64_t fake_now_ns(void)
{
    return now_ns;
}

static int64_t fake_now_s(void)
{
    return 1800000000;
}

static struct key_refresh refresh = {.ask = fake_ask};
static struct core core = {.request_timeout_ms = 1000, .max_body_bytes = 1024};
static struct readiness readiness;
static struct timers timers;
static struct core_worker worker = {.core = &core, .timers = &timers};
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
    keyring_put(&core.authenticator->keyring, set);
}

static int set_up_group(void **state)
{
    (void)state;
    char error[256] = "";
    readiness_init(&readiness);
    if (!core_init(&core, &weir_contract, &readiness, error))
        fail_msg("%s", error);
    core.now_ns = fake_now_ns;
    core.now_s = fake_now_s;
    core.key_refresh = &refresh;
    core.authenticator->rules.algorithms =
        algorithm_bit(ALGORITHM_HS256) | algorithm_bit(ALGORITHM_RS256);
    timers_init(&timers);
    rsa = mint_rsa(2048);
    good = mint_token("{\"alg\":\"HS256\"}", CLAIMS, ALGORITHM_HS256, NULL, SECRET);
    foreign = mint_token("{\"alg\":\"RS256\",\"kid\":\"new\"}", CLAIMS, ALGORITHM_RS256, rsa, NULL);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    certificate = certificate_unref(certificate);
    core_fini(&core);
    timers_fini(&timers);
    EVP_PKEY_free(rsa);
    free(good);
    free(foreign);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    calls = finishes = 0;
    n_authorization = n_api_key = 0;
    takes_waiters = false;
    certificate = certificate_unref(certificate);
    free(core.authenticator->certificate_scopes);
    core.authenticator->certificate_scopes = NULL;
    core.authenticator->required = core.authenticator->by_token = true;
    core.authenticator->by_apikey = false;
    use_keys(false);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_null(waiting);
    assert_int_equal(worker.live, 0);
    assert_int_equal(timers.count, 0);
    return 0;
}

static struct request *begin(const char *rpc)
{
    struct request *request = malloc(sizeof *request);
    request_init(request, &worker, &fake_port);
    request->given = (struct request_given){
        .encoding = REQUEST_JSON, .received_ns = now_ns, .certificate = certificate};
    for (size_t i = 0; i < weir_contract.n_methods; i++)
        if (strcmp(weir_contract.methods[i].rpc_name, rpc) == 0)
            request->given.method = &weir_contract.methods[i];
    request_begin(request);
    return request;
}

static void present(const char *token)
{
    (void)snprintf(value[n_authorization], sizeof value[0], "Bearer %s", token);
    authorization[n_authorization] = span_of(value[n_authorization]);
    n_authorization++;
}

static void assert_ended(enum verdict_code code, const char *error)
{
    assert_int_equal(finishes, 1);
    assert_int_equal(calls, 0);
    assert_string_equal(verdict_row(ended.code)->name, verdict_row(code)->name);
    if (error == NULL)
        assert_null(strstr(challenge, "error="));
    else if (strstr(challenge, error) == NULL)
        fail_msg("%s", challenge);
}

/* The model was asked; ends the request. */
static void assert_passed(struct request *request, enum identity_kind kind)
{
    assert_int_equal(calls, 1);
    assert_int_equal(finishes, 0);
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
    assert_ended(VERDICT_UNAUTHENTICATED, NULL);
    assert_string_equal(challenge, "Bearer realm=\"weir\"");
}

static void test_nobody_where_nobody_is_required(void **state)
{
    (void)state;
    core.authenticator->required = false;
    assert_passed(begin("TellJoke"), IDENTITY_NONE);
    calls = finishes = 0;
    present("a.b.c");
    begin("TellJoke");
    assert_ended(VERDICT_UNAUTHENTICATED, "invalid_token");
}

static void show_certificate(const char *name, const char *scopes)
{
    certificate = certificate_new(span_of(name), false);
    core.authenticator->certificate_scopes = scopes != NULL ? strdup(scopes) : NULL;
}

static void test_certificate(void **state)
{
    (void)state;
    show_certificate("CN=till 4,O=Shop", "flow:tell_joke");
    struct request *request = begin("TellJoke");
    assert_true(span_is(request->identity.tenant, "CN=till 4,O=Shop"));
    assert_true(span_is(request->identity.subject, "CN=till 4,O=Shop"));
    assert_passed(request, IDENTITY_CERTIFICATE);
    calls = finishes = 0;
    begin("TranslateText");
    assert_ended(VERDICT_FORBIDDEN_SCOPE, "scope=\"flow:translate_text\"");
    /* It names its holder where nobody is required and nothing else is a way to be known, too. */
    core.authenticator->required = core.authenticator->by_token = false;
    calls = finishes = 0;
    assert_passed(begin("TellJoke"), IDENTITY_CERTIFICATE);
}

static void test_a_certificate_that_is_no_identity(void **state)
{
    (void)state;
    show_certificate("CN=till 4", NULL);
    begin("TellJoke");
    assert_ended(VERDICT_UNAUTHENTICATED, NULL);
    certificate = certificate_unref(certificate);
    finishes = 0;
    show_certificate("", "flow:*");
    begin("TellJoke");
    assert_ended(VERDICT_UNAUTHENTICATED, NULL);
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
    calls = finishes = 0;
    n_authorization = 0;
    present("a.b.c");
    begin("TellJoke");
    assert_ended(VERDICT_UNAUTHENTICATED, "invalid_token");
}

/* An authenticator that nobody set up lets nobody in. */
static void test_closed_by_default(void **state)
{
    (void)state;
    core.authenticator->by_token = false;
    present(good);
    begin("TellJoke");
    assert_ended(VERDICT_UNAUTHENTICATED, "invalid_token");
}

static void test_refusals(void **state)
{
    (void)state;
    char *expired = mint_token("{\"alg\":\"HS256\"}", "{\"sub\":\"ada\",\"exp\":1}",
                               ALGORITHM_HS256, NULL, SECRET);
    present(expired);
    begin("TellJoke");
    assert_ended(VERDICT_UNAUTHENTICATED, "error_description=\"expired\"");
    free(expired);
    finishes = 0;
    present(good);
    begin("TellJoke");
    assert_ended(VERDICT_MALFORMED, "invalid_request");
    finishes = 0;
    n_authorization = 0;
    keyring_put(&core.authenticator->keyring, NULL);
    present(good);
    begin("TellJoke");
    assert_ended(VERDICT_IDENTITY_UNAVAILABLE, NULL);
    assert_string_equal(challenge, "");
}

static void test_scope(void **state)
{
    (void)state;
    present(good);
    begin("TranslateText");
    assert_ended(VERDICT_FORBIDDEN_SCOPE, "scope=\"flow:translate_text\"");
}

static void test_health_is_for_all(void **state)
{
    (void)state;
    begin("Health");
    assert_int_equal(finishes, 1);
    assert_int_equal(ended.code, VERDICT_OK);
}

/* --- fresh keys --- */

static void test_no_refresh_now(void **state)
{
    (void)state;
    present(foreign);
    begin("TellJoke");
    assert_ended(VERDICT_UNAUTHENTICATED, "invalid_token");
}

static void test_fresh_keys_let_it_in(void **state)
{
    (void)state;
    takes_waiters = true;
    present(foreign);
    struct request *request = begin("TellJoke");
    assert_int_equal(finishes + calls, 0);
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
    assert_ended(VERDICT_UNAUTHENTICATED, "invalid_token");
}

static void test_it_leaves_while_it_waits(void **state)
{
    (void)state;
    takes_waiters = true;
    present(foreign);
    struct request *request = begin("TellJoke");
    request_abandon(request);
    assert_int_equal(finishes, 1);
    assert_int_equal(ended.code, VERDICT_CANCELLED);
    use_keys(true);
    refreshed(); /* finds nobody */
    assert_int_equal(finishes, 1);
    assert_int_equal(calls, 0);
}

static void test_its_time_ends_while_it_waits(void **state)
{
    (void)state;
    takes_waiters = true;
    present(foreign);
    begin("TellJoke");
    now_ns += 2000000000;
    timers_run(&timers, now_ns / 1000000);
    assert_int_equal(finishes, 1);
    assert_int_equal(ended.code, VERDICT_TIMED_OUT);
    refreshed();
    assert_int_equal(finishes, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_where_nobody_is_required, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_certificate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_certificate_that_is_no_identity, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_token_comes_before_the_certificate, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_closed_by_default, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_scope, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_health_is_for_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_refresh_now, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fresh_keys_let_it_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fresh_keys_do_not_know_it_either, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_it_leaves_while_it_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_its_time_ends_while_it_waits, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
