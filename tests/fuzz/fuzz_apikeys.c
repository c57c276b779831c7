/* The file of API keys, and keys that callers present. Input up to the first NUL is the file, the
 * rest a key. */
#include "shared/policy/apikey.h"
#include "shared/policy/scope.h"

#include <ctype.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char problem[APIKEYS_PROBLEM_BYTES] = "";
    const struct apikey *row = NULL;
    const char *start = (const char *)data;
    const char *nul = size > 0 ? memchr(start, '\0', size) : NULL;
    size_t len = nul != NULL ? (size_t)(nul - start) : size;
    struct apikeys *keys = apikeys_parse(span_make(start, len), problem);
    if (keys == NULL) {
        must(problem[0] != '\0');
        for (const char *at = problem; *at != '\0'; at++)
            must(isprint((unsigned char)*at));
        return 0;
    }
    struct span credential = nul != NULL ? span_make(nul + 1, size - len - 1) : SPAN_EMPTY;
    if (apikeys_find(keys, credential, 0, &row) == APIKEY_FINE) {
        must(row->tenant.len > 0 && row->scopes.len > 0 && row->expires_s > 0);
        (void)scope_allows(row->scopes, "tell_joke");
    }
    (void)apikeys_unref(keys);
    return 0;
}
