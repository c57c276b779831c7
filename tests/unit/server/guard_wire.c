/* TLS on the guard's side of a connection, record by record, over a pair of sockets. */
#include "server/guard_wire.h"

#include "tests/unit/server/loop_kit.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROOM = 4 * WIRE_RECORD_BYTES };
/* TLS 1.3: the head of a record, the type within it and its tag (RFC 8446, 5.2). */
enum { RECORD_MORE = 5 + 1 + 16, KEY_UPDATE_BYTES = 5 };

static struct guard_wire wire;
static SSL_CTX *server_context, *client_context;
static SSL *client;
static char room[ROOM];

/* A context with a certificate of its own making. */
static SSL_CTX *make_server(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    assert_non_null(context);
    assert_non_null(key);
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), 0));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600));
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(context, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}

static int setup(void **state)
{
    int ends[2], shaken = 0, connected = 0;
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    client_pair(ends);
    server_context = make_server();
    client_context = SSL_CTX_new(TLS_client_method());
    client = SSL_new(client_context);
    assert_int_equal(SSL_set_fd(client, ends[0]), 1);
    assert_int_equal(setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(fcntl(ends[i], F_SETFL, O_NONBLOCK), 0);
    guard_wire_init(&wire, ends[1], server_context);
    for (unsigned i = 0; i < 100000 && (shaken != 1 || connected != 1); i++) {
        connected = connected == 1 ? 1 : SSL_connect(client);
        shaken = shaken == 1 ? 1 : guard_wire_shake(&wire);
    }
    return shaken == 1 && connected == 1 ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    (void)close(SSL_get_fd(client));
    SSL_free(client);
    SSL_CTX_free(client_context);
    SSL_CTX_free(server_context);
    guard_wire_fini(&wire);
    return 0;
}

static void say(size_t len)
{
    static char bytes[WIRE_RECORD_BYTES];
    assert_int_equal(SSL_write(client, bytes, (int)len), len);
}

/* A poll tells about bytes in the socket only: any that stayed behind in OpenSSL would wait there
 * for the next that the client sends, and the client, having sent all, for the answer. */
static void test_no_part_of_a_record_stays_behind(void **state)
{
    static const size_t sizes[] = {1, 7, 4096, 10000, 16383, WIRE_RECORD_BYTES};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t sent = 0, heard = 0;
        while (sent < 2 * ROOM && sent < 5000 * sizes[i]) {
            say(sizes[i]);
            sent += sizes[i];
        }
        while (heard < sent) {
            ssize_t got = guard_wire_read(&wire, room, sizeof room);
            if (got == WIRE_AGAIN)
                continue;
            assert_true(got > 0);
            assert_int_equal(SSL_pending(wire.ssl), 0);
            heard += (size_t)got;
        }
        assert_int_equal(heard, sent);
        assert_int_equal(guard_wire_read(&wire, room, sizeof room), WIRE_AGAIN);
    }
}

static void test_less_room_than_a_record(void **state)
{
    (void)state;
    say(100);
    ssize_t got = WIRE_AGAIN;
    for (size_t heard = 0; heard<100; heard += got> 0 ? (size_t)got : 0) {
        got = guard_wire_read(&wire, room, 30);
        assert_true(got == WIRE_AGAIN || (got > 0 && got <= 30));
    }
}

/* The end of TLS, but not of the connection, behind the last bytes. */
static void test_the_end_behind_bytes(void **state)
{
    ssize_t got;
    (void)state;
    say(5);
    (void)SSL_shutdown(client);
    char last;
    while (recv(wire.fd, &last, 1, MSG_PEEK | MSG_DONTWAIT) < 0)
        ;
    while ((got = guard_wire_read(&wire, room, sizeof room)) == WIRE_AGAIN)
        ;
    assert_int_equal(got, 5);
    while (!guard_wire_holds_end(&wire) && got != 0) {
        got = guard_wire_read(&wire, room, sizeof room);
        assert_true(got == WIRE_AGAIN || got == 0);
    }
    assert_true(guard_wire_holds_end(&wire));
    assert_int_equal(guard_wire_read(&wire, room, sizeof room), 0);
}

/* Waits until that much has come. */
static void hear(int len)
{
    int there = 0;
    while (there < len)
        assert_int_equal(ioctl(wire.fd, FIONREAD, &there), 0);
}

/* As long as a client says byte after byte, everybody else on the loop would wait. */
static void test_few_records_in_one_go(void **state)
{
    enum { SAID = 4 * WIRE_RECORDS };
    (void)state;
    for (size_t i = 0; i < SAID; i++)
        say(1);
    hear(SAID * (1 + RECORD_MORE));
    for (size_t heard = 0; heard < SAID;) {
        ssize_t got = guard_wire_read(&wire, room, sizeof room);
        assert_true(got == WIRE_AGAIN || (got > 0 && got <= WIRE_RECORDS));
        heard += got > 0 ? (size_t)got : 0;
    }
}

static void update_keys(void)
{
    assert_int_equal(SSL_key_update(client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    assert_int_equal(SSL_do_handshake(client), 1);
}

/* Records that hold no data are read one in one go, for the same reason. */
static void test_new_keys(void **state)
{
    ssize_t got;
    (void)state;
    for (unsigned i = 0; i < WIRE_KEY_UPDATES; i++)
        update_keys();
    say(5);
    hear(WIRE_KEY_UPDATES * (KEY_UPDATE_BYTES + RECORD_MORE) + 5 + RECORD_MORE);
    do {
        unsigned before = wire.key_updates;
        got = guard_wire_read(&wire, room, sizeof room);
        assert_true(wire.key_updates <= before + 1);
    } while (got == WIRE_AGAIN);
    assert_int_equal(got, 5);
    update_keys();
    say(5);
    while ((got = guard_wire_read(&wire, room, sizeof room)) == WIRE_AGAIN)
        ;
    assert_int_equal(got, WIRE_BROKEN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_no_part_of_a_record_stays_behind),
        TEST(test_less_room_than_a_record),
        TEST(test_the_end_behind_bytes),
        TEST(test_few_records_in_one_go),
        TEST(test_new_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
