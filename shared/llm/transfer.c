/* libcurl: easy handles that are set up once and used again and again, on one multi handle. */
#include "shared/llm/transfer.h"

#include "shared/base/buf.h"
#include "shared/base/list.h"
#include "shared/llm/curl_rules.h"
#include "shared/llm/headers.h"
#include "shared/llm/sockets.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    HEADER_BYTES = 64 * 1024,
    URL_BYTES = 8 * 1024,
    LONGEST_RETRY_AFTER_S = 24 * 3600,
    BURST_MS = 1000
};

struct transfer {
    struct link link; /* in transfers->idle, or in no ring */
    struct transfers *transfers;
    CURL *easy;
    void *owner;
    struct buf url; /* what the handle was told, NUL-terminated */
    CURLU *parsed;  /* the same: else libcurl takes it apart for each transfer */
    struct headers *headers;
    size_t header_bytes;
    bool attached; /* to the multi handle */
    bool held;
    char error[CURL_ERROR_SIZE];
};

struct transfers {
    CURLM *multi;
    struct sockets sockets;
    struct headers *headers; /* of new transfers */
    const char *fixed_header;
    const char *key_header;
    char *base_url;
    char *ca_file;
    long connect_timeout_ms;
    long most;
    long keep;
    const struct transfer_events *events;
    void *context;
    struct link idle; /* transfers that are not in use */
    long running;
    long burst; /* most that ran at a time, in this span of BURST_MS and the one before */
    long burst_now;
    tick_ms burst_began_ms;
    long kept; /* what libcurl was told */
    struct timers *timers;
    struct timer sweep; /* set while more are kept than `keep` */
    size_t resting;     /* idle ones that the last sweep could not tell from busy ones */
    void (*closed)(void *context);
    void *closed_context;
};

