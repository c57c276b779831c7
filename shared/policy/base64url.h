/* Strict base64url without padding (RFC 7515 section 2, RFC 4648 section 5), for texts whose bytes
 * are signed or compared: each value has exactly one spelling. Pure; any thread. */
#ifndef WEIR_POLICY_BASE64URL_H
#define WEIR_POLICY_BASE64URL_H

#include "shared/base/must.h"
#include "shared/base/span.h"

#include <stdbool.h>
#include <stdint.h>

/* Bytes that `len` characters decode to at most. */
static inline size_t base64url_bytes(size_t len)
{
    return len / 4 * 3 + 2;
}

/* Decodes into `to` (base64url_bytes of room). False for a character outside the alphabet, padding,
 * a length that cannot be, and bits left over that are not zero. */
MUST_USE bool base64url_decode(struct span text, uint8_t *to, size_t *len);

#endif
