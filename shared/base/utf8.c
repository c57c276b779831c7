#include "shared/base/utf8.h"

#include <stdint.h>

/* Bytes of the well-formed sequence at `at` (`left` bytes remain), or 0. The table is RFC 3629's
 * grammar, section 4. */
static size_t sequence_length(const unsigned char *at, size_t left)
{
    unsigned char lead = at[0], low = 0x80, high = 0xbf;
    size_t len;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        len = 2;
    else if (lead >= 0xe0 && lead <= 0xef)
        len = 3;
    else if (lead >= 0xf0 && lead <= 0xf4)
        len = 4;
    else
        return 0;
    if (left < len)
        return 0;
    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

size_t utf8_valid_bytes(struct span text)
{
    const unsigned char *at = (const unsigned char *)text.at;
    size_t i = 0;
    while (i < text.len) {
        uint64_t word;
        while (text.len - i >= sizeof word) { /* eight ASCII bytes at a time */
            memcpy(&word, at + i, sizeof word);
            if ((word & 0x8080808080808080U) != 0)
                break;
            i += sizeof word;
        }
        if (i == text.len)
            break;
        size_t len = sequence_length(at + i, text.len - i);
        if (len == 0)
            break;
        i += len;
    }
    return i;
}

bool utf8_valid(struct span text)
{
    return utf8_valid_bytes(text) == text.len;
}

size_t utf8_length(struct span text)
{
    size_t characters = 0;
    for (size_t i = 0; i < text.len; i++)
        characters += ((unsigned char)text.at[i] & 0xc0) != 0x80;
    return characters;
}

struct span utf8_prefix(struct span text, size_t characters)
{
    size_t i = 0;
    for (; i < text.len; i++) {
        if (((unsigned char)text.at[i] & 0xc0) == 0x80)
            continue;
        if (characters == 0)
            break;
        characters--;
    }
    return (struct span){text.at, i};
}
