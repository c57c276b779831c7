#include "shared/llm/credentials.h"

#include "shared/base/log.h"
#include "shared/base/tick.h"
#include "shared/llm/curl_rules.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BODY_BYTES = 64 * 1024, FETCH_MS = 10000, CONNECT_MS = 5000, SOONEST_MS = 1000 };

struct credentials {
    struct credentials_settings settings; /* fixed */
    struct credentials_wanted wanted[CREDENTIALS_MOST];
    size_t n_wanted;
    pthread_t thread;

    /* The thread's own. */
    CURL *easy;
    struct curl_slist *headers;
    struct buf body;
    char error[CURL_ERROR_SIZE];

    struct {
        pthread_mutex_t mutex;
        pthread_cond_t changed;
        bool stopping;
    } shared;
};

char *credentials_read(struct span body)
{
    json_t *document =
        json_loadb(body.len > 0 ? body.at : "", body.len, JSON_REJECT_DUPLICATES, NULL);
    const char *value = json_string_value(json_object_get(document, "value"));
    char *copy = value != NULL ? strdup(value) : NULL;
    must(value == NULL || copy != NULL);
    json_decref(document);
    return copy;
}

static bool is_stopping(struct credentials *credentials)
{
    must(pthread_mutex_lock(&credentials->shared.mutex) == 0);
    bool stopping = credentials->shared.stopping;
    must(pthread_mutex_unlock(&credentials->shared.mutex) == 0);
    return stopping;
}

/* --- one fetch --- */

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct credentials *credentials = context;
    buf_put(&credentials->body, bytes, size * count);
    return credentials->body.overflow ? 0 : size * count;
}

static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    return is_stopping(context) ? 1 : 0;
}

