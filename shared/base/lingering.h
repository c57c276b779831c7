/* The lingering close: a TCP socket that is closed while something of the client lies unread in it,
 * or arrives after the close, is reset, and the reset may take along the answer that the client has
 * not read yet. So whoever ends a connection on which the client may still be speaking shuts its
 * own side (SHUT_WR), hears the client out for a while, drops what it says, and closes then.
 *
 * Bounded in time, which is the owner's to keep, and in bytes; takes no memory. Any thread, one at
 * a time for each socket.
 *
 * Source: RFC 9112 section 9.6; MSG_TRUNC in tcp(7). */
#ifndef WEIR_BASE_LINGERING_H
#define WEIR_BASE_LINGERING_H

#include "shared/base/must.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    LINGERING_MS = 5000,           /* from the shutting on */
    LINGERING_DRAIN_MS = 1000,     /* while the process drains */
    LINGERING_BYTES = 8 << 20,     /* heard in all; a few of the largest bodies by default */
    LINGERING_TURN_BYTES = 1 << 20 /* in one call, so that others get their turn */
};

/* Drops what has come on `fd`, which must not block; *dropped, 0 in the beginning, counts it.
 * False: it is time to close; the client has ended, is gone, or has said too much. */
MUST_USE bool lingering_drop(int fd, uint32_t *dropped);

#endif
