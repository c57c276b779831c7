/* Headers of both versions, whole, cut at each byte, and wrong in each way that the protocol's
 * document names. */
#include "server/proxy_header.h"

#include "tests/support/exact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4                                                                                         \
    "\xc0\0\2\1"                                                                                   \
    "\xc0\0\2\x9"                                                                                  \
    "\xdc\4"                                                                                       \
    "\1\xbb"
#define V6                                                                                         \
    "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"                                                        \
    "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\2"                                                        \
    "\xdc\4"                                                                                       \
    "\1\xbb"

static struct proxy_header header;

static enum proxy_header_result read_first(struct span bytes, size_t len)
{
    assert_true(len <= bytes.len);
    struct span copy = exact_copy(span_make(bytes.at, len));
    memset(&header, 0xaa, sizeof header);
    enum proxy_header_result result = proxy_header_read(copy, &header);
    exact_free(copy);
    return result;
}

/* A header is whole at its last byte and not before; until then it says truly how many more it
 * takes; and what follows it changes nothing. */
static void check_whole(struct span bytes, const char *client, uint16_t port)
{
    char text[PEER_TEXT_BYTES], more[PROXY_HEADER_MOST_BYTES + 64] = {0};
    size_t looks = 0;
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(read_first(bytes, len), PROXY_HEADER_PART);
        assert_true(header.bytes > len && header.bytes <= bytes.len);
    }
    for (size_t len = 1; read_first(bytes, len) == PROXY_HEADER_PART; len = header.bytes)
        looks++;
    assert_true(looks <= PROXY_HEADER_LINE_BYTES);
    memcpy(more, bytes.at, bytes.len);
    memcpy(more + bytes.len, "\r\nGET / HTTP/1.1\r\n\r\n", 20);
    const struct span given[] = {bytes, span_make(more, bytes.len + 20)};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(read_first(given[i], given[i].len), PROXY_HEADER_WHOLE);
        assert_int_equal(header.bytes, bytes.len);
        assert_int_equal(header.named, client != NULL);
        if (client == NULL)
            continue;
        peer_text(&header.client, text);
        assert_string_equal(text, client);
        assert_int_equal(header.client.port, port);
    }
}

static void check_line(const char *text, const char *client, uint16_t port)
{
    check_whole(span_of(text), client, port);
}

