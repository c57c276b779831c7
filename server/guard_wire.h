/* The client's side of a relayed connection: a socket, with TLS on it or without. Non-blocking;
 * owner thread only. */
#ifndef WEIR_SERVER_GUARD_WIRE_H
#define WEIR_SERVER_GUARD_WIRE_H

#include "shared/base/must.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/types.h>

struct guard_wire {
    int fd;               /* owned */
    SSL *ssl;             /* owned; NULL: plain */
    bool wants_write;     /* reading, or the handshake, waits until the socket can be written */
    unsigned key_updates; /* that the client has asked for, or made */
};

enum { WIRE_AGAIN = -1, WIRE_BROKEN = -2 };
enum { WIRE_RECORD_BYTES = 16384 }; /* the most that a record of TLS holds (RFC 8446, 5.1) */
/* Of one connection in one go, so that records of one byte do not keep the loop from others. */
enum { WIRE_RECORDS = 16 };
/* New keys are due after some 2^24 records (RFC 8446, 5.5), and are work for us alone. */
enum { WIRE_KEY_UPDATES = 32 };

/* Takes both over. `context` may be NULL (no TLS) and stays the caller's. */
void guard_wire_init(struct guard_wire *wire, int fd, SSL_CTX *context);
/* Closes the socket. */
void guard_wire_fini(struct guard_wire *wire);
/* The handshake: 1 when it is done, else WIRE_AGAIN or WIRE_BROKEN. */
MUST_USE int guard_wire_shake(struct guard_wire *wire);
/* Bytes read, 0 at the end, or one of the above. With room for a record, `len` being at least
 * WIRE_RECORD_BYTES, no bytes stay behind that no poll of the socket will tell about; more may wait
 * in the socket. WIRE_BROKEN also after too many new keys. */
MUST_USE ssize_t guard_wire_read(struct guard_wire *wire, char *to, size_t len);
/* The end has been read behind the last bytes, and no poll of the socket will tell about it. */
bool guard_wire_holds_end(const struct guard_wire *wire);
/* Bytes written, or one of the above. */
MUST_USE ssize_t guard_wire_write(struct guard_wire *wire, const char *from, size_t len);
/* Nothing more is written. */
void guard_wire_shut(struct guard_wire *wire);

#endif
