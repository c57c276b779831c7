/* Trace headers of any bytes: whatever is taken out of one can be written as a traceparent that
 * says the same. */
#include "shared/base/trace.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct trace *trace)
{
    struct trace again = {.id = ""};
    char text[64];
    must(strlen(trace->id) == TRACE_ID_DIGITS);
    if (trace->span[0] == '\0')
        return;
    (void)snprintf(text, sizeof text, "00-%s-%s-0%d", trace->id, trace->span, trace->sampled);
    must(trace_from_parent(span_of(text), &again));
    must(strcmp(again.id, trace->id) == 0 && strcmp(again.span, trace->span) == 0 &&
         again.sampled == trace->sampled);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace trace = {.id = ""};
    char *copy = malloc(size + 1); /* alone on the heap */
    must(copy != NULL);
    memcpy(copy, data, size);
    if (trace_from_parent(span_make(copy, size), &trace))
        check(&trace);
    if (trace_from_cloud(span_make(copy, size), &trace))
        check(&trace);
    free(copy);
    return 0;
}
