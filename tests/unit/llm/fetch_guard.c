/* Addresses of every kind, and URLs that try to reach one of them all the same. */
#include "shared/llm/fetch_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct fetch_guard strict;

static struct peer address(const char *text, uint16_t port)
{
    struct peer peer = {0};
    if (!cidr_read_address(span_of(text), &peer))
        fail_msg("%s is no address", text);
    peer.port = port;
    return peer;
}

static void public_addresses(void **state)
{
    static const char *const public[] = {
        "1.1.1.1",         "8.8.8.8",          "9.255.255.255",     "11.0.0.0",
        "100.63.255.255",  "100.128.0.0",      "126.255.255.255",   "128.0.0.0",
        "168.63.129.15",   "168.63.129.17",    "169.253.255.255",   "169.255.0.0",
        "172.15.255.255",  "172.32.0.0",       "191.255.255.255",   "192.0.1.0",
        "192.0.3.0",       "192.88.98.255",    "192.167.255.255",   "192.169.0.0",
        "198.17.255.255",  "198.20.0.0",       "198.51.99.255",     "203.0.112.255",
        "203.0.114.0",     "223.255.255.255",  "2001:200::1",       "2001:4860:4860::8888",
        "2606:4700::1111", "2003::1",          "2a00:1450::1",      "3ffe::1",
        "::ffff:8.8.8.8",  "64:ff9b::8.8.8.8", "2a00::5efe:808:808"};
    (void)state;
    for (size_t i = 0; i < sizeof public / sizeof public[0]; i++) {
        struct peer peer = address(public[i], 443);
        if (!fetch_guard_is_public(&peer))
            fail_msg("%s is public", public[i]);
        assert_int_equal(fetch_guard_address(&strict, &peer), FETCH_FINE);
    }
}

static void other_addresses(void **state)
{
    static const char *const others[] = {
        /* this network, private, carrier, loopback, link-local, metadata */
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200",
        "100.127.255.255", "127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.0.1",
        "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.1",
        "192.0.0.192", "192.168.0.1", "192.168.255.255",
        /* documentation, benchmarks, relays, multicast, reserved, broadcast */
        "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.255",
        "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
        /* IPv6 by itself */
        "::", "::1", "::2", "fe80::1", "febf::1", "fec0::1", "fc00::1", "fd00:ec2::254", "fdff::1",
        "ff02::1", "ff0e::1", "100::1", "2001:db8::1", "2001:2::1", "2001:10::1", "2001:20::1",
        "3fff::1", "3fff:fff::1", "4000::1", "5f00::1",
        /* IPv4 within it */
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::8.8.8.8",
        "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::a00:1",
        "64:ff9b:1::8.8.8.8", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::1",
        "2002:808:808::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2a00::5efe:7f00:1",
        "2a00::200:5efe:a00:1"};
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct peer peer = address(others[i], 443);
        if (fetch_guard_is_public(&peer))
            fail_msg("%s is not public", others[i]);
        assert_int_equal(fetch_guard_address(&strict, &peer), FETCH_NOT_PUBLIC);
    }
}

static void ports(void **state)
{
    static const uint16_t web[] = {80, 443, 8080, 8443}, others[] = {0, 22, 25, 81, 6379, 65535};
    (void)state;
    for (size_t i = 0; i < sizeof web / sizeof web[0]; i++) {
        struct peer peer = address("8.8.8.8", web[i]);
        assert_int_equal(fetch_guard_address(&strict, &peer), FETCH_FINE);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct peer peer = address("8.8.8.8", others[i]);
        assert_int_equal(fetch_guard_address(&strict, &peer), FETCH_PORT);
    }
}

static void exempt_addresses(void **state)
{
    struct fetch_guard guard = {{0}};
    struct span wrong;
    (void)state;
    assert_true(cidr_list_parse(span_of("10.1.0.0/16"), &guard.exempt, &wrong));
    struct peer inside = address("10.1.2.3", 9000), outside = address("10.2.0.1", 80);
    struct peer abroad = address("8.8.8.8", 9000);
    assert_int_equal(fetch_guard_address(&guard, &inside), FETCH_FINE);
    assert_int_equal(fetch_guard_address(&guard, &outside), FETCH_NOT_PUBLIC);
    assert_int_equal(fetch_guard_address(&guard, &abroad), FETCH_PORT);
    assert_int_equal(fetch_guard_url(&guard, span_of("http://10.1.2.3:9000/a.png")), FETCH_FINE);
    assert_int_equal(fetch_guard_url(&guard, span_of("http://images.corp:9000/a")), FETCH_FINE);
    assert_int_equal(fetch_guard_url(&guard, span_of("http://localhost/")), FETCH_NOT_PUBLIC);
    cidr_list_free(&guard.exempt);
}

