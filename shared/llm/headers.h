/* The header lines of a pool's requests as libcurl wants them, one of which may hold a key.
 *
 * Immutable and counted: requests under way go on with the lines that they began with when a new
 * key makes new ones. Wiped when the last user leaves. Owner thread only. */
#ifndef WEIR_LLM_HEADERS_H
#define WEIR_LLM_HEADERS_H

#include "shared/base/must.h"
#include "shared/base/span.h"

#include <curl/curl.h>

struct headers;

/* With one user. `fixed` may be NULL: one more line. `key` empty: no line for it. */
MUST_USE struct headers *headers_new(const char *fixed, const char *key_header, struct span key);
struct headers *headers_ref(struct headers *headers);
/* NULL is fine; returns NULL. */
struct headers *headers_unref(struct headers *headers);
struct curl_slist *headers_list(const struct headers *headers);

#endif
