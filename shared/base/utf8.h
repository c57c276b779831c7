/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. Pure. */
#ifndef WEIR_BASE_UTF8_H
#define WEIR_BASE_UTF8_H

#include "shared/base/span.h"

/* Is `text` well-formed UTF-8? (A NUL byte is; callers that need C strings look for it.) */
bool utf8_valid(struct span text);
/* Bytes of the longest well-formed prefix that ends between characters: where the first mistake
 * begins, or text.len. */
size_t utf8_valid_bytes(struct span text);
/* Characters (code points) in well-formed `text`. */
size_t utf8_length(struct span text);
/* The longest prefix of well-formed `text` that has at most `characters` characters. */
struct span utf8_prefix(struct span text, size_t characters);

#endif
