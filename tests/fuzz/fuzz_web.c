/* Requests of Connect and gRPC-Web: bodies in frames, plain and in base64, and time-outs. The first
 * byte says which. */
#include "rest/rest_web.h"
#include "shared/flow/base64.h"
#include "tests/support/exact.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unframe(struct span body)
{
    struct span message = SPAN_EMPTY, detail = SPAN_EMPTY;
    enum verdict_code code = web_unframe(body, &message, &detail);
    must(code == VERDICT_OK || code == VERDICT_MALFORMED || code == VERDICT_BAD_COMPRESSION);
    must((detail.len > 0) == (code != VERDICT_OK));
    if (code != VERDICT_OK)
        return;
    /* What was taken out goes back in, and gives the same bytes. */
    struct buf again;
    buf_init(&again, NULL, body.len);
    size_t frame = web_frame_begin(&again, WEB_MESSAGE);
    buf_put_span(&again, message);
    web_frame_end(&again, frame);
    must(span_equal(buf_span(&again), body));
    buf_fini(&again);
}

static void decode(struct span text)
{
    size_t len = 0;
    char *to = malloc(base64_decoded_most(text.len));
    must(to != NULL);
    if (web_text_decode(text, to, &len)) {
        must(len <= base64_decoded_most(text.len));
        unframe(span_make(to, len));
    }
    free(to);
}

static void read_headers(struct span text)
{
    uint64_t ms = 0;
    if (web_timeout_connect(text, &ms))
        must(ms > 0 && ms < 10000000000U);
    if (web_timeout_grpc(text, &ms))
        must(ms > 0 && ms < 100000000ULL * 3600000U);
    if (web_type_of(text) != NULL && web_type_of(text)->protocol >= WEB_GRPC)
        must(web_is_grpc(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct span rest = exact_copy(span_make((const char *)data + 1, size - 1));
    if (data[0] % 3 == 0)
        unframe(rest);
    else if (data[0] % 3 == 1)
        decode(rest);
    else
        read_headers(rest);
    exact_free(rest);
    return 0;
}