static void test_lines(void **state)
{
    (void)state;
    check_line("PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n", "192.0.2.1", 56324);
    check_line("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255",
               65535);
    check_line("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0", 0);
    check_line("PROXY TCP6 2001:db8::1 2001:DB8::2 56324 443\r\n", "2001:db8::1", 56324);
    check_line("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
               "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
               "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535);
    check_line("PROXY TCP6 :: ::1 1 2\r\n", "::", 1);
    /* One host is one address, however it came. */
    check_line("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c000:209 1 2\r\n", "192.0.2.1", 1);
    check_line("PROXY UNKNOWN\r\n", NULL, 0);
    check_line("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
               "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
               NULL, 0);
    check_line("PROXY UNKNOWN  whatever\n\r it is\r\n", NULL, 0);
}

/* Wrong as a whole, and with all of the longest header behind it; what was said too early to know
 * is never called whole. */
static void check_bad(struct span bytes)
{
    char more[PROXY_HEADER_MOST_BYTES + 64] = {0};
    bool was_bad = false;
    assert_true(bytes.len <= sizeof more);
    assert_int_equal(read_first(bytes, bytes.len), PROXY_HEADER_BAD);
    memcpy(more, bytes.at, bytes.len);
    for (size_t len = 0; len <= sizeof more; len += len < 2 * bytes.len + 200 ? 1 : 97) {
        enum proxy_header_result result = read_first(span_make(more, sizeof more), len);
        assert_int_not_equal(result, PROXY_HEADER_WHOLE);
        assert_true(result == PROXY_HEADER_BAD || !was_bad);
        was_bad = result == PROXY_HEADER_BAD;
    }
    assert_true(was_bad);
}

static void test_bad_lines(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "PROXY TCP4 192.0.2.1 192.0.2.9 56324\r\n", "PROXY TCP4 192.0.2.1\r\n", "PROXY TCP4 \r\n",
        "PROXY TCP4\r\n", "PROXY\r\n", "PROXY \r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.9 56324 443 1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.9 56324 443 \r\n",
        "PROXY TCP4  192.0.2.1 192.0.2.9 56324 443\r\n",
        "PROXY TCP4 192.0.2.1  192.0.2.9 56324 443\r\n", "PROXY  TCP4", " PROXY TCP4",
        "PROXY TCP4 192.0.2.1\t192.0.2.9 56324 443\r\n",
        /* addresses */
        "PROXY TCP4 192.0.2.01 192.0.2.9 56324 443\r\n",
        "PROXY TCP4 192.0.2.256 192.0.2.9 56324 443\r\n",
        "PROXY TCP4 192.0.2 192.0.2.9 56324 443\r\n",
        "PROXY TCP4 192.0.2.1.1 192.0.2.9 56324 443\r\n",
        "PROXY TCP4 0x7f.0.0.1 192.0.2.9 56324 443\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 56324 443\r\n",
        "PROXY TCP4 192.0.2.1 2001:db8::2 56324 443\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.9 56324 443\r\n",
        "PROXY TCP6 2001:db8::1 192.0.2.9 56324 443\r\n",
        "PROXY TCP6 2001:db8:::1 2001:db8::2 56324 443\r\n",
        "PROXY TCP6 2001:db8::1::1 2001:db8::2 56324 443\r\n",
        "PROXY TCP6 1:2:3:4:5:6:7 2001:db8::2 56324 443\r\n",
        "PROXY TCP6 2001:db8::g 2001:db8::2 56324 443\r\n",
        "PROXY TCP6 [2001:db8::1] [2001:db8::2] 56324 443\r\n",
        "PROXY TCP6 fe80::1%eth0 2001:db8::2 56324 443\r\n",
        /* ports */
        "PROXY TCP4 192.0.2.1 192.0.2.9 65536 443\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.9 1 65536\r\n", "PROXY TCP4 192.0.2.1 192.0.2.9 056 443\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.9 -1 443\r\n", "PROXY TCP4 192.0.2.1 192.0.2.9 +1 443\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.9 1e1 443\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.9 99999999999999999999 443\r\n",
        /* families */
        "PROXY TCP5 192.0.2.1 192.0.2.9 56324 443\r\n", "PROXY UDP4", "PROXY tcp4", "proxy TCP4",
        "PROXY UNKNOWNS\r\n", "PROXY UNIX",
        /* ends */
        "PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\nGET / HTTP/1.1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\rGET / HTTP/1.1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\n\r\n",
        /* other protocols */
        "GET / HTTP/1.1\r\n\r\n", "POST", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PUT", "\x16\3\1",
        "\r\n\r\nGET", "\r\r", "\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        check_bad(span_of(bad[i]));
    const char nul[] = "PROXY TCP4 192.0.2.1\0 192.0.2.9 56324 443\r\n";
    check_bad(span_make(nul, sizeof nul - 1));
}

/* A line of 107 bytes is the longest. */
static void test_the_longest_line(void **state)
{
    (void)state;
    char line[PROXY_HEADER_LINE_BYTES + 2];
    memset(line, 'x', sizeof line);
    memcpy(line, "PROXY UNKNOWN ", 14);
    memcpy(line + PROXY_HEADER_LINE_BYTES - 2, "\r\n", 2);
    check_whole(span_make(line, PROXY_HEADER_LINE_BYTES), NULL, 0);
    memcpy(line + PROXY_HEADER_LINE_BYTES - 2, "x\r\n", 3);
    assert_int_equal(read_first(span_make(line, sizeof line), PROXY_HEADER_LINE_BYTES - 1),
                     PROXY_HEADER_PART);
    check_bad(span_make(line, PROXY_HEADER_LINE_BYTES));
    check_bad(span_make(line, PROXY_HEADER_LINE_BYTES + 1));
}

/* A header of version 2 with what is given behind its length, and `more` zeros. */
static struct span binary(unsigned command, unsigned family, const char *addresses, size_t len,
                          size_t more)
{
    static char bytes[PROXY_HEADER_MOST_BYTES + 2];
    size_t told = len + more;
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, SIGNATURE, 12);
    bytes[12] = (char)command;
    bytes[13] = (char)family;
    bytes[14] = (char)(told >> 8);
    bytes[15] = (char)told;
    if (len > 0)
        memcpy(bytes + 16, addresses, len);
    return span_make(bytes, 16 + told < sizeof bytes ? 16 + told : sizeof bytes);
}

