/* What every request of ours to another server keeps to, whoever makes it.
 *
 * http and https alone; no redirect that libcurl follows by itself; no proxy and no netrc of the
 * environment; certificates and their names checked, TLS 1.2 at least; no signals, and no end that
 * waits for a name which is being looked up.
 *
 * The handle is the caller's, on the caller's thread. No errors: a libcurl that lacks one of these
 * ends the process. */
#ifndef WEIR_LLM_CURL_RULES_H
#define WEIR_LLM_CURL_RULES_H

#include "shared/base/must.h"

#include <curl/curl.h>

/* Of options that cannot be refused: those that exist, with values of our own. */
#define curl_must_set(easy, option, value) must(curl_easy_setopt(easy, option, value) == CURLE_OK)

/* `ca_file` is copied; NULL: the system's authorities. */
void curl_rules_set(CURL *easy, const char *ca_file);

#endif
