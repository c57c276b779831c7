/* Heads of HTTP/1.1 requests: what passes has an end, and nothing behind that end matters. */
#include "rest/rest_framing.h"
#include "tests/support/exact.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum verdict_code check(const uint8_t *data, size_t size)
{
    struct span detail = SPAN_EMPTY;
    struct span copy = exact_copy(span_make((const char *)data, size));
    enum verdict_code code = framing_check(copy, &detail);
    exact_free(copy);
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
