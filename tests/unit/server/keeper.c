/* The keeper of keys over a scripted server on loopback and real files. */
#include "server/keeper.h"

#include "server/key_files.h"
#include "shared/base/tick.h"
#include "shared/llm/llm.h"
#include "tests/unit/policy/mint.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 20000 };

static struct authenticator authenticator;
static struct readiness readiness;
static char folder[] = "/tmp/weir-keeper-XXXXXX";
static char path[64];
static char error[256];
static EVP_PKEY *first, *second;

/* --- the server: answers every connection with the current text --- */

static int listener = -1;
static pthread_t server;
static atomic_uint asked;
static _Atomic(const char *) answer; /* the whole response; NULL: silence until there is one */
static atomic_bool over;
static char url[64];

static pthread_mutex_t sending = PTHREAD_MUTEX_INITIALIZER; /* held while an answer is read */

static void *serve(void *argument)
{
    (void)argument;
    while (!atomic_load(&over)) {
        struct pollfd wait = {.fd = listener, .events = POLLIN};
        if (poll(&wait, 1, 20) != 1)
            continue;
        char request[4096];
        int fd = accept(listener, NULL, NULL);
        must(fd >= 0 && recv(fd, request, sizeof request, 0) > 0);
        atomic_fetch_add(&asked, 1);
        while (atomic_load(&answer) == NULL && !atomic_load(&over))
            (void)poll(NULL, 0, 5);
        (void)pthread_mutex_lock(&sending);
        const char *text = atomic_load(&answer);
        if (text != NULL)
            must(send(fd, text, strlen(text), MSG_NOSIGNAL) > 0);
        (void)pthread_mutex_unlock(&sending);
        (void)close(fd);
    }
    return NULL;
}

/* Frees an answer that the server may just be sending, or may send next. */
static void withdraw(char *text)
{
    (void)pthread_mutex_lock(&sending);
    if (atomic_load(&answer) == text)
        atomic_store(&answer, NULL);
    (void)pthread_mutex_unlock(&sending);
    free(text);
}

static char *response(const char *status, const char *body)
{
    char *text = NULL;
    assert_true(asprintf(&text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status,
                         strlen(body), body) > 0);
    return text;
}

static char *jwks(EVP_PKEY *key, const char *id)
{
    char *jwk = mint_jwk(key, id, ""), *body = NULL;
    assert_true(asprintf(&body, "{\"keys\":[%s]}", jwk) > 0);
    char *text = response("200 OK", body);
    free(jwk);
    free(body);
    return text;
}

static int set_up_group(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 16), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/keys", ntohs(address.sin_port));
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/keys", folder);
    first = mint_rsa(2048);
    second = mint_ec("P-256");
    llm_global_init();
    return pthread_create(&server, NULL, serve, NULL);
}

