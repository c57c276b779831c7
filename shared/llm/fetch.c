#include "shared/llm/fetch.h"

#include "shared/base/buf.h"
#include "shared/llm/curl_rules.h"
#include "shared/llm/sockets.h"

#include <stdlib.h>
#include <sys/socket.h>

enum { HEADER_BYTES = 64 * 1024, OTHER_BODY_BYTES = 64 * 1024 };

struct fetch_job {
    struct fetcher *fetcher;
    CURL *easy;
    bool attached; /* to the multi handle */
    unsigned hop;
    struct curl_slist *resolve;
    struct timer timer; /* the time that is left; or set to now, and `fail` is what to tell */
    size_t header_bytes;
    struct buf body;
    enum fetch_end fail; /* FETCH_DONE: nothing has failed yet */
    const char *reason;
    fetch_done *done;
    void *context;
    char error[CURL_ERROR_SIZE];
};

struct fetcher {
    CURLM *multi;
    struct sockets sockets;
    struct timers *timers;
    const struct fetch_settings *settings;
    struct curl_slist *headers;
    size_t running;
    void (*closed)(void *context);
    void *closed_context;
};

const char *fetch_end_name(enum fetch_end end)
{
    static const char *const names[] = {
        [FETCH_DONE] = "done",           [FETCH_FORBIDDEN] = "forbidden",
        [FETCH_UNREACHED] = "unreached", [FETCH_TIMED_OUT] = "timed_out",
        [FETCH_REFUSED] = "refused",     [FETCH_TOO_LARGE] = "too_large",
        [FETCH_NO_IMAGE] = "no_image"};
    return names[end];
}

/* The first failure counts. */
static void fail(struct fetch_job *job, enum fetch_end end, const char *reason)
{
    if (job->fail != FETCH_DONE)
        return;
    job->fail = end;
    job->reason = reason;
}

/* --- inside libcurl: look, refuse, store --- */

static bool is_allowed(struct fetch_job *job, const struct peer *peer)
{
    enum fetch_refusal refusal = fetch_guard_address(job->fetcher->settings->guard, peer);
    if (refusal != FETCH_FINE)
        fail(job, FETCH_FORBIDDEN, fetch_refusal_text(refusal));
    return refusal == FETCH_FINE;
}

