/* The trace that a request belongs to, as those who call and the proxies between say it.
 *
 * Both headers come from outside and are checked to the letter: what is kept is hexadecimal digits
 * in lower case and nothing else. Pure; any thread.
 *
 * Sources: W3C Trace Context (traceparent, versions 00 to fe); Google Cloud's
 * X-Cloud-Trace-Context, TRACE_ID/SPAN_ID;o=OPTIONS with a decimal span id. */
#ifndef WEIR_BASE_TRACE_H
#define WEIR_BASE_TRACE_H

#include "shared/base/must.h"
#include "shared/base/span.h"

#include <stdbool.h>

enum { TRACE_ID_DIGITS = 32, TRACE_SPAN_DIGITS = 16 };

struct trace {
    char id[TRACE_ID_DIGITS + 1];
    char span[TRACE_SPAN_DIGITS + 1]; /* of the caller; "" when it was not told */
    bool sampled;
};

/* False: it is none, and *trace is untouched. */
MUST_USE bool trace_from_parent(struct span traceparent, struct trace *trace);
MUST_USE bool trace_from_cloud(struct span context, struct trace *trace);

#endif
