/* The client's side of a relayed connection: a socket, with TLS on it or without. Non-blocking;
 * owner thread only. */
#ifndef WEIR_SERVER_GUARD_WIRE_H
#define WEIR_SERVER_GUARD_WIRE_H

#include "shared/base/must.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/types.h>

struct wire {
    int fd;           /* owned */
    SSL *ssl;         /* owned; NULL: plain */
    bool wants_write; /* reading, or the handshake, waits until the socket can be written */
};

enum { WIRE_AGAIN = -1, WIRE_BROKEN = -2 };

/* Takes both over. `context` may be NULL (no TLS) and stays the caller's. */
void wire_init(struct wire *wire, int fd, SSL_CTX *context);
/* Closes the socket. */
void wire_fini(struct wire *wire);
/* The handshake: 1 when it is done, else WIRE_AGAIN or WIRE_BROKEN. */
MUST_USE int wire_shake(struct wire *wire);
/* Bytes read, 0 at the end, or one of the above. */
MUST_USE ssize_t wire_read(struct wire *wire, char *to, size_t len);
/* There are bytes that no poll of the socket will tell about. */
bool wire_holds_bytes(const struct wire *wire);
/* Bytes written, or one of the above. */
MUST_USE ssize_t wire_write(struct wire *wire, const char *from, size_t len);
/* Nothing more is written. */
void wire_shut(struct wire *wire);

#endif
