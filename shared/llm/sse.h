/* Parser of text/event-stream (WHATWG HTML, "Server-sent events", 9.2.6), fed in pieces of any
 * size. Pure; one thread at a time.
 *
 * The caller pulls events out of what it has received, so it can stop after any of them. Only the
 * fields `data` and `event` are kept; `id`, `retry` and comments are read and dropped. What is left
 * over when a stream ends without an empty line is no event. */
#ifndef WEIR_LLM_SSE_H
#define WEIR_LLM_SSE_H

#include "shared/base/buf.h"
#include "shared/base/must.h"
#include "shared/base/span.h"

#include <stdbool.h>

/* An event's data and the line under way together, at most. */
enum { SSE_EVENT_BYTES = 1024 * 1024 };

enum sse_result {
    SSE_EVENT,
    SSE_MORE,     /* all input is used up */
    SSE_TOO_LARGE /* an event over the limit; stays so until sse_reset */
};

/* Valid until the next call with the parser. */
struct sse_event {
    struct span name; /* of the field `event`; empty: not said, which means "message" */
    struct span data; /* the data lines joined by \n; may be empty */
};

struct sse {
    struct buf line; /* the line under way, as far as it came in earlier pieces */
    struct buf data;
    struct buf name;
    bool begun;    /* the first line, which may have a byte order mark, is over */
    bool after_cr; /* a \n that comes now belongs to the line that is over */
    bool has_data;
    bool handed_out; /* data and name are the caller's until the next call */
    bool failed;
};

void sse_init(struct sse *sse);
void sse_fini(struct sse *sse);
/* As new; keeps memory up to `keep_bytes` a buffer. */
void sse_reset(struct sse *sse, size_t keep_bytes);

/* Reads from *input, which is moved on behind what was read. */
MUST_USE enum sse_result sse_next(struct sse *sse, struct span *input, struct sse_event *event);

#endif
