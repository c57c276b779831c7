#include "shared/llm/fetch_guard.h"

#include <curl/curl.h>
#include <stdlib.h>

/* --- addresses --- */

struct range {
    uint8_t prefix[16];
    uint8_t bits;
};

#define V4(a, b, c, d, n)                                                                          \
    {                                                                                              \
        {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}, 96 + (n)                           \
    }

/* Not for one machine of the public Internet. */
static const struct range v4_special[] = {
    V4(0, 0, 0, 0, 8),        /* this network */
    V4(10, 0, 0, 0, 8),       /* private */
    V4(100, 64, 0, 0, 10),    /* behind a carrier's NAT; some metadata services */
    V4(127, 0, 0, 0, 8),      /* loopback */
    V4(168, 63, 129, 16, 32), /* a cloud's host agent, at a public address */
    V4(169, 254, 0, 0, 16),   /* link-local; most metadata services */
    V4(172, 16, 0, 0, 12),    /* private */
    V4(192, 0, 0, 0, 24),     /* protocol assignments; one more metadata service */
    V4(192, 0, 2, 0, 24),     /* documentation */
    V4(192, 88, 99, 0, 24),   /* relays of 6to4 */
    V4(192, 168, 0, 0, 16),   /* private */
    V4(198, 18, 0, 0, 15),    /* benchmarks */
    V4(198, 51, 100, 0, 24),  /* documentation */
    V4(203, 0, 113, 0, 24),   /* documentation */
    V4(224, 0, 0, 0, 4),      /* multicast */
    V4(240, 0, 0, 0, 4),      /* reserved, broadcast */
};

/* Exceptions within 2000::/3; outside of that no address is public. */
static const struct range v6_special[] = {
    {{0x20, 0x01}, 23},             /* protocol assignments: Teredo, ORCHID, benchmarks, ... */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4 */
    {{0x3f, 0xff}, 20},             /* documentation */
};

static const struct range v4_mapped = V4(0, 0, 0, 0, 0);
static const struct range nat64 = {{0x00, 0x64, 0xff, 0x9b}, 96};
static const struct range global_unicast = {{0x20}, 3};

static bool in_range(const uint8_t address[16], const struct range *range)
{
    size_t whole = range->bits / 8U;
    unsigned rest = range->bits % 8U;
    if (memcmp(address, range->prefix, whole) != 0)
        return false;
    return rest == 0 || ((address[whole] ^ range->prefix[whole]) >> (8U - rest)) == 0;
}

static bool is_special(const uint8_t address[16], const struct range *ranges, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (in_range(address, &ranges[i]))
            return true;
    return false;
}

static bool v4_is_public(const uint8_t last[4])
{
    uint8_t mapped[16];
    memcpy(mapped, v4_mapped.prefix, sizeof mapped);
    memcpy(mapped + 12, last, 4);
    return !is_special(mapped, v4_special, sizeof v4_special / sizeof v4_special[0]);
}

/* An interface identifier of 00-00-5E-FE or 02-00-5E-FE and an IPv4 address. */
static bool is_isatap(const uint8_t address[16])
{
    return (address[8] & 0xfdU) == 0 && address[9] == 0 && address[10] == 0x5e &&
           address[11] == 0xfe;
}

bool fetch_guard_is_public(const struct peer *peer)
{
    const uint8_t *address = peer->address;
    if (in_range(address, &v4_mapped) || in_range(address, &nat64))
        return v4_is_public(address + 12);
    if (!in_range(address, &global_unicast) ||
        is_special(address, v6_special, sizeof v6_special / sizeof v6_special[0]))
        return false;
    return !is_isatap(address) || v4_is_public(address + 12);
}

static bool is_web_port(unsigned port)
{
    return port == 80 || port == 443 || port == 8080 || port == 8443;
}

enum fetch_refusal fetch_guard_address(const struct fetch_guard *guard, const struct peer *peer)
{
    if (cidr_list_has(&guard->exempt, peer))
        return FETCH_FINE;
    if (!fetch_guard_is_public(peer))
        return FETCH_NOT_PUBLIC;
    return is_web_port(peer->port) ? FETCH_FINE : FETCH_PORT;
}

/* --- URLs --- */

static bool is_visible(struct span url)
{
    for (size_t i = 0; i < url.len; i++)
        if (url.at[i] <= ' ' || url.at[i] > '~' || url.at[i] == '\\')
            return false;
    return true;
}

