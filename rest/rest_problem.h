/* Error bodies (H8): RFC 9457 problem details from a verdict. Pure. */
#ifndef WEIR_REST_REST_PROBLEM_H
#define WEIR_REST_REST_PROBLEM_H

#include "shared/base/buf.h"
#include "shared/verdict.h"

/* Appends the JSON object. `instance` is the request's path; bytes of it that are not printable
 * ASCII are percent-encoded. */
void rest_problem_write(struct buf *out, const struct verdict *verdict, struct span instance,
                        const char *request_id);

#endif
