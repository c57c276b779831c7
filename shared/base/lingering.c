#include "shared/base/lingering.h"

#include <errno.h>
#include <sys/socket.h>

enum { PIECE_BYTES = 64 * 1024 };

bool lingering_drop(int fd, uint32_t *dropped)
{
    char unused[PIECE_BYTES]; /* the kernel drops the bytes itself, and copies none */
    for (uint32_t here = 0; here < LINGERING_TURN_BYTES;) {
        ssize_t got = recv(fd, unused, sizeof unused, MSG_TRUNC | MSG_DONTWAIT);
        if (got < 0)
            return errno == EAGAIN || errno == EINTR;
        here += (uint32_t)got;
        *dropped += (uint32_t)got;
        if (got == 0 || *dropped >= LINGERING_BYTES)
            return false;
    }
    return true;
}
