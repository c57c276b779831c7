#include "shared/base/peer.h"

#include "shared/base/must.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct peer peer_from_sockaddr(const struct sockaddr *address)
{
    struct peer peer = {{0}, 0};
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        memcpy(peer.address, v4_prefix, sizeof v4_prefix);
        memcpy(peer.address + 12, &v4.sin_addr, 4);
        peer.port = ntohs(v4.sin_port);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        memcpy(peer.address, &v6.sin6_addr, 16);
        peer.port = ntohs(v6.sin6_port);
    }
    return peer;
}

bool peer_is_v4(const struct peer *peer)
{
    return memcmp(peer->address, v4_prefix, sizeof v4_prefix) == 0;
}

bool peer_is_loopback(const struct peer *peer)
{
    static const uint8_t v6_loopback[16] = {[15] = 1};
    return (peer_is_v4(peer) && peer->address[12] == 127) ||
           memcmp(peer->address, v6_loopback, sizeof v6_loopback) == 0;
}

/* inet_ntop does it by sprintf, which shows when it is done for every request. */
static void v4_text(const uint8_t address[4], char *text)
{
    for (size_t i = 0; i < 4; i++) {
        unsigned part = address[i];
        if (part >= 100)
            *text++ = (char)('0' + part / 100);
        if (part >= 10)
            *text++ = (char)('0' + part / 10 % 10);
        *text++ = (char)('0' + part % 10);
        *text++ = i < 3 ? '.' : '\0';
    }
}

void peer_text(const struct peer *peer, char text[PEER_TEXT_BYTES])
{
    if (peer_is_v4(peer))
        v4_text(peer->address + 12, text);
    else
        must(inet_ntop(AF_INET6, peer->address, text, PEER_TEXT_BYTES) != NULL);
}
