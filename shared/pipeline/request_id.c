/* Request ids: the client's where it is harmless, else a random UUID (RFC 9562, version 4). */
#include "shared/request.h"

#include "shared/base/must.h"

#include <stdint.h>
#include <sys/random.h>

/* A client's id goes into headers and log lines, hence the narrow alphabet. */
static bool is_harmless(struct span id)
{
    if (id.len == 0 || id.len >= REQUEST_ID_BYTES)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.at[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '_' || c == '-';
        if (!fine)
            return false;
    }
    return true;
}

/* 16 random bytes; one system call serves 64 ids. */
static void draw(uint8_t out[16])
{
    static _Thread_local uint8_t pool[1024];
    static _Thread_local size_t left;
    if (left == 0) {
        /* Up to 256 bytes the kernel never gives less than asked for. */
        for (size_t at = 0; at < sizeof pool; at += 256)
            must(getrandom(pool + at, 256, 0) == 256);
        left = sizeof pool;
    }
    left -= 16;
    memcpy(out, pool + left, 16);
}

static void write_uuid(char out[37])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t bytes[16];
    draw(bytes);
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    size_t at = 0;
    for (size_t i = 0; i < sizeof bytes; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        out[at++] = hex[bytes[i] >> 4];
        out[at++] = hex[bytes[i] & 15];
    }
    out[at] = '\0';
}

void request_identify(struct request *request)
{
    struct span given = request->given.client_request_id;
    if (request->id[0] != '\0')
        return;
    if (is_harmless(given)) {
        memcpy(request->id, given.at, given.len);
        request->id[given.len] = '\0';
    } else {
        write_uuid(request->id);
    }
}
