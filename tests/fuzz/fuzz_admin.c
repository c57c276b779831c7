/* The head of a request to the admin listener. */
#include "server/admin_http.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct span part, struct span whole)
{
    must(part.len == 0 || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct admin_request request;
    char *text = malloc(size > 0 ? size : 1);
    must(text != NULL);
    memcpy(text, data, size);
    struct span bytes = span_make(text, size);
    enum admin_reading reading = admin_http_read(bytes, &request);
    must(reading != ADMIN_MORE || size < ADMIN_HEAD_BYTES);
    if (reading == ADMIN_WHOLE) {
        check_inside(request.method, bytes);
        check_inside(request.path, bytes);
        check_inside(request.host, bytes);
        must(request.path.at[0] == '/');
    }
    free(text);
    return 0;
}
