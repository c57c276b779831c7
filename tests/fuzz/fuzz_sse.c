/* An event stream fed whole and byte by byte gives the same events. */
#include "shared/llm/sse.h"
#include "tests/support/exact.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The events with their lengths, so that no two lists of events look alike. */
static void note(struct buf *seen, const struct sse_event *event)
{
    buf_put_u64(seen, event->name.len);
    buf_put_char(seen, ':');
    buf_put_span(seen, event->name);
    buf_put_u64(seen, event->data.len);
    buf_put_char(seen, ':');
    buf_put_span(seen, event->data);
}

static enum sse_result feed(struct sse *sse, struct span input, struct buf *seen)
{
    struct sse_event event;
    enum sse_result result;
    while ((result = sse_next(sse, &input, &event)) == SSE_EVENT)
        note(seen, &event);
    must(result == SSE_TOO_LARGE || input.len == 0);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sse sse;
    struct buf whole, bytes;
    buf_init(&whole, NULL, 64 << 20);
    buf_init(&bytes, NULL, 64 << 20);
    sse_init(&sse);
    enum sse_result result = feed(&sse, span_make((const char *)data, size), &whole);
    sse_reset(&sse, 64);
    enum sse_result last = SSE_MORE;
    for (size_t i = 0; i < size && last == SSE_MORE; i++) {
        struct span byte = exact_copy(span_make((const char *)data + i, 1));
        last = feed(&sse, byte, &bytes);
        exact_free(byte);
    }
    must(result == last && span_equal(buf_span(&whole), buf_span(&bytes)));
    sse_fini(&sse);
    buf_fini(&whole);
    buf_fini(&bytes);
    return 0;
}
