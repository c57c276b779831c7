/* The one place where a broken invariant ends the process. */
#include "shared/base/must.h"

#include <stdio.h>
#include <stdlib.h>

void must_fail(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "weir: broken invariant: %s (%s:%d)\n", condition, file, line);
    abort();
}
