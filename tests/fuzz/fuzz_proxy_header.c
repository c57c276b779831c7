/* The header of the PROXY protocol: its reader never looks past what there is, tells the same
 * however the bytes come, and never takes more than the header. */
#include "server/proxy_header.h"

#include "tests/support/exact.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum proxy_header_result read_first(const uint8_t *data, size_t len,
                                           struct proxy_header *header)
{
    struct span copy = exact_copy(span_make((const char *)data, len));
    enum proxy_header_result result = proxy_header_read(copy, header);
    exact_free(copy);
    return result;
}

static bool same(const struct proxy_header *a, const struct proxy_header *b)
{
    return a->bytes == b->bytes && a->named == b->named && a->client.port == b->client.port &&
           memcmp(a->client.address, b->client.address, sizeof a->client.address) == 0;
}

/* The bytes come one by one, and a look is taken when enough have come. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header whole, header;
    enum proxy_header_result at_once = read_first(data, size, &whole);
    size_t looks = 0, len = 0;
    for (enum proxy_header_result result; len <= size; len = header.bytes) {
        result = read_first(data, len, &header);
        looks++;
        if (result == PROXY_HEADER_WHOLE)
            must(at_once == PROXY_HEADER_WHOLE && same(&whole, &header) && header.bytes == len);
        if (result == PROXY_HEADER_BAD)
            must(at_once == PROXY_HEADER_BAD);
        if (result != PROXY_HEADER_PART)
            break;
        must(header.bytes > len && header.bytes <= PROXY_HEADER_MOST_BYTES);
    }
    must(len <= size || at_once != PROXY_HEADER_WHOLE);
    must(looks <= PROXY_HEADER_LINE_BYTES + 2);
    /* Without its last byte it is not whole. */
    if (at_once == PROXY_HEADER_WHOLE) {
        must(whole.bytes <= size && whole.bytes > 0);
        must(read_first(data, whole.bytes - 1, &header) == PROXY_HEADER_PART);
    }
    return 0;
}