void transfer_global_init(void)
{
    must(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

void transfer_global_fini(void)
{
    curl_global_cleanup();
}

/* --- libcurl's callbacks --- */

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t len = size * count;
    switch (transfer->transfers->events->take(transfer->owner, span_make(bytes, len))) {
    case TRANSFER_TAKEN:
        return len;
    case TRANSFER_HOLD:
        transfer->held = true;
        return CURL_WRITEFUNC_PAUSE;
    case TRANSFER_REFUSE:
        break;
    }
    return 0;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    (void)bytes;
    transfer->header_bytes += size * count;
    return transfer->header_bytes <= HEADER_BYTES ? size * count : 0;
}

/* --- set-up --- */

static void set_up_wire(const struct transfers *transfers, CURL *easy)
{
    curl_must_set(easy, CURLOPT_POST, 1L);
    curl_must_set(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_must_set(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_rules_set(easy, transfers->ca_file);
    curl_must_set(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_must_set(easy, CURLOPT_CONNECTTIMEOUT_MS, transfers->connect_timeout_ms);
    if (transfers->keep == 0)
        curl_must_set(easy, CURLOPT_FORBID_REUSE, 1L);
}

/* Gives the handle, which is not in use, the lines of now. */
static void use_headers(struct transfer *transfer)
{
    struct transfers *transfers = transfer->transfers;
    if (transfer->headers == transfers->headers)
        return;
    curl_must_set(transfer->easy, CURLOPT_HTTPHEADER, headers_list(transfers->headers));
    (void)headers_unref(transfer->headers);
    transfer->headers = headers_ref(transfers->headers);
}

static void use_path(struct transfer *transfer, struct span path)
{
    struct span base = span_of(transfer->transfers->base_url);
    struct span told = buf_span(&transfer->url);
    if (told.len == base.len + path.len + 1 && memcmp(told.at + base.len, path.at, path.len) == 0)
        return;
    buf_clear(&transfer->url);
    buf_put_span(&transfer->url, base);
    buf_put_span(&transfer->url, path);
    buf_put_char(&transfer->url, '\0');
    must(!transfer->url.overflow);
    bool good = curl_url_set(transfer->parsed, CURLUPART_URL, transfer->url.at, CURLU_PATH_AS_IS) ==
                CURLUE_OK;
    /* A bad one is left for the transfer to complain of. A good one's old text has to go. */
    curl_must_set(transfer->easy, CURLOPT_URL, good ? NULL : transfer->url.at);
    curl_must_set(transfer->easy, CURLOPT_CURLU, good ? transfer->parsed : NULL);
}

static struct transfer *transfer_new(struct transfers *transfers)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);
    must(transfer != NULL);
    link_init(&transfer->link);
    transfer->transfers = transfers;
    transfer->easy = curl_easy_init();
    transfer->parsed = curl_url();
    must(transfer->easy != NULL && transfer->parsed != NULL);
    buf_init(&transfer->url, NULL, URL_BYTES);
    set_up_wire(transfers, transfer->easy);
    use_headers(transfer);
    sockets_adopt(&transfers->sockets, transfer->easy);
    curl_must_set(transfer->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_must_set(transfer->easy, CURLOPT_WRITEDATA, transfer);
    curl_must_set(transfer->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_must_set(transfer->easy, CURLOPT_HEADERDATA, transfer);
    curl_must_set(transfer->easy, CURLOPT_PRIVATE, transfer);
    curl_must_set(transfer->easy, CURLOPT_ERRORBUFFER, transfer->error);
    return transfer;
}

static char *copy_or_null(const char *text)
{
    if (text == NULL || text[0] == '\0')
        return NULL;
    char *copy = strdup(text);
    must(copy != NULL);
    return copy;
}

static void on_worked(void *context);
static void on_sweep(struct timer *timer, tick_ms now_ms);

struct transfers *transfers_new(struct uv_loop_s *loop, struct timers *timers,
                                const struct transfer_settings *settings,
                                const struct transfer_events *events, void *context)
{
    struct transfers *transfers = calloc(1, sizeof *transfers);
    must(transfers != NULL);
    *transfers = (struct transfers){.most = settings->most > 0 ? settings->most : 1,
                                    .keep = settings->keep,
                                    .connect_timeout_ms = (long)settings->connect_timeout_ms,
                                    .fixed_header = settings->fixed_header,
                                    .key_header = settings->key_header,
                                    .timers = timers,
                                    .sweep = {.fire = on_sweep},
                                    .events = events,
                                    .context = context};
    link_init(&transfers->idle);
    transfers->base_url = copy_or_null(settings->base_url);
    must(transfers->base_url != NULL && strlen(transfers->base_url) < URL_BYTES / 2);
    transfers->ca_file = copy_or_null(settings->ca_file);
    transfers->headers = headers_new(settings->fixed_header, settings->key_header, SPAN_EMPTY);
    transfers->multi = curl_multi_init();
    must(transfers->multi != NULL);
    sockets_init(&transfers->sockets, transfers->multi, loop, on_worked, transfers);
    return transfers;
}

static void on_sockets_closed(void *context)
{
    struct transfers *transfers = context;
    void (*closed)(void *) = transfers->closed;
    void *closed_context = transfers->closed_context;
    free(transfers);
    closed(closed_context);
}

void transfers_close(struct transfers *transfers, void (*closed)(void *context), void *context)
{
    must(transfers->running == 0);
    timers_cancel(transfers->timers, &transfers->sweep);
    transfers->closed = closed;
    transfers->closed_context = context;
    while (!link_is_alone(&transfers->idle)) {
        struct transfer *transfer = container_of(transfers->idle.after, struct transfer, link);
        link_remove(&transfer->link);
        curl_easy_cleanup(transfer->easy);
        curl_url_cleanup(transfer->parsed);
        (void)headers_unref(transfer->headers);
        buf_fini(&transfer->url);
        free(transfer);
    }
    (void)curl_multi_cleanup(transfers->multi);
    transfers->headers = headers_unref(transfers->headers);
    free(transfers->base_url);
    free(transfers->ca_file);
    sockets_close(&transfers->sockets, on_sockets_closed, transfers);
}

/* --- how many connections are kept --- */

/* libcurl closes idle connections, oldest first, when a transfer gives one back and there are more
 * in all than it may keep. Told the plain setting, it would close and open them all the time under
 * a load that goes up and down by more than that; so a burst's are kept until it is over. */
static void tell_kept(struct transfers *transfers)
{
    long kept = transfers->burst > transfers->burst_now ? transfers->burst : transfers->burst_now;
    if (kept < transfers->keep)
        kept = transfers->keep;
    if (kept == transfers->kept)
        return;
    transfers->kept = kept;
    must(curl_multi_setopt(transfers->multi, CURLMOPT_MAXCONNECTS, kept) == CURLM_OK);
}

static void note_burst(struct transfers *transfers, tick_ms now_ms)
{
    /* The loop's clock may lie a little behind the one of the timers. */
    if (now_ms > transfers->burst_began_ms + BURST_MS) {
        transfers->burst = transfers->burst_now;
        transfers->burst_now = transfers->running;
        transfers->burst_began_ms = now_ms;
    }
    if (transfers->running > transfers->burst_now)
        transfers->burst_now = transfers->running;
    if (transfers->keep > 0)
        tell_kept(transfers);
}

static void set_sweep(struct transfers *transfers, tick_ms now_ms)
{
    bool many = transfers->kept > transfers->keep || transfers->resting > 0;
    if (many && !timer_is_set(&transfers->sweep))
        timers_set(transfers->timers, &transfers->sweep, now_ms + BURST_MS + 1);
}

static struct transfer *transfer_of(CURL *easy)
{
    char *transfer = NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    must(transfer != NULL);
    return (struct transfer *)(void *)transfer;
}

static bool is_busy(CURL *easy)
{
    return transfer_of(easy)->attached;
}

/* libcurl looks at idle connections only when there is traffic; a burst may be the last of it. */
static void on_sweep(struct timer *timer, tick_ms now_ms)
{
    struct transfers *transfers = container_of(timer, struct transfers, sweep);
    note_burst(transfers, now_ms);
    transfers->resting = sockets_trim_idle(&transfers->sockets,
                                           (size_t)(transfers->kept - transfers->running), is_busy);
    set_sweep(transfers, now_ms);
}

static void count_running(struct transfers *transfers, long change)
{
    tick_ms now_ms = uv_now(transfers->sockets.loop);
    transfers->running += change;
    must(transfers->running >= 0);
    note_burst(transfers, now_ms);
    set_sweep(transfers, now_ms);
}

/* --- one transfer --- */

void transfers_set_key(struct transfers *transfers, struct span key)
{
    (void)headers_unref(transfers->headers);
    transfers->headers = headers_new(transfers->fixed_header, transfers->key_header, key);
    for (struct link *one = transfers->idle.after; one != &transfers->idle; one = one->after)
        use_headers(container_of(one, struct transfer, link));
}

bool transfers_have_room(const struct transfers *transfers)
{
    return transfers->running < transfers->most;
}

struct transfer *transfer_start(struct transfers *transfers, struct span path, struct span body,
                                void *owner)
{
    struct transfer *transfer;
    must(transfers_have_room(transfers));
    if (link_is_alone(&transfers->idle)) {
        transfer = transfer_new(transfers);
    } else {
        /* The one that was used last: what it touches is in the cache. */
        transfer = container_of(transfers->idle.before, struct transfer, link);
        link_remove(&transfer->link);
    }
    transfer->owner = owner;
    transfer->header_bytes = 0;
    transfer->held = false;
    transfer->error[0] = '\0';
    use_path(transfer, path);
    curl_must_set(transfer->easy, CURLOPT_POSTFIELDS, body.at);
    curl_must_set(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    count_running(transfers, 1);
    must(curl_multi_add_handle(transfers->multi, transfer->easy) == CURLM_OK);
    transfer->attached = true;
    return transfer;
}

static void detach(struct transfer *transfer)
{
    if (!transfer->attached)
        return;
    transfer->attached = false;
    must(curl_multi_remove_handle(transfer->transfers->multi, transfer->easy) == CURLM_OK);
}

void transfer_cancel(struct transfer *transfer)
{
    detach(transfer);
    transfer->owner = NULL;
    use_headers(transfer);
    count_running(transfer->transfers, -1);
    link_append(&transfer->transfers->idle, &transfer->link);
}

void transfer_resume(struct transfer *transfer)
{
    if (!transfer->held || !transfer->attached)
        return;
    transfer->held = false;
    (void)curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
}

int transfer_status(const struct transfer *transfer)
{
    long status = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

bool transfer_is_event_stream(const struct transfer *transfer)
{
    static const char wanted[] = "text/event-stream";
    const char *type = NULL;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &type);
    size_t len = sizeof wanted - 1;
    return type != NULL && strncasecmp(type, wanted, len) == 0 && strchr(" ;", type[len]) != NULL;
}

uint64_t transfer_retry_after_ms(const struct transfer *transfer)
{
    curl_off_t seconds = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &seconds);
    if (seconds <= 0)
        return 0;
    return (uint64_t)(seconds < LONGEST_RETRY_AFTER_S ? seconds : LONGEST_RETRY_AFTER_S) * 1000U;
}

/* --- how transfers end --- */

static enum transfer_fate fate_of(const struct transfer *transfer, CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return TRANSFER_COMPLETE;
    case CURLE_OPERATION_TIMEDOUT:
        return TRANSFER_TIMED_OUT;
    case CURLE_WRITE_ERROR:
        return TRANSFER_REFUSED;
    case CURLE_UNSUPPORTED_PROTOCOL: /* "HTTP/0.9": no status line */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return TRANSFER_NOT_HTTP;
    default:
        return transfer->header_bytes > 0 ? TRANSFER_BROKEN : TRANSFER_UNREACHED;
    }
}

static void end_transfer(struct transfer *transfer, CURLcode code)
{
    struct transfer_end end = {.fate = fate_of(transfer, code),
                               .reason = transfer->error[0] != '\0' ? transfer->error
                                                                    : curl_easy_strerror(code)};
    detach(transfer);
    transfer->transfers->events->end(transfer->owner, &end);
}

static void on_worked(void *context)
{
    struct transfers *transfers = context;
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(transfers->multi, &left)) != NULL) {
        CURLcode code = message->data.result;
        must(message->msg == CURLMSG_DONE);
        end_transfer(transfer_of(message->easy_handle), code);
    }
    transfers->events->worked(transfers->context);
}
