/* Personal data in text from outside, masked before it is logged (O2). Pure. */
#ifndef WEIR_BASE_REDACT_H
#define WEIR_BASE_REDACT_H

#include "shared/base/span.h"

/* Copies `text` to `out` (room for text.len bytes) and returns the length there. Email addresses
 * become "[email]", runs of 9 to 19 digits (spaces, dots and dashes between them allowed; phone and
 * card numbers) become "[number]". What does not fit its mask is starred out. */
size_t redact_copy(struct span text, char *out);

#endif
