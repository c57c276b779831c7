#include "shared/llm/curl_rules.h"

void curl_rules_set(CURL *easy, const char *ca_file)
{
    curl_must_set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_must_set(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_must_set(easy, CURLOPT_PROXY, "");
    curl_must_set(easy, CURLOPT_NOPROXY, "*"); /* else each looks for it in the environment */
    curl_must_set(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_must_set(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_must_set(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_must_set(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (ca_file != NULL)
        curl_must_set(easy, CURLOPT_CAINFO, ca_file);
    curl_must_set(easy, CURLOPT_NOSIGNAL, 1L);
    curl_must_set(easy, CURLOPT_QUICK_EXIT, 1L);
}
