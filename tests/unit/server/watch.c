#include "server/watch.h"

#include "tests/unit/server/loop_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static uv_loop_t loop;
static struct watch_list list;
static unsigned ended;
static uint16_t last_port;
static bool inside;

static void on_ended(void *context, const struct peer *peer)
{
    assert_ptr_equal(context, &ended);
    assert_false(inside);
    ended++;
    last_port = peer->port;
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    list = (struct watch_list){.loop = &loop, .ended = on_ended, .context = &ended};
    ended = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(list.count, 0);
    assert_null(list.watches);
    loop_close(&loop);
    return 0;
}

static bool has_ended(void *count)
{
    return ended >= *(unsigned *)count;
}

static void run_until_ended(unsigned count)
{
    assert_true(loop_until(&loop, has_ended, &count, 2000, NULL));
    assert_int_equal(ended, count);
}

static void add(int fd, uint16_t port)
{
    struct peer peer = {.port = port};
    inside = true;
    assert_true(watch_add(&list, fd, &peer));
    inside = false;
}

/* Data does not end it, and is not read; an end by either side does, also when only a duplicate was
 * shut down, which is what the C core does. */
static void test_ends(void **state)
{
    (void)state;
    for (uint16_t how = 0; how < 4; how++) {
        int fds[2];
        char bytes[8];
        const struct linger at_once = {.l_onoff = 1};
        client_pair(fds);
        ended = 0;
        add(fds[1], how);
        client_say(fds[0], "hello");
        assert_true(loop_for(&loop, 5) < 10);
        assert_int_equal(ended, 0);
        assert_int_equal(recv(fds[1], bytes, sizeof bytes, MSG_DONTWAIT), 5);
        switch (how) {
        case 0: /* the peer closes */
            (void)close(fds[0]);
            break;
        case 1: /* it resets */
            assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once),
                             0);
            (void)close(fds[0]);
            break;
        case 2: /* it has no more to say */
            assert_int_equal(shutdown(fds[0], SHUT_WR), 0);
            break;
        default: /* the owner ends it */
            assert_int_equal(shutdown(fds[1], SHUT_RDWR), 0);
            (void)close(fds[1]);
            break;
        }
        run_until_ended(1);
        assert_int_equal(last_port, how);
        if (how >= 2)
            (void)close(fds[0]);
        if (how < 3)
            (void)close(fds[1]);
    }
}

static void test_any_order(void **state)
{
    (void)state;
    enum { MANY = 9 };
    int fds[MANY][2];
    for (uint16_t i = 0; i < MANY; i++) {
        client_pair(fds[i]);
        add(fds[i][1], i);
    }
    assert_int_equal(list.count, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        unsigned at = i * 5 % MANY;
        (void)close(fds[at][0]);
        run_until_ended(i + 1);
        assert_int_equal(last_port, at);
        assert_int_equal(list.count, MANY - 1 - i);
        (void)close(fds[at][1]);
    }
}

static void test_clear(void **state)
{
    (void)state;
    int fds[3][2];
    for (uint16_t i = 0; i < 3; i++) {
        client_pair(fds[i]);
        add(fds[i][1], i);
    }
    inside = true;
    watch_clear(&list);
    watch_clear(&list);
    inside = false;
    run_until_ended(3);
    for (uint16_t i = 0; i < 3; i++) {
        assert_false(client_is_closed(fds[i][0], 0)); /* the owner's end is still open */
        (void)close(fds[i][0]);
        (void)close(fds[i][1]);
    }
}

static void test_no_descriptors(void **state)
{
    (void)state;
    int fds[2];
    struct rlimit limit, few;
    struct peer peer = {0};
    client_pair(fds);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    few = limit;
    int lowest_free = dup(fds[0]);
    (void)close(lowest_free);
    few.rlim_cur = (rlim_t)lowest_free;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    bool added = watch_add(&list, fds[1], &peer);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_false(added);
    assert_int_equal(list.count, 0);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_any_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clear, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_descriptors, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
