/* Who is at the other end of a connection: an address and a port, by value.
 *
 * An IPv4 address is kept IPv4-mapped (::ffff:a.b.c.d), so that one comparison serves both. */
#ifndef WEIR_BASE_PEER_H
#define WEIR_BASE_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;

struct peer {
    uint8_t address[16]; /* network order */
    uint16_t port;       /* host order; 0 = unknown */
};

enum { PEER_TEXT_BYTES = 48 };

/* From what accept() gave. Families other than IPv4 and IPv6 give ::, port 0. */
struct peer peer_from_sockaddr(const struct sockaddr *address);
bool peer_is_v4(const struct peer *peer);
bool peer_is_loopback(const struct peer *peer);
/* The address alone ("192.0.2.7", "2001:db8::1"), NUL-terminated. */
void peer_text(const struct peer *peer, char text[PEER_TEXT_BYTES]);

#endif
