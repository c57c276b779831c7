/* Copies that end where their heap block does, so that a sanitizer sees a read past the end. For
 * unit tests and fuzzers. */
#ifndef WEIR_TESTS_SUPPORT_EXACT_H
#define WEIR_TESTS_SUPPORT_EXACT_H

#include "shared/base/must.h"
#include "shared/base/span.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The caller's, until exact_free. */
static inline struct span exact_copy(struct span text)
{
    must(text.len <= PTRDIFF_MAX); /* which the compiler cannot know */
    char *copy = malloc(text.len > 0 ? text.len : 1);
    must(copy != NULL);
    if (text.len > 0)
        memcpy(copy, text.at, text.len);
    return span_make(copy, text.len);
}

static inline void exact_free(struct span copy)
{
    free((char *)(uintptr_t)copy.at);
}

#endif
