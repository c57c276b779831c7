/* Counting in any bytes: no more is found than there is room for, and lines are counted the same
 * one by one and all together. */
#include "shared/base/must.h"
#include "shared/policy/content.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct content_counts whole = {0}, lines = {0};
    content_count(span_make((const char *)data, size), &whole);
    must(whole.urls <= size / 3 && whole.phones <= size / 8);
    for (size_t from = 0; from < size;) {
        const uint8_t *end = memchr(data + from, '\n', size - from);
        size_t len = end != NULL ? (size_t)(end - data) - from : size - from;
        char *line = malloc(len + 1); /* alone on the heap */
        must(line != NULL);
        memcpy(line, data + from, len);
        content_count(span_make(line, len), &lines);
        free(line);
        from += len + 1;
    }
    must(whole.urls == lines.urls && whole.phones == lines.phones);
    return 0;
}
