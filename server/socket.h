/* Listening sockets, and the options of accepted ones. Any thread; all descriptors are non-blocking
 * and closed on exec. */
#ifndef WEIR_SERVER_SOCKET_H
#define WEIR_SERVER_SOCKET_H

#include "shared/base/must.h"
#include "shared/base/peer.h"

#include <stdbool.h>
#include <stdint.h>

/* A descriptor that listens on the first address of `host` (with "::" on IPv4 too), to be closed by
 * the caller; `port` 0 is any. -1: `error` is a line for the operator that names the setting:
 * `host_setting` or `port_setting`. May look a name up, so only at start. */
MUST_USE int socket_listen(const char *host, uint16_t port, const char *host_setting,
                           const char *port_setting, char error[256]);
/* The port that it is bound to. */
uint16_t socket_port(int fd);
/* Is it bound to a loopback address? */
bool socket_is_loopback(int fd);
/* Does the connection come from the very address that it came to, which is to say from this
 * machine?
 */
bool socket_is_own(int fd, const struct peer *peer);
/* The next waiting connection, with its options set (no delay; peers that went silent end), or -1
 * and errno. */
MUST_USE int socket_accept(int fd, struct peer *peer);

#endif
