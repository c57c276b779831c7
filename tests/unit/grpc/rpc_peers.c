/* The table from descriptor to peer. */
#include "grpc/rpc_peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct rpc_peers peers;

static struct peer from_port(uint16_t port)
{
    return (struct peer){.address = {1}, .port = port};
}

static void set(int fd, uint16_t port)
{
    struct peer peer = from_port(port);
    rpc_peers_set(&peers, fd, &peer, NULL);
}

static void test_remembers(void **state)
{
    (void)state;
    rpc_peers_init(&peers);
    set(0, 1);
    set(20, 7);
    set(1023, 8);
    set(1024, 9);
    assert_int_equal(rpc_peers_get(&peers, "fd:0").peer.port, 1);
    assert_int_equal(rpc_peers_get(&peers, "fd:20").peer.port, 7);
    assert_int_equal(rpc_peers_get(&peers, "fd:1023").peer.port, 8);
    assert_int_equal(rpc_peers_get(&peers, "fd:1024").peer.port, 9);
    set(20, 10);
    assert_int_equal(rpc_peers_get(&peers, "fd:20").peer.port, 10);
    assert_int_equal(rpc_peers_get(&peers, "fd:20").peer.address[0], 1);
    rpc_peers_fini(&peers);
}

/* Whoever asks gets a reference of its own; the table lets go of its own when the number is used
 * again, and at the end (a sanitizer would tell). */
static void test_certificates(void **state)
{
    (void)state;
    struct peer peer = from_port(7);
    rpc_peers_init(&peers);
    rpc_peers_set(&peers, 20, &peer, certificate_new(span_of("spiffe://a/b"), true));
    struct rpc_peer found = rpc_peers_get(&peers, "fd:20");
    set(20, 8);
    assert_null(rpc_peers_get(&peers, "fd:20").certificate);
    assert_true(span_is(certificate_name(found.certificate), "spiffe://a/b"));
    assert_true(certificate_is_spiffe(found.certificate));
    found.certificate = certificate_unref(found.certificate);
    rpc_peers_set(&peers, 21, &peer, certificate_new(span_of("CN=a"), false));
    rpc_peers_set(&peers, 1 << 30, &peer, certificate_new(span_of("CN=b"), false));
    rpc_peers_fini(&peers);
    assert_true(span_equal(certificate_name(NULL), SPAN_EMPTY));
    assert_false(certificate_is_spiffe(NULL));
}

static void test_knows_nobody(void **state)
{
    static const char *const names[] = {"",
                                        "fd:",
                                        "fd:x",
                                        "fd:20x",
                                        "fd:-1",
                                        "fd:21",
                                        "fd:5000",
                                        "unix:",
                                        "ipv4:127.0.0.1:20",
                                        "fd:1048576",
                                        "fd:99999999999999999999999"};
    (void)state;
    rpc_peers_init(&peers);
    set(20, 7);
    set(-1, 7);
    set(RPC_PEERS_PAGE * RPC_PEERS_PAGES, 7);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(rpc_peers_get(&peers, names[i]).peer.port, 0);
    rpc_peers_fini(&peers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_remembers),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_knows_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
