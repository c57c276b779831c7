/* Base64 (RFC 4648, sections 4 and 5). Pure; any thread. */
#ifndef WEIR_FLOW_BASE64_H
#define WEIR_FLOW_BASE64_H

#include "shared/base/buf.h"
#include "shared/base/must.h"
#include "shared/base/span.h"

#include <stdbool.h>
#include <stdint.h>

/* Bytes that `len` characters decode to at most. */
static inline size_t base64_decoded_most(size_t len)
{
    return len / 4 * 3 + 3;
}

/* Decodes both alphabets, with or without padding, into `to` (base64_decoded_most bytes; may be
 * NULL for empty text). False for any other character, a length that cannot be, and padding that
 * does not fit. Bits left over in the last character are ignored, as the proto3 JSON mapping's
 * conformance tests have it. */
MUST_USE bool base64_decode(struct span text, uint8_t *to, size_t *len);

/* Appends the standard alphabet, padded. */
void base64_encode(struct buf *out, const uint8_t *bytes, size_t len);

#endif
