#include "server/proxy_header.h"

#include "shared/policy/cidr.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

enum { SIGNATURE_BYTES = 12, FIXED_BYTES = 16, SHORTEST_LINE_BYTES = 15 };
enum { VERSION_2 = 2, COMMAND_LOCAL = 0, COMMAND_PROXY = 1 };
enum { FAMILY_NONE, FAMILY_V4, FAMILY_V6, FAMILY_UNIX, FAMILIES };
enum { TRANSPORT_NONE, TRANSPORT_STREAM, TRANSPORT_DATAGRAM, TRANSPORTS };

const char proxy_header_local[PROXY_HEADER_LOCAL_BYTES] = {
    '\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n', VERSION_2 << 4};

/* As far as both go. */
static bool agree(struct span bytes, const char *text, size_t len)
{
    return memcmp(bytes.at, text, bytes.len < len ? bytes.len : len) == 0;
}

static enum proxy_header_result part(struct proxy_header *header, size_t bytes)
{
    header->bytes = bytes;
    return PROXY_HEADER_PART;
}

/* --- version 1 --- */

/* The word up to the next space, which is taken, too, or to the end. */
static struct span take_word(struct span *rest)
{
    const char *space = rest->len > 0 ? memchr(rest->at, ' ', rest->len) : NULL;
    struct span word = span_make(rest->at, space != NULL ? (size_t)(space - rest->at) : rest->len);
    *rest = space != NULL ? span_from(*rest, word.len + 1) : SPAN_EMPTY;
    return word;
}

/* Decimal, without leading zeros. */
static bool read_port(struct span text, uint16_t *port)
{
    unsigned value = 0;
    if (text.len == 0 || text.len > 5 || (text.len > 1 && text.at[0] == '0'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text.at[i] - '0');
    }
    *port = (uint16_t)value;
    return value <= UINT16_MAX;
}

static bool read_address(struct span text, int family, struct peer *peer)
{
    bool v6 = text.len > 0 && memchr(text.at, ':', text.len) != NULL;
    return v6 == (family == FAMILY_V6) && cidr_read_address(text, peer);
}

/* "192.0.2.1 192.0.2.9 56324 443": source, destination, and their ports. */
static bool read_addresses(struct span text, int family, struct peer *client)
{
    struct peer server;
    struct span source = take_word(&text), destination = take_word(&text);
    struct span port = take_word(&text);
    return read_address(source, family, client) && read_address(destination, family, &server) &&
           read_port(port, &client->port) && read_port(text, &server.port);
}

static enum proxy_header_result read_line(struct span bytes, struct proxy_header *header)
{
    static const struct {
        struct span text;
        int family;
    } beginnings[] = {{SPAN_LITERAL("PROXY TCP4 "), FAMILY_V4},
                      {SPAN_LITERAL("PROXY TCP6 "), FAMILY_V6},
                      {SPAN_LITERAL("PROXY UNKNOWN"), FAMILY_NONE}};
    size_t n = sizeof beginnings / sizeof beginnings[0], i = 0;
    size_t seen = bytes.len < PROXY_HEADER_LINE_BYTES ? bytes.len : PROXY_HEADER_LINE_BYTES;
    while (i < n && !agree(bytes, beginnings[i].text.at, beginnings[i].text.len))
        i++;
    if (i == n)
        return PROXY_HEADER_BAD;
    const char *end = memmem(bytes.at, seen, "\r\n", 2);
    if (end == NULL && seen == PROXY_HEADER_LINE_BYTES)
        return PROXY_HEADER_BAD;
    if (end == NULL)
        return part(header, seen < SHORTEST_LINE_BYTES ? SHORTEST_LINE_BYTES : seen + 1);
    size_t len = (size_t)(end - bytes.at), begun = beginnings[i].text.len;
    struct span rest = span_make(bytes.at + begun, len - begun);
    header->bytes = len + 2;
    header->named = beginnings[i].family != FAMILY_NONE;
    if (header->named)
        return read_addresses(rest, beginnings[i].family, &header->client) ? PROXY_HEADER_WHOLE
                                                                           : PROXY_HEADER_BAD;
    /* Whatever follows UNKNOWN is to be ignored. */
    return rest.len == 0 || rest.at[0] == ' ' ? PROXY_HEADER_WHOLE : PROXY_HEADER_BAD;
}

/* --- version 2 --- */

/* Source, destination, and their ports, in network order. */
static struct peer client_of(const uint8_t *addresses, int family)
{
    struct peer client = {.address = {[10] = 0xff, [11] = 0xff}};
    size_t each = family == FAMILY_V4 ? 4 : 16;
    uint16_t port;
    memcpy(client.address + sizeof client.address - each, addresses, each);
    memcpy(&port, addresses + 2 * each, sizeof port);
    client.port = ntohs(port);
    return client;
}

static enum proxy_header_result read_binary(struct span bytes, struct proxy_header *header)
{
    static const size_t address_bytes[FAMILIES] = {0, 12, 36, 216};
    const uint8_t *at = (const uint8_t *)bytes.at;
    if (!agree(bytes, proxy_header_local, SIGNATURE_BYTES))
        return PROXY_HEADER_BAD;
    if (bytes.len > SIGNATURE_BYTES &&
        (at[SIGNATURE_BYTES] >> 4 != VERSION_2 || (at[SIGNATURE_BYTES] & 15) > COMMAND_PROXY))
        return PROXY_HEADER_BAD;
    if (bytes.len < FIXED_BYTES)
        return part(header, FIXED_BYTES);
    bool local = (at[12] & 15) == COMMAND_LOCAL;
    int family = at[13] >> 4, transport = at[13] & 15;
    size_t len = (size_t)at[14] << 8 | at[15];
    if (FIXED_BYTES + len > PROXY_HEADER_MOST_BYTES)
        return PROXY_HEADER_BAD;
    if (!local && (family >= FAMILIES || transport >= TRANSPORTS))
        return PROXY_HEADER_BAD;
    bool addressed = !local && family != FAMILY_NONE && transport != TRANSPORT_NONE;
    if (addressed && len < address_bytes[family])
        return PROXY_HEADER_BAD;
    if (bytes.len < FIXED_BYTES + len)
        return part(header, FIXED_BYTES + len);
    header->bytes = FIXED_BYTES + len;
    header->named = addressed && family != FAMILY_UNIX && transport == TRANSPORT_STREAM;
    if (header->named)
        header->client = client_of(at + FIXED_BYTES, family);
    return PROXY_HEADER_WHOLE;
}

enum proxy_header_result proxy_header_read(struct span bytes, struct proxy_header *header)
{
    *header = (struct proxy_header){0};
    if (bytes.len == 0)
        return part(header, 1);
    return bytes.at[0] == 'P' ? read_line(bytes, header) : read_binary(bytes, header);
}
