/* The look for a server on this machine: answers of one that the test plays. */
#include "server/local_model.h"

#include "shared/base/tick.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int listener;
static uint16_t port;
static char asked[512];

static void *serve(void *answer)
{
    int fd = accept(listener, NULL, NULL);
    ssize_t got = recv(fd, asked, sizeof asked - 1, 0);
    asked[got > 0 ? got : 0] = '\0';
    if (answer != NULL)
        (void)!send(fd, answer, strlen(answer), MSG_NOSIGNAL);
    else
        (void)usleep(2000 * LOCAL_MODEL_MS); /* says nothing */
    (void)close(fd);
    return NULL;
}

static bool ask(const char *answer, struct local_model *found)
{
    pthread_t thread;
    char *copy = answer != NULL ? strdup(answer) : NULL;
    assert_int_equal(pthread_create(&thread, NULL, serve, copy), 0);
    bool usable = local_model_ask(port, found);
    assert_int_equal(pthread_join(thread, NULL), 0);
    free(copy);
    return usable;
}

#define HEAD "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"

static void test_answers(void **state)
{
    struct local_model found;
    char url[64];
    (void)state;
    assert_true(
        ask(HEAD "{\"object\":\"list\",\"data\":[{\"id\":\"llama3.2:latest\"},{}]}", &found));
    assert_string_equal(found.model, "llama3.2:latest");
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/v1", (unsigned)port);
    assert_string_equal(found.url, url);
    assert_memory_equal(asked, "GET /v1/models HTTP/1.0\r\n", 25);
    static const char *const none[] = {
        HEAD "{\"object\":\"list\",\"data\":[]}",
        HEAD "{\"data\":[{\"id\":7}]}",
        HEAD "{\"data\":[{\"id\":\"\"}]}",
        HEAD "<html>",
        "HTTP/1.1 404 Not Found\r\n\r\n{\"data\":[{\"id\":\"x\"}]}",
        "{\"data\":[{\"id\":\"x\"}]}",
        "",
    };
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_false(ask(none[i], &found));
}

static void test_bounded(void **state)
{
    struct local_model found;
    tick_ms began_ms = tick_now_ms();
    (void)state;
    assert_false(ask(NULL, &found));
    assert_true(tick_now_ms() - began_ms < 20 * LOCAL_MODEL_MS);
    assert_false(local_model_ask(1, &found)); /* nobody there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers),
                                       cmocka_unit_test(test_bounded)};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, len) != 0 || listen(listener, 8) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) != 0)
        return 1;
    port = ntohs(address.sin_port);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
