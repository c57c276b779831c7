/* Reaching the upstream: names, address families, nobody who listens, and connections that never
 * come about. */
#include "tests/unit/llm/kit.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_nobody_listens(void **state)
{
    struct kit kit;
    struct asked asked;
    char url[64];
    (void)state;
    /* A port that was just given back. */
    struct kit other;
    kit_init(&other);
    int port = other.upstream.port;
    kit_open(&other);
    kit_fini(&other);
    kit_init(&kit);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
    kit.urls[0] = url;
    kit_open(&kit);
    for (int i = 0; i < 3; i++) {
        ask_and_wait(&kit, &asked, i == 1, LLM_UNREACHABLE);
        assert_int_equal(asked.result.http_status, 0);
        asked_fini(&asked);
    }
    kit_fini(&kit);
}

/* The name has an address of either family, the server one: libcurl tries them in turn, and the
 * second socket has the first one's descriptor. */
static void check_by_name(bool ipv6)
{
    struct kit kit;
    char url[64];
    kit_init(&kit);
    if (ipv6)
        upstream_move_to_ipv6(&kit.upstream);
    (void)snprintf(url, sizeof url, "http://localhost:%d/v1", kit.upstream.port);
    kit.urls[0] = url;
    kit.settings.pool_max_keepalive = 0;
    kit.upstream.script = answer_hi;
    kit_open(&kit);
    tick_ms quickest_ms = UINT64_MAX; /* of some, on a machine that may be busy */
    for (int i = 0; i < 5; i++) {
        struct asked asked;
        ask_and_wait(&kit, &asked, false, LLM_DONE);
        tick_ms took_ms = asked.last_ms - asked.asked_ms;
        quickest_ms = took_ms < quickest_ms ? took_ms : quickest_ms;
        asked_fini(&asked);
    }
    assert_true(quickest_ms < 150);
    kit_fini(&kit);
}

static void test_by_name(void **state)
{
    (void)state;
    check_by_name(false);
}

static void test_by_name_over_ipv6(void **state)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has_ipv6 = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    (void)state;
    if (fd >= 0)
        (void)close(fd);
    if (!has_ipv6)
        skip();
    check_by_name(true);
}

static void on_second_closed(void *context)
{
    assert_non_null(context);
}

enum { AT_ONCE = 6 };

/* New connections, whose descriptors are those that were closed just now. */
static void answer_many(struct kit *kit)
{
    struct asked asked[AT_ONCE] = {0};
    for (size_t i = 0; i < AT_ONCE; i++)
        ask(kit, &asked[i], false);
    for (size_t i = 0; i < AT_ONCE; i++) {
        run_until(kit, &asked[i].done, 1);
        assert_end(&asked[i], LLM_DONE);
        asked_fini(&asked[i]);
    }
}

/* A name that a thread has to look up, whose descriptors come and go unseen: nobody waits for the
 * thread, and whoever gets the descriptors next is not disturbed. */
static void test_a_name_that_does_not_resolve(void **state)
{
    struct kit kit;
    (void)state;
    kit_init(&kit);
    kit.settings.pool_max_keepalive = 0;
    kit.urls[0] = "http://host.invalid";
    kit.settings.connect_timeout_ms = 100;
    kit_open(&kit);
    struct llm_settings settings;
    struct llm_client *by_name = kit.client;
    struct llm_client *by_address = kit_open_second(&kit, &settings);
    kit.upstream.script = answer_hi;
    for (int i = 0; i < 6; i++) {
        struct asked lost[4] = {0};
        tick_ms began_ms = tick_now_ms();
        kit.client = by_name;
        for (size_t j = 0; j < 4; j++)
            ask(&kit, &lost[j], false);
        run_for(&kit, i % 2 == 0 ? 1 : 4);
        asked_fini(&lost[0]);
        kit.client = by_address;
        answer_many(&kit);
        for (size_t j = 1; j < 4; j++) {
            run_until(&kit, &lost[j].done, 1);
            assert_true(lost[j].result.end == LLM_UNREACHABLE ||
                        lost[j].result.end == LLM_TIMED_OUT);
            asked_fini(&lost[j]);
        }
        answer_many(&kit);
        assert_true(tick_now_ms() - began_ms < patient_ms(1500));
    }
    kit.client = by_name;
    llm_client_close(by_address, on_second_closed, &kit);
    kit_fini(&kit);
}

/* A listener that lets nobody in: its queue is full. */
static int full_listener(int filler[2], int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    for (size_t i = 0; i < 2; i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(filler[i], (struct sockaddr *)&address, len);
    }
    return fd;
}

/* libcurl closes sockets that are still connecting without telling; whoever gets the descriptors
 * next is not disturbed. */
static void test_cancelled_while_connecting(void **state)
{
    struct kit kit;
    char url[64];
    int filler[2], port;
    (void)state;
    kit_init(&kit);
    kit.settings.pool_max_keepalive = 0;
    int listener = full_listener(filler, &port);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
    kit.urls[0] = url;
    kit_open(&kit);
    struct llm_settings settings;
    struct llm_client *connecting = kit.client;
    struct llm_client *answered = kit_open_second(&kit, &settings);
    kit.upstream.script = answer_hi;
    for (int i = 0; i < 6; i++) {
        struct asked stuck[4] = {0};
        kit.client = connecting;
        for (size_t j = 0; j < 4; j++)
            ask(&kit, &stuck[j], false);
        for (int turns = i; turns > 0; turns--)
            (void)uv_run(&kit.loop, UV_RUN_NOWAIT);
        for (size_t j = 0; j < 4; j++) {
            assert_int_equal(stuck[j].done, 0);
            asked_fini(&stuck[j]);
        }
        kit.client = answered;
        answer_many(&kit);
    }
    kit.client = connecting;
    llm_client_close(answered, on_second_closed, &kit);
    kit_fini(&kit);
    (void)close(listener);
    (void)close(filler[0]);
    (void)close(filler[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_by_name),
        cmocka_unit_test(test_by_name_over_ipv6),
        cmocka_unit_test(test_a_name_that_does_not_resolve),
        cmocka_unit_test(test_cancelled_while_connecting),
    };
    llm_global_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    llm_global_fini();
    return failed;
}
