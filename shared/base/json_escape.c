#include "shared/base/json_escape.h"

#include <string.h>

enum { UNIT_BYTES = 6 }; /* \uXXXX */

/* The value of four hexadecimal digits; UINT32_MAX when they are not there. */
static uint32_t hex4(const char *at, const char *end)
{
    uint32_t value = 0;
    if (end - at < 4)
        return UINT32_MAX;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint32_t)(c - '0');
        else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            value = value << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
        else
            return UINT32_MAX;
    }
    return value;
}

size_t json_escape(const char *at, const char *end, uint32_t *c)
{
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (end - at < 2)
        return 0;
    if (at[1] != 'u') {
        const char *name = memchr(names, at[1], sizeof names - 1);
        *c = name != NULL ? (uint32_t)meanings[name - names] : 0;
        return name != NULL ? 2 : 0;
    }
    uint32_t unit = hex4(at + 2, end);
    *c = unit;
    if (unit == UINT32_MAX || (unit >= 0xdc00 && unit <= 0xdfff))
        return 0;
    if (unit < 0xd800 || unit > 0xdbff)
        return UNIT_BYTES;
    at += UNIT_BYTES;
    uint32_t low =
        end - at >= UNIT_BYTES && at[0] == '\\' && at[1] == 'u' ? hex4(at + 2, end) : UINT32_MAX;
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    *c = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    return 2 * UNIT_BYTES;
}
