#include "server/fetch.h"

#include "shared/llm/curl_rules.h"

#include <stdio.h>

static size_t on_body(char *bytes, size_t size, size_t n, void *context)
{
    struct buf *body = context;
    buf_put(body, bytes, size * n);
    return body->overflow ? 0 : size * n;
}

static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    atomic_bool *stop = context;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return stop != NULL && atomic_load(stop);
}

static CURL *prepare(const struct fetch *fetch, struct buf *body, char why[CURL_ERROR_SIZE])
{
    CURL *easy = curl_easy_init();
    must(easy != NULL);
    curl_must_set(easy, CURLOPT_URL, fetch->url);
    curl_rules_set(easy, fetch->ca_file);
    curl_must_set(easy, CURLOPT_CONNECTTIMEOUT_MS, fetch->connect_timeout_ms);
    curl_must_set(easy, CURLOPT_TIMEOUT_MS, fetch->total_timeout_ms);
    curl_must_set(easy, CURLOPT_USERAGENT, "weir");
    curl_must_set(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_must_set(easy, CURLOPT_WRITEDATA, body);
    curl_must_set(easy, CURLOPT_NOPROGRESS, 0L);
    curl_must_set(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_must_set(easy, CURLOPT_XFERINFODATA, fetch->stop);
    curl_must_set(easy, CURLOPT_ERRORBUFFER, why);
    return easy;
}

bool fetch_get(const struct fetch *fetch, struct buf *body, char problem[FETCH_PROBLEM_BYTES])
{
    char why[CURL_ERROR_SIZE] = "";
    long status = 0;
    CURL *easy = prepare(fetch, body, why);
    CURLcode end = curl_easy_perform(easy);
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(easy);
    if (body->overflow)
        (void)snprintf(problem, FETCH_PROBLEM_BYTES, "the answer is too large");
    else if (end != CURLE_OK)
        (void)snprintf(problem, FETCH_PROBLEM_BYTES, "%.180s",
                       why[0] != '\0' ? why : curl_easy_strerror(end));
    else if (status != 200)
        (void)snprintf(problem, FETCH_PROBLEM_BYTES, "the answer has the status %ld", status);
    else
        return true;
    return false;
}