static int tear_down_group(void **state)
{
    (void)state;
    atomic_store(&over, true);
    assert_int_equal(pthread_join(server, NULL), 0);
    (void)close(listener);
    (void)unlink(path);
    (void)rmdir(folder);
    EVP_PKEY_free(first);
    EVP_PKEY_free(second);
    llm_global_fini();
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    authenticator_init(&authenticator, 16);
    readiness_init(&readiness);
    atomic_store(&asked, 0);
    atomic_store(&answer, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    authenticator_fini(&authenticator);
    return 0;
}

static struct keeper_settings quick(void)
{
    return (struct keeper_settings){
        .refresh_ms = 600000, .retry_ms = 10, .ask_floor_ms = 600000, .watch_ms = 10};
}

static struct keeper *start(const struct keeper_settings *settings)
{
    error[0] = '\0';
    return keeper_start(settings, &authenticator, &readiness, error);
}

static void wait_for_generation(uint64_t generation)
{
    tick_ms end_ms = tick_now_ms() + WAIT_MS;
    while (keyring_generation(&authenticator.keyring) < generation) {
        if (tick_now_ms() > end_ms)
            fail_msg("no generation %u", (unsigned)generation);
        (void)poll(NULL, 0, 2);
    }
}

/* --- waiters --- */

static atomic_uint posted;

static void count_post(struct executor *executor, struct task *task)
{
    (void)executor;
    (void)task;
    atomic_fetch_add(&posted, 1);
}

static struct executor counter = {.post = count_post};

static void wait_for_posts(unsigned n)
{
    tick_ms end_ms = tick_now_ms() + WAIT_MS;
    while (atomic_load(&posted) < n) {
        if (tick_now_ms() > end_ms)
            fail_msg("%u posts", atomic_load(&posted));
        (void)poll(NULL, 0, 2);
    }
}

static void test_fetched_and_asked(void **state)
{
    (void)state;
    char *old = jwks(first, "a"), *new = jwks(second, "b");
    struct keeper_settings settings = quick();
    struct key_waiter waiters[5];
    settings.jwks_url = url;
    atomic_store(&posted, 0);
    struct keeper *keeper = start(&settings);
    assert_non_null(keeper);
    struct key_refresh *refresh = keeper_refresh(keeper);
    assert_non_null(refresh);
    assert_true(atomic_load(&readiness.no_key_set));
    atomic_store(&answer, old);
    wait_for_generation(1);
    tick_ms end_ms = tick_now_ms() + WAIT_MS;
    while (atomic_load(&readiness.no_key_set) && tick_now_ms() < end_ms)
        (void)poll(NULL, 0, 1);
    assert_false(atomic_load(&readiness.no_key_set));
    /* Five ask, one fetch answers all. */
    atomic_store(&answer, NULL);
    for (size_t i = 0; i < 5; i++) {
        waiters[i].executor = &counter;
        assert_true(key_refresh_ask(refresh, &waiters[i]));
    }
    (void)poll(NULL, 0, 30);
    assert_int_equal(atomic_load(&posted), 0);
    atomic_store(&answer, new);
    wait_for_posts(5);
    assert_int_equal(keyring_generation(&authenticator.keyring), 2);
    /* Not again so soon. */
    assert_false(key_refresh_ask(refresh, &waiters[0]));
    assert_int_equal(atomic_load(&asked), 2);
    /* The same keys again change nothing. */
    keeper_reload(keeper);
    end_ms = tick_now_ms() + WAIT_MS;
    while (atomic_load(&asked) < 3 && tick_now_ms() < end_ms)
        (void)poll(NULL, 0, 2);
    (void)poll(NULL, 0, 30);
    assert_int_equal(keyring_generation(&authenticator.keyring), 2);
    assert_null(keeper_stop(keeper));
    withdraw(old);
    withdraw(new);
}

static void test_failures_keep_the_last_good_set(void **state)
{
    (void)state;
    char *good = jwks(first, "a");
    char *bad[] = {response("500 No", ""), response("200 OK", "<html>"),
                   response("302 Found", "{}"), response("200 OK", "{\"keys\":[]}")};
    struct keeper_settings settings = quick();
    settings.jwks_url = url;
    settings.refresh_ms = settings.ask_floor_ms = 20;
    atomic_store(&answer, bad[0]);
    struct keeper *keeper = start(&settings);
    assert_non_null(keeper);
    while (atomic_load(&asked) < 3)
        (void)poll(NULL, 0, 2);
    assert_true(atomic_load(&readiness.no_key_set));
    atomic_store(&answer, good);
    wait_for_generation(1);
    for (size_t i = 0; i < 4; i++) {
        atomic_store(&answer, bad[i]);
        unsigned before = atomic_load(&asked);
        while (atomic_load(&asked) < before + 2)
            (void)poll(NULL, 0, 2);
    }
    assert_int_equal(keyring_generation(&authenticator.keyring), 1);
    assert_false(atomic_load(&readiness.no_key_set));
    struct keeper_stats stats;
    keeper_stats(keeper, &stats);
    assert_true(stats.fetched >= 1 && stats.failed >= 5);
    assert_int_equal(stats.rejected + stats.waiting, 0);
    assert_null(keeper_stop(keeper));
    for (size_t i = 0; i < 4; i++)
        withdraw(bad[i]);
    withdraw(good);
}

/* A stop does not wait for a silent server, and whoever waits is told. */
static void test_stop_in_the_middle(void **state)
{
    (void)state;
    struct keeper_settings settings = quick();
    struct key_waiter waiter = {.executor = &counter};
    settings.jwks_url = url;
    atomic_store(&posted, 0);
    struct keeper *keeper = start(&settings);
    assert_non_null(keeper);
    while (atomic_load(&asked) < 1)
        (void)poll(NULL, 0, 2);
    assert_true(key_refresh_ask(keeper_refresh(keeper), &waiter));
    tick_ms begin_ms = tick_now_ms();
    assert_null(keeper_stop(keeper));
    assert_true(tick_now_ms() - begin_ms < 4000);
    assert_int_equal(atomic_load(&posted), 1);
    atomic_store(&answer, "HTTP/1.1 500 No\r\n\r\n"); /* lets the server go on */
}

static void write_file(const char *text)
{
    char fresh[80];
    (void)snprintf(fresh, sizeof fresh, "%s.new", path);
    FILE *file = fopen(fresh, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(fresh, path), 0);
}

static void test_public_key_file(void **state)
{
    (void)state;
    char *a = mint_public_pem(first), *b = mint_public_pem(second);
    struct keeper_settings settings = quick();
    settings.public_key_file = path;
    settings.secret = span_of("0123456789abcdef0123456789abcdef");
    (void)unlink(path);
    assert_null(start(&settings));
    assert_non_null(strstr(error, "JWT_PUBLIC_KEY_FILE"));
    write_file(a);
    struct keeper *keeper = start(&settings);
    assert_non_null(keeper);
    assert_null(keeper_refresh(keeper)); /* nothing to fetch from */
    assert_false(atomic_load(&readiness.no_key_set));
    assert_int_equal(keyring_generation(&authenticator.keyring), 1);
    uint64_t generation = 0;
    struct keyset *set = keyring_get(&authenticator.keyring, &generation);
    assert_int_equal(keyset_count(set), 2);
    (void)keyset_unref(set);
    write_file(b);
    wait_for_generation(2);
    write_file("broken");
    (void)poll(NULL, 0, 60);
    (void)unlink(path);
    (void)poll(NULL, 0, 60);
    assert_int_equal(keyring_generation(&authenticator.keyring), 2);
    write_file(a);
    wait_for_generation(3);
    assert_null(keeper_stop(keeper));
    withdraw(a);
    withdraw(b);
}

static size_t api_keys_now(void)
{
    struct apikeys *keys = apikey_ring_get(&authenticator.apikeys);
    size_t n = keys != NULL ? apikeys_count(keys) : SIZE_MAX;
    (void)apikeys_unref(keys);
    return n;
}

static void wait_for_api_keys(size_t n)
{
    tick_ms end_ms = tick_now_ms() + WAIT_MS;
    while (api_keys_now() != n) {
        if (tick_now_ms() > end_ms)
            fail_msg("%zu keys", api_keys_now());
        (void)poll(NULL, 0, 2);
    }
}

#define ROW(id)                                                                                    \
    "key=" id " sha256=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"           \
    " tenant=acme scopes=flow:*\n"

static void test_api_keys_file(void **state)
{
    (void)state;
    struct keeper_settings settings = quick();
    settings.api_keys_file = path;
    write_file("broken");
    assert_null(start(&settings));
    assert_non_null(strstr(error, "API_KEYS_FILE"));
    write_file(ROW("acme0001"));
    struct keeper *keeper = start(&settings);
    assert_non_null(keeper);
    assert_int_equal(api_keys_now(), 1);
    write_file(ROW("acme0001") ROW("acme0002"));
    wait_for_api_keys(2);
    write_file("broken");
    (void)poll(NULL, 0, 60);
    assert_int_equal(api_keys_now(), 2);
    write_file("");
    wait_for_api_keys(0);
    assert_null(keeper_stop(keeper));
}

static void test_files_that_are_none(void **state)
{
    (void)state;
    char problem[KEY_FILE_PROBLEM_BYTES] = "";
    assert_null(key_file_read_api("/dev/zero", problem));
    assert_non_null(strstr(problem, "plain file"));
    assert_null(key_file_read_api(folder, problem));
    assert_null(key_file_read_api("/nowhere/at/all", problem));
    assert_null(keeper_stop(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fetched_and_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures_keep_the_last_good_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop_in_the_middle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_public_key_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_api_keys_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files_that_are_none, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
