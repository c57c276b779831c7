/* Heads of HTTP/1.1 requests: what passes has an end, and nothing behind that end matters. */
#include "rest/rest_framing.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* On a copy that ends where the heap block does, so that a sanitizer sees a read past it. */
static enum verdict_code check(const uint8_t *data, size_t size)
{
    struct span detail = SPAN_EMPTY;
    char *copy = malloc(size);
    must(copy != NULL);
    memcpy(copy, data, size);
    enum verdict_code code = framing_check(span_make(copy, size), &detail);
    free(copy);
    must(code == VERDICT_OK || code == VERDICT_MALFORMED || code == VERDICT_HEADERS_TOO_LARGE ||
         code == VERDICT_HTTP_VERSION);
    must((detail.len > 0) == (code == VERDICT_MALFORMED)); /* the sentence is static */
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || check(data, size) != VERDICT_OK)
        return 0;
    const uint8_t *end = memmem(data, size, "\r\n\r\n", 4);
    must(end != NULL);
    size_t head = (size_t)(end - data) + 4;
    must(head <= FRAMING_HEAD_BYTES);
    must(check(data, head) == VERDICT_OK);
    must(check(data, head - 1) != VERDICT_OK);
    return 0;
}