struct sample {
    const char *url;
    enum fetch_refusal refusal;
};

static const struct sample urls[] = {
    {"https://example.com/a.png", FETCH_FINE},
    {"http://example.com", FETCH_FINE},
    {"HTTPS://EXAMPLE.COM:443/a?b=c&d=%20#e", FETCH_FINE},
    {"http://example.com:8080/", FETCH_FINE},
    {"http://8.8.8.8/a.png", FETCH_FINE},
    {"http://[2606:4700::1111]/a.png", FETCH_FINE},
    {"https://notlocalhost/", FETCH_FINE}, /* its address will tell */
    {"http:///a.png", FETCH_FINE},         /* the host is a.png then */
    /* other schemes */
    {"file:///etc/passwd", FETCH_SCHEME},
    {"ftp://example.com/a.png", FETCH_SCHEME},
    {"gopher://example.com:6379/_FLUSHALL", FETCH_SCHEME},
    {"dict://example.com:11211/stats", FETCH_SCHEME},
    {"jar:http://example.com!/", FETCH_BAD_URL},
    {"data:image/png;base64,AAAA", FETCH_BAD_URL},
    {"javascript:alert(1)", FETCH_BAD_URL},
    /* credentials, also such as look like hosts */
    {"http://user:password@example.com/", FETCH_CREDENTIALS},
    {"http://user@example.com/", FETCH_CREDENTIALS},
    {"http://example.com@127.0.0.1/", FETCH_CREDENTIALS},
    {"http://8.8.8.8:80@127.0.0.1/", FETCH_CREDENTIALS},
    {"http://127.0.0.1#@example.com/", FETCH_NOT_PUBLIC},
    /* loopback by other names */
    {"http://localhost/", FETCH_NOT_PUBLIC},
    {"http://LOCALHOST./", FETCH_NOT_PUBLIC},
    {"http://a.localhost/", FETCH_NOT_PUBLIC},
    {"http://127.0.0.1/", FETCH_NOT_PUBLIC},
    {"http://127.1/", FETCH_NOT_PUBLIC},
    {"http://127.0.1/", FETCH_NOT_PUBLIC},
    {"http://0/", FETCH_NOT_PUBLIC},
    {"http://0.0.0.0:8080/", FETCH_NOT_PUBLIC},
    {"http://2130706433/", FETCH_NOT_PUBLIC},
    {"http://0x7f000001/", FETCH_NOT_PUBLIC},
    {"http://0x7f.0.0.1/", FETCH_NOT_PUBLIC},
    {"http://0177.0.0.1/", FETCH_NOT_PUBLIC},
    {"http://017700000001/", FETCH_NOT_PUBLIC},
    {"http://[::1]/", FETCH_NOT_PUBLIC},
    {"http://[::]:443/", FETCH_NOT_PUBLIC},
    {"http://[0:0:0:0:0:0:0:1]/", FETCH_NOT_PUBLIC},
    {"http://[::ffff:127.0.0.1]/", FETCH_NOT_PUBLIC},
    {"http://[::ffff:7f00:1]/", FETCH_NOT_PUBLIC},
    {"http://[64:ff9b::7f00:1]/", FETCH_NOT_PUBLIC},
    {"http://[64:ff9b:1::808:808]/", FETCH_NOT_PUBLIC},
    {"http://[2002:7f00:1::]/", FETCH_NOT_PUBLIC},
    {"http://[fe80::1]/", FETCH_NOT_PUBLIC},
    {"http://[fd00:ec2::254]/latest/meta-data/", FETCH_NOT_PUBLIC},
    /* metadata and private networks */
    {"http://169.254.169.254/latest/meta-data/", FETCH_NOT_PUBLIC},
    {"http://2852039166/", FETCH_NOT_PUBLIC},
    {"http://0xa9fea9fe/", FETCH_NOT_PUBLIC},
    {"http://0251.0376.0251.0376/", FETCH_NOT_PUBLIC},
    {"http://100.100.100.200/", FETCH_NOT_PUBLIC},
    {"http://10.0.0.1/", FETCH_NOT_PUBLIC},
    {"http://172.16.0.1/", FETCH_NOT_PUBLIC},
    {"https://192.168.1.1:8443/", FETCH_NOT_PUBLIC},
    {"http://224.0.0.1/", FETCH_NOT_PUBLIC},
    {"http://255.255.255.255/", FETCH_NOT_PUBLIC},
    /* other services */
    {"http://example.com:22/", FETCH_PORT},
    {"http://example.com:6379/", FETCH_PORT},
    {"http://8.8.8.8:25/", FETCH_PORT},
    {"http://example.com:0/", FETCH_PORT},
    /* what no honest client sends */
    {"", FETCH_BAD_URL},
    {"http://", FETCH_BAD_URL},
    {"//example.com/", FETCH_BAD_URL},
    {"/a.png", FETCH_BAD_URL},
    {"example.com/a.png", FETCH_BAD_URL},
    {"http://example.com:99999/", FETCH_BAD_URL},
    {"http://example.com:http/", FETCH_BAD_URL},
    {"http://[::1/", FETCH_BAD_URL},
    {"http://[fe80::1%25eth0]/", FETCH_BAD_URL},
    {"http://127.0.0.1\\@example.com/", FETCH_BAD_URL},
    {"http://exa mple.com/", FETCH_BAD_URL},
    {"http://example.com/\r\nHost: 127.0.0.1", FETCH_BAD_URL},
    {"http://example.com/\t", FETCH_BAD_URL},
    {" http://example.com/", FETCH_BAD_URL},
    {"http://\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1/", FETCH_BAD_URL},
    {"http://xn--a.example\x7f/", FETCH_BAD_URL},
};

