#include "server/tally.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct peer v4(uint32_t address)
{
    struct peer peer = {.address = {[10] = 0xff, [11] = 0xff}};
    uint32_t order = htonl(address);
    memcpy(peer.address + 12, &order, 4);
    return peer;
}

static struct peer v6(const char *text)
{
    struct peer peer = {0};
    assert_int_equal(inet_pton(AF_INET6, text, peer.address), 1);
    return peer;
}

static enum tally_result enter(struct tally *tally, struct peer peer)
{
    return tally_enter(tally, &peer);
}

static void leave(struct tally *tally, struct peer peer)
{
    tally_leave(tally, &peer);
}

static void test_caps(void **state)
{
    (void)state;
    struct tally tally;
    tally_init(&tally, 5, 2, 1);
    assert_int_equal(enter(&tally, v4(1)), TALLY_FINE);
    assert_int_equal(enter(&tally, v4(1)), TALLY_FINE);
    assert_int_equal(enter(&tally, v4(1)), TALLY_ADDRESS_FULL);
    assert_int_equal(enter(&tally, v4(2)), TALLY_FINE);
    assert_int_equal(tally.open, 3);
    leave(&tally, v4(1));
    assert_int_equal(enter(&tally, v4(1)), TALLY_FINE);
    assert_int_equal(enter(&tally, v4(1)), TALLY_ADDRESS_FULL);
    assert_int_equal(enter(&tally, v4(3)), TALLY_FINE);
    assert_int_equal(enter(&tally, v4(4)), TALLY_FINE);
    assert_int_equal(enter(&tally, v4(5)), TALLY_FULL);
    assert_int_equal(tally.open, 5);
    assert_int_equal(tally.addresses, 4);
    leave(&tally, v4(4));
    assert_int_equal(enter(&tally, v4(5)), TALLY_FINE);
    tally_fini(&tally);
}

/* Who has no name yet counts in all, and against nobody's cap. */
static void test_names_that_come_later(void **state)
{
    (void)state;
    struct tally tally;
    struct peer peer = v4(1);
    tally_init(&tally, 3, 1, 1);
    assert_int_equal(enter(&tally, v4(1)), TALLY_FINE);
    assert_true(tally_admit(&tally));
    assert_true(tally_admit(&tally));
    assert_false(tally_admit(&tally));
    assert_int_equal(tally.addresses, 1);
    assert_int_equal(tally_name(&tally, &peer), TALLY_ADDRESS_FULL);
    assert_int_equal(tally.open, 2);
    tally_dismiss(&tally);
    assert_true(tally_admit(&tally));
    peer = v4(2);
    assert_int_equal(tally_name(&tally, &peer), TALLY_FINE);
    assert_int_equal(tally.open, 2);
    assert_int_equal(tally.addresses, 2);
    leave(&tally, v4(1));
    leave(&tally, v4(2));
    assert_int_equal(tally.open, 0);
    tally_fini(&tally);
}

/* The port does not matter; of IPv6 the first half counts, of IPv4 all of it. */
static void test_what_counts_as_one_address(void **state)
{
    (void)state;
    struct tally tally;
    struct peer peer = v4(1);
    tally_init(&tally, 100, 1, 1);
    peer.port = 1;
    assert_int_equal(enter(&tally, peer), TALLY_FINE);
    peer.port = 2;
    assert_int_equal(enter(&tally, peer), TALLY_ADDRESS_FULL);
    assert_int_equal(enter(&tally, v4(2)), TALLY_FINE);
    assert_int_equal(enter(&tally, v6("2001:db8:1:2::1")), TALLY_FINE);
    assert_int_equal(enter(&tally, v6("2001:db8:1:2:ffff::2")), TALLY_ADDRESS_FULL);
    assert_int_equal(enter(&tally, v6("2001:db8:1:3::1")), TALLY_FINE);
    leave(&tally, v6("2001:db8:1:2:aaaa::"));
    assert_int_equal(enter(&tally, v6("2001:db8:1:2::3")), TALLY_FINE);
    tally_fini(&tally);
}

enum { ADDRESSES = 400 };

/* Against a plain array, through growth and every order of leaving, under several seeds. */
static void test_against_a_model(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++) {
        uint8_t model[ADDRESSES] = {0};
        size_t open = 0, addresses = 0;
        uint64_t random = seed * 77 + 1;
        struct tally tally;
        tally_init(&tally, 900, 4, seed * 0x9e3779b97f4a7c15U);
        for (unsigned i = 0; i < 30000; i++) {
            random = random * 6364136223846793005U + 1442695040888963407U;
            size_t at = (size_t)(random >> 33) % ADDRESSES;
            struct peer peer = at % 2 == 0 ? v4((uint32_t)at) : v6("2001:db8::1");
            if (at % 2 == 1)
                memcpy(peer.address + 4, &at, 4);
            /* mostly in, then mostly out */
            bool in = (random >> 20) % 100 < (i / 5000 % 2 == 0 ? 70 : 30);
            if (in) {
                enum tally_result expected = open >= 900      ? TALLY_FULL
                                             : model[at] >= 4 ? TALLY_ADDRESS_FULL
                                                              : TALLY_FINE;
                assert_int_equal(enter(&tally, peer), expected);
                if (expected == TALLY_FINE) {
                    open++;
                    addresses += model[at]++ == 0;
                }
            } else if (model[at] > 0) {
                leave(&tally, peer);
                open--;
                addresses -= --model[at] == 0;
            }
            assert_int_equal(tally.open, open);
            assert_int_equal(tally.addresses, addresses);
        }
        assert_true(tally.capacity <= 2048);
        tally_fini(&tally);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_caps),
        cmocka_unit_test(test_names_that_come_later),
        cmocka_unit_test(test_what_counts_as_one_address),
        cmocka_unit_test(test_against_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