/* The part as libcurl reads it, to be freed; NULL: there is none. */
static char *part_of(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    return curl_url_get(url, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK ? text : NULL;
}

static bool is_localhost(struct span host)
{
    static const char name[] = "localhost";
    size_t len = sizeof name - 1;
    if (host.len > 0 && host.at[host.len - 1] == '.')
        host.len--;
    if (host.len < len || !span_is_nocase(span_from(host, host.len - len), name))
        return false;
    return host.len == len || host.at[host.len - len - 1] == '.';
}

static enum fetch_refusal check_host(const struct fetch_guard *guard, struct span host,
                                     uint16_t port)
{
    struct peer peer = {0};
    if (host.len == 0 || memchr(host.at, '%', host.len) != NULL)
        return FETCH_BAD_URL;
    if (host.at[0] == '[')
        host = span_make(host.at + 1, host.len - 2);
    bool is_address = cidr_read_address(is_localhost(host) ? span_of("127.0.0.1") : host, &peer);
    peer.port = port;
    if (is_address)
        return fetch_guard_address(guard, &peer);
    /* Exempt addresses have all ports, and the name may be theirs. */
    return is_web_port(port) || guard->exempt.n > 0 ? FETCH_FINE : FETCH_PORT;
}

static enum fetch_refusal check_parts(const struct fetch_guard *guard, CURLU *url)
{
    char *scheme = part_of(url, CURLUPART_SCHEME), *host = part_of(url, CURLUPART_HOST);
    char *port = part_of(url, CURLUPART_PORT), *zone = part_of(url, CURLUPART_ZONEID);
    char *user = part_of(url, CURLUPART_USER), *password = part_of(url, CURLUPART_PASSWORD);
    enum fetch_refusal refusal = FETCH_BAD_URL;
    if (scheme != NULL && strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        refusal = FETCH_SCHEME;
    else if (user != NULL || password != NULL)
        refusal = FETCH_CREDENTIALS;
    else if (scheme != NULL && host != NULL && port != NULL && zone == NULL && strlen(port) <= 5)
        refusal = check_host(guard, span_of(host), (uint16_t)strtoul(port, NULL, 10));
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(zone);
    curl_free(user);
    curl_free(password);
    return refusal;
}

enum fetch_refusal fetch_guard_url(const struct fetch_guard *guard, struct span url)
{
    char text[FETCH_URL_BYTES + 1];
    if (url.len == 0 || url.len > FETCH_URL_BYTES || !is_visible(url))
        return FETCH_BAD_URL;
    memcpy(text, url.at, url.len);
    text[url.len] = '\0';
    CURLU *parsed = curl_url();
    must(parsed != NULL);
    enum fetch_refusal refusal = FETCH_BAD_URL;
    if (curl_url_set(parsed, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK)
        refusal = check_parts(guard, parsed);
    curl_url_cleanup(parsed);
    return refusal;
}

const char *fetch_refusal_text(enum fetch_refusal refusal)
{
    static const char *const texts[] = {[FETCH_FINE] = "",
                                        [FETCH_BAD_URL] = "must be a plain http or https URL",
                                        [FETCH_SCHEME] = "must be an http or https URL",
                                        [FETCH_CREDENTIALS] =
                                            "must not hold a user name or a password",
                                        [FETCH_PORT] = "must use port 80, 443, 8080 or 8443",
                                        [FETCH_NOT_PUBLIC] = "must be at a public address"};
    return texts[refusal];
}

/* --- images --- */

const char *fetch_image_type(struct span bytes)
{
    static const char png[] = "\x89PNG\r\n\x1a\n", jpeg[] = "\xff\xd8\xff";
    if (span_starts_with(bytes, png))
        return "image/png";
    if (span_starts_with(bytes, jpeg))
        return "image/jpeg";
    if (span_starts_with(bytes, "GIF87a") || span_starts_with(bytes, "GIF89a"))
        return "image/gif";
    if (bytes.len >= 12 && span_starts_with(bytes, "RIFF") &&
        span_starts_with(span_from(bytes, 8), "WEBP"))
        return "image/webp";
    return NULL;
}

bool fetch_promises_image(const char *content_type)
{
    static const char *const types[] = {"image/png", "image/jpeg", "image/jpg", "image/gif",
                                        "image/webp"};
    struct span type = span_of(content_type);
    const char *parameter = type.len > 0 ? memchr(type.at, ';', type.len) : NULL;
    if (parameter != NULL)
        type.len = (size_t)(parameter - type.at);
    type = span_trim(type);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (span_is_nocase(type, types[i]))
            return true;
    return false;
}