static curl_socket_t on_open(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct fetch_job *job = context;
    (void)purpose;
    if (address->family != AF_INET && address->family != AF_INET6) {
        fail(job, FETCH_FORBIDDEN, "a strange address family");
        return CURL_SOCKET_BAD;
    }
    struct peer peer = peer_from_sockaddr(&address->addr);
    if (!is_allowed(job, &peer))
        return CURL_SOCKET_BAD;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Connected, and nothing is sent yet. A name that also stands for a refused address is not to be
 * trusted with a request to its better one. */
static int on_connected(void *context, char *remote, char *local, int port, int local_port)
{
    struct fetch_job *job = context;
    struct peer peer = {0};
    (void)local;
    (void)local_port;
    if (!cidr_read_address(span_of(remote), &peer))
        fail(job, FETCH_FORBIDDEN, "a strange address");
    peer.port = (uint16_t)port;
    return job->fail == FETCH_DONE && is_allowed(job, &peer) ? CURL_PREREQFUNC_OK
                                                             : CURL_PREREQFUNC_ABORT;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    struct fetch_job *job = context;
    (void)bytes;
    job->header_bytes += size * count;
    if (job->header_bytes <= HEADER_BYTES)
        return size * count;
    fail(job, FETCH_REFUSED, "too many headers");
    return 0;
}

static long status_of(const struct fetch_job *job)
{
    long status = 0;
    (void)curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static const char *promised_type(const struct fetch_job *job)
{
    const char *type = NULL;
    (void)curl_easy_getinfo(job->easy, CURLINFO_CONTENT_TYPE, &type);
    return type;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct fetch_job *job = context;
    bool wanted = status_of(job) == 200;
    if (wanted && !fetch_promises_image(promised_type(job))) {
        fail(job, FETCH_NO_IMAGE, "the Content-Type is not an image's");
        return 0;
    }
    job->body.limit = wanted ? FETCH_BYTES : OTHER_BODY_BYTES;
    buf_put(&job->body, bytes, size * count);
    if (!job->body.overflow)
        return size * count;
    fail(job, wanted ? FETCH_TOO_LARGE : FETCH_REFUSED, "the body is too large");
    return 0;
}

/* --- a job's life --- */

static void set_up(struct fetch_job *job)
{
    CURL *easy = job->easy;
    curl_must_set(easy, CURLOPT_HTTPGET, 1L);
    curl_must_set(easy, CURLOPT_HTTPHEADER, job->fetcher->headers);
    curl_must_set(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_rules_set(easy, job->fetcher->settings->ca_file);
    curl_must_set(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_must_set(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_must_set(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)FETCH_BYTES);
    curl_must_set(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_must_set(easy, CURLOPT_OPENSOCKETDATA, job);
    curl_must_set(easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_must_set(easy, CURLOPT_PREREQDATA, job);
    curl_must_set(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_must_set(easy, CURLOPT_WRITEDATA, job);
    curl_must_set(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_must_set(easy, CURLOPT_HEADERDATA, job);
    curl_must_set(easy, CURLOPT_PRIVATE, job);
    curl_must_set(easy, CURLOPT_ERRORBUFFER, job->error);
    sockets_adopt(&job->fetcher->sockets, easy);
}

static void detach(struct fetch_job *job)
{
    if (!job->attached)
        return;
    job->attached = false;
    must(curl_multi_remove_handle(job->fetcher->multi, job->easy) == CURLM_OK);
}

static void resolve_for_tests(struct fetch_job *job)
{
    const struct fetch_settings *settings = job->fetcher->settings;
    const char *line =
        settings->resolve != NULL ? settings->resolve(settings->context, job->hop) : NULL;
    if (line == NULL)
        return;
    curl_slist_free_all(job->resolve);
    job->resolve = curl_slist_append(NULL, line);
    must(job->resolve != NULL);
    curl_must_set(job->easy, CURLOPT_RESOLVE, job->resolve);
}

/* False: the guard refuses the URL. */
static bool set_off(struct fetch_job *job, const char *url)
{
    enum fetch_refusal refusal = fetch_guard_url(job->fetcher->settings->guard, span_of(url));
    if (refusal != FETCH_FINE) {
        fail(job, FETCH_FORBIDDEN, fetch_refusal_text(refusal));
        return false;
    }
    buf_clear(&job->body);
    job->header_bytes = 0;
    curl_must_set(job->easy, CURLOPT_URL, url);
    resolve_for_tests(job);
    must(curl_multi_add_handle(job->fetcher->multi, job->easy) == CURLM_OK);
    job->attached = true;
    return true;
}

static void free_job(struct fetch_job *job)
{
    detach(job);
    timers_cancel(job->fetcher->timers, &job->timer);
    curl_easy_cleanup(job->easy);
    curl_slist_free_all(job->resolve);
    buf_fini(&job->body);
    job->fetcher->running--;
    free(job);
}

static void finish(struct fetch_job *job)
{
    struct fetch_result result = {.end = job->fail, .reason = job->reason};
    detach(job);
    timers_cancel(job->fetcher->timers, &job->timer);
    if (job->fail == FETCH_DONE) {
        result.bytes = buf_span(&job->body);
        result.type = fetch_image_type(result.bytes);
    }
    job->done(job->context, &result);
    free_job(job);
}

static void on_timer(struct timer *timer, tick_ms now_ms)
{
    struct fetch_job *job = container_of(timer, struct fetch_job, timer);
    (void)now_ms;
    fail(job, FETCH_TIMED_OUT, "the time is up");
    finish(job);
}

/* --- how a hop ends --- */

static bool is_redirect(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool begins_with_https(const char *url)
{
    return strncasecmp(url, "https:", 6) == 0;
}

/* True: the next hop is under way. */
static bool follow(struct fetch_job *job)
{
    const char *here = NULL, *there = NULL;
    (void)curl_easy_getinfo(job->easy, CURLINFO_EFFECTIVE_URL, &here);
    (void)curl_easy_getinfo(job->easy, CURLINFO_REDIRECT_URL, &there);
    if (there == NULL || here == NULL) {
        fail(job, FETCH_REFUSED, "a redirect to nowhere");
        return false;
    }
    if (job->hop == FETCH_REDIRECTS) {
        fail(job, FETCH_REFUSED, "too many redirects");
        return false;
    }
    if (begins_with_https(here) && !begins_with_https(there)) {
        fail(job, FETCH_FORBIDDEN, "a redirect from https to http");
        return false;
    }
    char *copy = strdup(there); /* libcurl's own goes with the next URL */
    must(copy != NULL);
    job->hop++;
    bool under_way = set_off(job, copy);
    free(copy);
    return under_way;
}

static void judge_failure(struct fetch_job *job, CURLcode code)
{
    if (code == CURLE_FILESIZE_EXCEEDED)
        fail(job, FETCH_TOO_LARGE, "the body is too large");
    else
        fail(job, FETCH_UNREACHED, curl_easy_strerror(code));
}

static void judge_answer(struct fetch_job *job)
{
    if (status_of(job) != 200)
        fail(job, FETCH_REFUSED, "the status is not 200");
    else if (!fetch_promises_image(promised_type(job)))
        fail(job, FETCH_NO_IMAGE, "the Content-Type is not an image's");
    else if (fetch_image_type(buf_span(&job->body)) == NULL)
        fail(job, FETCH_NO_IMAGE, "the bytes are not an image's");
}

static void end_hop(struct fetch_job *job, CURLcode code)
{
    detach(job);
    if (code != CURLE_OK)
        judge_failure(job, code);
    else if (is_redirect(status_of(job))) {
        if (follow(job))
            return;
    } else
        judge_answer(job);
    finish(job);
}

static void on_worked(void *context)
{
    struct fetcher *fetcher = context;
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(fetcher->multi, &left)) != NULL) {
        CURLcode code = message->data.result;
        char *job = NULL;
        must(message->msg == CURLMSG_DONE);
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &job);
        must(job != NULL);
        end_hop((struct fetch_job *)(void *)job, code);
    }
}

struct fetch_job *fetch_start(struct fetcher *fetcher, struct span url, fetch_done *done,
                              void *context)
{
    char text[FETCH_URL_BYTES + 1] = "";
    must(fetcher->closed == NULL);
    if (fetcher->running == FETCH_AT_A_TIME)
        return NULL;
    struct fetch_job *job = calloc(1, sizeof *job);
    must(job != NULL);
    job->fetcher = fetcher;
    job->done = done;
    job->context = context;
    job->timer.fire = on_timer;
    job->easy = curl_easy_init();
    must(job->easy != NULL);
    buf_init(&job->body, NULL, FETCH_BYTES);
    fetcher->running++;
    set_up(job);
    tick_ms now_ms = uv_now(fetcher->sockets.loop);
    tick_ms time_ms = fetcher->settings->time_ms > 0 ? fetcher->settings->time_ms : FETCH_TIME_MS;
    /* What is too long or holds a NUL is an empty text here, which the guard refuses. */
    if (url.len <= FETCH_URL_BYTES && (url.len == 0 || memchr(url.at, '\0', url.len) == NULL))
        memcpy(text, url.len > 0 ? url.at : "", url.len);
    bool under_way = set_off(job, text);
    timers_set(fetcher->timers, &job->timer, under_way ? now_ms + time_ms : now_ms);
    return job;
}

void fetch_cancel(struct fetch_job *job)
{
    free_job(job);
}

/* --- the fetcher --- */

struct fetcher *fetcher_new(struct uv_loop_s *loop, struct timers *timers,
                            const struct fetch_settings *settings)
{
    struct fetcher *fetcher = calloc(1, sizeof *fetcher);
    must(fetcher != NULL);
    fetcher->timers = timers;
    fetcher->settings = settings;
    /* Strangers need not know the version. */
    fetcher->headers = curl_slist_append(NULL, "User-Agent: weir");
    must(fetcher->headers != NULL);
    must(curl_slist_append(fetcher->headers,
                           "Accept: image/png, image/jpeg, image/webp, image/gif") != NULL);
    fetcher->multi = curl_multi_init();
    must(fetcher->multi != NULL);
    sockets_init(&fetcher->sockets, fetcher->multi, loop, on_worked, fetcher);
    return fetcher;
}

static void on_sockets_closed(void *context)
{
    struct fetcher *fetcher = context;
    void (*closed)(void *) = fetcher->closed;
    void *closed_context = fetcher->closed_context;
    free(fetcher);
    closed(closed_context);
}

void fetcher_close(struct fetcher *fetcher, void (*closed)(void *context), void *context)
{
    must(fetcher->running == 0 && fetcher->closed == NULL);
    fetcher->closed = closed;
    fetcher->closed_context = context;
    (void)curl_multi_cleanup(fetcher->multi);
    curl_slist_free_all(fetcher->headers);
    sockets_close(&fetcher->sockets, on_sockets_closed, fetcher);
}
