/* The table of API keys from inside, for the two files that make and read it. Constant once it is
 * made, but for the count of references; then any thread may read it. */
#ifndef WEIR_POLICY_APIKEY_TABLE_H
#define WEIR_POLICY_APIKEY_TABLE_H

#include "shared/policy/apikey.h"

#include <stdatomic.h>

struct apikeys {
    atomic_uint refs;
    char *text;          /* owned: what the rows point into */
    struct apikey *rows; /* owned; sorted by id */
    size_t n;
};

/* Which of two ids comes first; as qsort wants it. */
int apikey_compare_ids(struct span a, struct span b);
bool apikey_id_is_fine(struct span id);

#endif