static void test_binary(void **state)
{
    (void)state;
    static const size_t more[] = {0, 1, 84, 500, PROXY_HEADER_MOST_BYTES - 16 - 36};
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        check_whole(binary(0x21, 0x11, V4, 12, more[i]), "192.0.2.1", 56324);
        check_whole(binary(0x21, 0x21, V6, 36, more[i]), "2001:db8::1", 56324);
        check_whole(binary(0x20, 0x00, NULL, 0, more[i]), NULL, 0);
    }
    check_whole(binary(0x21, 0x21, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1", 16, 20), "192.0.2.1",
                0);
    check_whole(span_make(proxy_header_local, sizeof proxy_header_local), NULL, 0);
}

/* LOCAL is nobody's connection whatever it says besides; of others only TCP names a client. */
static void test_binary_without_a_client(void **state)
{
    (void)state;
    static const unsigned families[] = {0x00, 0x11, 0x21, 0x31, 0x12, 0x77, 0xff};
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        check_whole(binary(0x20, families[i], V4, 12, 0), NULL, 0);
        check_whole(binary(0x20, families[i], NULL, 0, 0), NULL, 0);
    }
    check_whole(binary(0x21, 0x00, V4, 12, 0), NULL, 0);
    check_whole(binary(0x21, 0x01, NULL, 0, 3), NULL, 0);
    check_whole(binary(0x21, 0x10, NULL, 0, 0), NULL, 0);
    check_whole(binary(0x21, 0x12, V4, 12, 0), NULL, 0);
    check_whole(binary(0x21, 0x22, V6, 36, 0), NULL, 0);
    check_whole(binary(0x21, 0x31, "/run/x", 6, 210), NULL, 0);
    check_whole(binary(0x21, 0x32, "/run/x", 6, 210), NULL, 0);
}

static void test_bad_binary(void **state)
{
    (void)state;
    check_bad(binary(0x11, 0x11, V4, 12, 0));
    check_bad(binary(0x31, 0x11, V4, 12, 0));
    check_bad(binary(0x01, 0x11, V4, 12, 0));
    check_bad(binary(0x22, 0x11, V4, 12, 0));
    check_bad(binary(0x2f, 0x11, V4, 12, 0));
    check_bad(binary(0x21, 0x41, V4, 12, 300));
    check_bad(binary(0x21, 0xf1, V4, 12, 300));
    check_bad(binary(0x21, 0x13, V4, 12, 0));
    check_bad(binary(0x21, 0x1f, V4, 12, 0));
    check_bad(binary(0x21, 0x03, NULL, 0, 0));
    check_bad(binary(0x21, 0x11, V4, 11, 0));
    check_bad(binary(0x21, 0x12, V4, 11, 0));
    check_bad(binary(0x21, 0x21, V6, 35, 0));
    check_bad(binary(0x21, 0x31, NULL, 0, 215));
    check_bad(binary(0x21, 0x11, V4, 12, PROXY_HEADER_MOST_BYTES - 16 - 12 + 1));
    check_bad(binary(0x20, 0x00, NULL, 0, PROXY_HEADER_MOST_BYTES - 16 + 1));
    check_bad(binary(0x20, 0x00, NULL, 0, 0xffff));
    /* a signature that is wrong in one byte */
    for (size_t i = 1; i < 12; i++) {
        char bytes[16];
        memcpy(bytes, proxy_header_local, sizeof bytes);
        bytes[i] ^= 1;
        check_bad(span_make(bytes, sizeof bytes));
    }
}

/* Said as soon as it shows, not only at the end of a line that may never come. */
static void test_is_bad_early(void **state)
{
    (void)state;
    const struct {
        struct span bytes;
        size_t early;
    } cases[] = {{SPAN_LITERAL("GET / HTTP/1.1\r\n"), 1},
                 {SPAN_LITERAL("POST / HTTP/1.1\r\n"), 2},
                 {SPAN_LITERAL("PRI * HTTP/2.0\r\n"), 3},
                 {SPAN_LITERAL("PROXY UDP4 192.0.2.1"), 8},
                 {SPAN_LITERAL("\r\nGET"), 3},
                 {SPAN_LITERAL(SIGNATURE "\x11"), 13},
                 {SPAN_LITERAL(SIGNATURE "\x21\x11\xff\xff"), 16},
                 {SPAN_LITERAL(SIGNATURE "\x21\x11\0\xb"), 16}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(read_first(cases[i].bytes, cases[i].early), PROXY_HEADER_BAD);
        assert_int_equal(read_first(cases[i].bytes, cases[i].early - 1), PROXY_HEADER_PART);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_the_longest_line),
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_binary_without_a_client),
        cmocka_unit_test(test_bad_binary),
        cmocka_unit_test(test_is_bad_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