/* Whatever libcurl makes of it, a refusal of any kind is what counts. */
static const char *const tricks[] = {
    "http://127%2e0.0.1/", "http://%6c%6f%63alhost/", "http://@127.0.0.1/",     "http://:@[::1]/",
    "http:127.0.0.1/",     "http:/127.0.0.1/",        "http://127.0.0.1:80:80/"};

static void hostile_urls(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        enum fetch_refusal refusal = fetch_guard_url(&strict, span_of(urls[i].url));
        if (refusal != urls[i].refusal)
            fail_msg("%s: \"%s\", not \"%s\"", urls[i].url, fetch_refusal_text(refusal),
                     fetch_refusal_text(urls[i].refusal));
    }
    for (size_t i = 0; i < sizeof tricks / sizeof tricks[0]; i++)
        if (fetch_guard_url(&strict, span_of(tricks[i])) == FETCH_FINE)
            fail_msg("%s passed", tricks[i]);
}

static void long_urls_and_nul(void **state)
{
    char url[FETCH_URL_BYTES + 2];
    (void)state;
    memset(url, 'a', sizeof url);
    memcpy(url, "http://example.com/", 19);
    assert_int_equal(fetch_guard_url(&strict, span_make(url, FETCH_URL_BYTES)), FETCH_FINE);
    assert_int_equal(fetch_guard_url(&strict, span_make(url, FETCH_URL_BYTES + 1)), FETCH_BAD_URL);
    url[20] = '\0';
    assert_int_equal(fetch_guard_url(&strict, span_make(url, 30)), FETCH_BAD_URL);
}

static void images(void **state)
{
    static const char webp[] = "RIFF\x24\0\0\0WEBPVP8 ";
    (void)state;
    assert_string_equal(fetch_image_type(span_of("\x89PNG\r\n\x1a\n....")), "image/png");
    assert_string_equal(fetch_image_type(span_of("\xff\xd8\xff\xe0")), "image/jpeg");
    assert_string_equal(fetch_image_type(span_of("GIF89a")), "image/gif");
    assert_string_equal(fetch_image_type(span_of("GIF87a...")), "image/gif");
    assert_string_equal(fetch_image_type(span_make(webp, sizeof webp - 1)), "image/webp");
    assert_null(fetch_image_type(SPAN_EMPTY));
    assert_null(fetch_image_type(span_of("\x89PNG")));
    assert_null(fetch_image_type(span_make(webp, 11)));
    assert_null(fetch_image_type(span_of("RIFF....WAVE")));
    assert_null(fetch_image_type(span_of("<svg xmlns=\"http://www.w3.org/2000/svg\">")));
    assert_null(fetch_image_type(span_of("<html>")));
}

static void promises(void **state)
{
    (void)state;
    assert_true(fetch_promises_image("image/png"));
    assert_true(fetch_promises_image("Image/JPEG; charset=binary"));
    assert_true(fetch_promises_image("image/jpg"));
    assert_true(fetch_promises_image(" image/webp "));
    assert_false(fetch_promises_image(NULL));
    assert_false(fetch_promises_image(""));
    assert_false(fetch_promises_image("image"));
    assert_false(fetch_promises_image("image/svg+xml"));
    assert_false(fetch_promises_image("text/html"));
    assert_false(fetch_promises_image("text/html; image/png"));
    assert_false(fetch_promises_image("image/pngx"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(public_addresses),
                                       cmocka_unit_test(other_addresses),
                                       cmocka_unit_test(ports),
                                       cmocka_unit_test(exempt_addresses),
                                       cmocka_unit_test(hostile_urls),
                                       cmocka_unit_test(long_urls_and_nul),
                                       cmocka_unit_test(images),
                                       cmocka_unit_test(promises)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