static void set_up(struct credentials *credentials)
{
    CURL *easy = credentials->easy = curl_easy_init();
    must(easy != NULL);
    static const char format[] = "Authorization: Bearer %s";
    size_t size = sizeof format + strlen(credentials->settings.token);
    char *line = malloc(size);
    must(line != NULL);
    (void)snprintf(line, size, format, credentials->settings.token);
    credentials->headers = curl_slist_append(NULL, line);
    must(credentials->headers != NULL);
    explicit_bzero(line, size);
    free(line);
    curl_must_set(easy, CURLOPT_HTTPHEADER, credentials->headers);
    curl_rules_set(easy, credentials->settings.ca_file);
    curl_must_set(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_must_set(easy, CURLOPT_TIMEOUT_MS, (long)FETCH_MS);
    curl_must_set(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_must_set(easy, CURLOPT_WRITEDATA, credentials);
    curl_must_set(easy, CURLOPT_NOPROGRESS, 0L);
    curl_must_set(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_must_set(easy, CURLOPT_XFERINFODATA, credentials);
    curl_must_set(easy, CURLOPT_ERRORBUFFER, credentials->error);
}

static void log_failure(const struct credentials_wanted *wanted, long status, const char *reason)
{
    struct log_line line;
    log_begin(&line, LOG_WARNING, "credentials", "fetch_failed");
    log_text(&line, "name", wanted->name);
    if (status != 0)
        log_i64(&line, "status", status);
    log_text(&line, "reason", reason);
    log_bool(&line, "kept", llm_key_version(wanted->key) > 0);
    log_end(&line);
}

/* What is wrong with the answer; NULL: nothing is, and the key is set. */
static const char *take_answer(const struct credentials *credentials, struct llm_key *key)
{
    const char *problem = NULL;
    char *value = credentials_read(buf_span(&credentials->body));
    uint64_t before = llm_key_version(key);
    if (value == NULL)
        problem = "no value in the answer";
    else if (!llm_key_set(key, span_of(value)))
        problem = "the value cannot be a key";
    else if (before > 0 && llm_key_version(key) != before)
        log_event(LOG_INFO, "credentials", "key_changed", NULL, NULL);
    if (value != NULL)
        explicit_bzero(value, strlen(value));
    free(value);
    return problem;
}

static bool fetch(struct credentials *credentials, const struct credentials_wanted *wanted)
{
    struct buf url;
    long status = 0;
    const char *problem = NULL;
    buf_init(&url, NULL, 4096);
    buf_put_text(&url, credentials->settings.url);
    buf_put_text(&url, "/credentials/");
    buf_put_text(&url, wanted->name);
    buf_put_char(&url, '\0');
    must(!url.overflow);
    curl_must_set(credentials->easy, CURLOPT_URL, url.at);
    buf_fini(&url);
    credentials->error[0] = '\0';
    CURLcode code = curl_easy_perform(credentials->easy);
    (void)curl_easy_getinfo(credentials->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK)
        problem = credentials->error[0] != '\0' ? credentials->error : curl_easy_strerror(code);
    else if (status != 200)
        problem = "another status than 200";
    else
        problem = take_answer(credentials, wanted->key);
    if (problem != NULL && !is_stopping(credentials))
        log_failure(wanted, status, problem);
    if (credentials->body.at != NULL)
        explicit_bzero(credentials->body.at, credentials->body.cap);
    buf_clear(&credentials->body);
    return problem == NULL;
}

/* --- the thread --- */

/* False: it is time to go. */
static bool rest(struct credentials *credentials, uint64_t ms)
{
    struct timespec until;
    uint64_t due_ns = tick_now_ns() + ms * 1000000U;
    until.tv_sec = (time_t)(due_ns / 1000000000U);
    until.tv_nsec = (long)(due_ns % 1000000000U);
    must(pthread_mutex_lock(&credentials->shared.mutex) == 0);
    while (!credentials->shared.stopping && tick_now_ns() < due_ns)
        (void)pthread_cond_timedwait(&credentials->shared.changed, &credentials->shared.mutex,
                                     &until);
    bool stopping = credentials->shared.stopping;
    must(pthread_mutex_unlock(&credentials->shared.mutex) == 0);
    return !stopping;
}

static void *run(void *argument)
{
    struct credentials *credentials = argument;
    uint64_t wait_ms = SOONEST_MS;
    bool fine;
    (void)pthread_setname_np(pthread_self(), "weir-keys");
    do {
        fine = true;
        for (size_t i = 0; i < credentials->n_wanted && !is_stopping(credentials); i++)
            fine &= fetch(credentials, &credentials->wanted[i]);
        if (fine)
            wait_ms = SOONEST_MS;
        uint64_t refresh_ms = credentials->settings.refresh_ms;
        if (!rest(credentials, fine || wait_ms > refresh_ms ? refresh_ms : wait_ms))
            break;
        if (!fine)
            wait_ms *= 2;
    } while (true);
    return NULL;
}

struct credentials *credentials_start(const struct credentials_settings *settings,
                                      const struct credentials_wanted *wanted, size_t n)
{
    struct credentials *credentials = calloc(1, sizeof *credentials);
    pthread_condattr_t clock;
    must(credentials != NULL && n <= CREDENTIALS_MOST);
    credentials->settings = *settings;
    memcpy(credentials->wanted, wanted, n * sizeof *wanted);
    credentials->n_wanted = n;
    buf_init(&credentials->body, NULL, BODY_BYTES);
    set_up(credentials);
    must(pthread_mutex_init(&credentials->shared.mutex, NULL) == 0);
    must(pthread_condattr_init(&clock) == 0);
    must(pthread_condattr_setclock(&clock, CLOCK_MONOTONIC) == 0);
    must(pthread_cond_init(&credentials->shared.changed, &clock) == 0);
    must(pthread_condattr_destroy(&clock) == 0);
    must(pthread_create(&credentials->thread, NULL, run, credentials) == 0);
    return credentials;
}

struct credentials *credentials_stop(struct credentials *credentials)
{
    if (credentials == NULL)
        return NULL;
    must(pthread_mutex_lock(&credentials->shared.mutex) == 0);
    credentials->shared.stopping = true;
    must(pthread_cond_signal(&credentials->shared.changed) == 0);
    must(pthread_mutex_unlock(&credentials->shared.mutex) == 0);
    must(pthread_join(credentials->thread, NULL) == 0);
    curl_easy_cleanup(credentials->easy);
    explicit_bzero(credentials->headers->data, strlen(credentials->headers->data));
    curl_slist_free_all(credentials->headers);
    buf_fini(&credentials->body);
    must(pthread_cond_destroy(&credentials->shared.changed) == 0);
    must(pthread_mutex_destroy(&credentials->shared.mutex) == 0);
    free(credentials);
    return NULL;
}
