#include "shared/flow/base64.h"

/* 0-63, or -1 for a character of neither alphabet. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    return -1;
}

bool base64_decode(struct span text, uint8_t *to, size_t *len)
{
    size_t padding = 0;
    while (padding < 2 && text.len > 0 && text.at[text.len - 1] == '=') {
        text.len--;
        padding++;
    }
    if (text.len % 4 == 1 || (padding > 0 && (text.len + padding) % 4 != 0))
        return false;
    uint32_t bits = 0;
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = value_of(text.at[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        size_t have = i % 4; /* the i-th character of four completes a byte, but for the first */
        if (have > 0)
            to[n++] = (uint8_t)(bits >> (6 - 2 * have));
    }
    *len = n;
    return true;
}

void base64_encode(struct buf *out, const uint8_t *bytes, size_t len)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *to = buf_reserve(out, (len + 2) / 3 * 4);
    if (to == NULL)
        return;
    out->len += (len + 2) / 3 * 4;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits = (uint32_t)bytes[i] << 16;
        bits |= i + 1 < len ? (uint32_t)bytes[i + 1] << 8 : 0;
        bits |= i + 2 < len ? bytes[i + 2] : 0;
        *to++ = alphabet[bits >> 18];
        *to++ = alphabet[bits >> 12 & 63];
        *to++ = i + 1 < len ? alphabet[bits >> 6 & 63] : '=';
        *to++ = i + 2 < len ? alphabet[bits & 63] : '=';
    }
}
