/* libcurl on libuv: one uv_poll a socket, kept over transfers, and one uv_timer. */
#include "shared/llm/sockets.h"

#include "shared/base/must.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_DESCRIPTORS = 1 << 20 };

struct watch {
    uv_poll_t poll;
    struct sockets *sockets;
    CURL *easy; /* the last that used it; lives as long as its multi handle */
    int fd;
    int events;   /* what is watched for; 0: stopped */
    bool is_inet; /* else a pipe of the resolver's, which libcurl closes without telling */
    bool is_idle; /* libcurl has no interest, the connection may be used again */
};

static void free_watch(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)handle, struct watch, poll));
}

static void on_handle_closed(struct sockets *sockets)
{
    sockets->handles--;
    if (sockets->handles > 0 || sockets->closed == NULL)
        return;
    free(sockets->table);
    sockets->table = NULL;
    sockets->table_len = 0;
    sockets->closed(sockets->closed_context);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct sockets *sockets = ((struct watch *)handle->data)->sockets;
    free_watch(handle);
    on_handle_closed(sockets);
}

static struct watch *find(const struct sockets *sockets, int fd)
{
    return (size_t)fd < sockets->table_len ? sockets->table[fd] : NULL;
}

/* Before the descriptor is closed: libuv must not be left with it. */
static void drop(struct sockets *sockets, int fd)
{
    struct watch *watch = find(sockets, fd);
    if (watch == NULL)
        return;
    sockets->table[fd] = NULL;
    uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch_for(struct watch *watch, int events)
{
    watch->is_idle = false;
    if (events == watch->events)
        return;
    watch->events = events;
    must(uv_poll_start(&watch->poll, events, on_poll) == 0);
}

/* The peer reset the connection, and libuv has stopped the watch. What came before the reset, often
 * an answer that explains it, can still be read: libcurl is told to look, not that all is lost. */
static void on_error(struct watch *watch)
{
    struct sockets *sockets = watch->sockets;
    int fd = watch->fd, wanted = watch->events, running;
    watch->events = 0;
    (void)curl_multi_socket_action(sockets->multi, fd, CURL_CSELECT_IN | CURL_CSELECT_OUT,
                                   &running);
    if (find(sockets, fd) == watch && !watch->is_idle && watch->events == 0)
        watch_for(watch, wanted); /* not at the end yet */
    sockets->worked(sockets->context);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    struct sockets *sockets = watch->sockets;
    int running;
    /* The peer closed; libcurl sees that when it wants the connection again. */
    if (watch->is_idle) {
        (void)uv_poll_stop(poll);
        watch->events = 0;
        return;
    }
    if (status < 0) {
        on_error(watch);
        return;
    }
    int flags = ((events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0) |
                ((events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0);
    (void)curl_multi_socket_action(sockets->multi, watch->fd, flags, &running);
    sockets->worked(sockets->context); /* the watch may be gone */
}

static void reserve(struct sockets *sockets, int fd)
{
    size_t len = sockets->table_len == 0 ? 64 : sockets->table_len;
    must(fd >= 0 && fd < MOST_DESCRIPTORS);
    while (len <= (size_t)fd)
        len *= 2;
    if (len == sockets->table_len)
        return;
    sockets->table = realloc(sockets->table, len * sizeof(struct watch *));
    must(sockets->table != NULL);
    memset(sockets->table + sockets->table_len, 0,
           (len - sockets->table_len) * sizeof(struct watch *));
    sockets->table_len = len;
}

/* NULL when libuv refuses the descriptor; the transfer then ends by its time-out. */
static struct watch *watch_new(struct sockets *sockets, int fd)
{
    struct watch *watch = calloc(1, sizeof *watch);
    int domain = 0;
    socklen_t len = sizeof domain;
    must(watch != NULL);
    if (uv_poll_init_socket(sockets->loop, &watch->poll, fd) != 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->sockets = sockets;
    watch->fd = fd;
    watch->is_inet = getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
                     (domain == AF_INET || domain == AF_INET6);
    reserve(sockets, fd);
    sockets->table[fd] = watch;
    sockets->handles++;
    return watch;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *unused)
{
    struct sockets *sockets = context;
    struct watch *watch = find(sockets, fd);
    (void)unused;
    if (watch != NULL)
        watch->easy = easy;
    if (what == CURL_POLL_REMOVE) {
        /* libcurl closes sockets that are still connecting, and its resolver's, without the close
         * callback. Only one that waits to read is sure to be a connection that stays. */
        if (watch != NULL && watch->is_inet && watch->events == UV_READABLE)
            watch->is_idle = true;
        else
            drop(sockets, fd);
        return 0;
    }
    if (watch == NULL)
        watch = watch_new(sockets, fd);
    if (watch != NULL)
        watch_for(watch, ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
                             ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0));
    return 0;
}

static int on_close(void *context, curl_socket_t fd)
{
    drop(context, fd);
    return close(fd);
}

static void on_timer(uv_timer_t *timer)
{
    struct sockets *sockets = timer->data;
    int running;
    (void)curl_multi_socket_action(sockets->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    sockets->worked(sockets->context);
}

static int on_timeout(CURLM *multi, long timeout_ms, void *context)
{
    struct sockets *sockets = context;
    (void)multi;
    if (timeout_ms < 0)
        (void)uv_timer_stop(sockets->timer);
    else
        (void)uv_timer_start(sockets->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

void sockets_init(struct sockets *sockets, CURLM *multi, uv_loop_t *loop,
                  void (*worked)(void *context), void *context)
{
    *sockets = (struct sockets){
        .multi = multi, .loop = loop, .worked = worked, .context = context, .handles = 1};
    sockets->timer = malloc(sizeof *sockets->timer);
    must(sockets->timer != NULL && uv_timer_init(loop, sockets->timer) == 0);
    sockets->timer->data = sockets;
    must(curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK);
    must(curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, sockets) == CURLM_OK);
    must(curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timeout) == CURLM_OK);
    must(curl_multi_setopt(multi, CURLMOPT_TIMERDATA, sockets) == CURLM_OK);
}

void sockets_adopt(struct sockets *sockets, CURL *easy)
{
    must(curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close) == CURLE_OK);
    must(curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, sockets) == CURLE_OK);
}

size_t sockets_trim_idle(struct sockets *sockets, size_t most, bool (*is_busy)(CURL *easy))
{
    size_t idle = 0, resting = 0;
    for (size_t fd = 0; fd < sockets->table_len; fd++) {
        struct watch *watch = sockets->table[fd];
        if (watch == NULL || !watch->is_idle || watch->events == 0)
            continue;
        if (is_busy(watch->easy)) {
            resting++;
            continue;
        }
        if (++idle <= most)
            continue;
        (void)uv_poll_stop(&watch->poll);
        watch->events = 0;
        (void)shutdown(watch->fd, SHUT_RDWR);
    }
    return resting;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct sockets *sockets = handle->data;
    free(handle);
    on_handle_closed(sockets);
}

void sockets_close(struct sockets *sockets, void (*closed)(void *context), void *context)
{
    sockets->closed = closed;
    sockets->closed_context = context;
    for (size_t fd = 0; fd < sockets->table_len; fd++)
        drop(sockets, (int)fd);
    uv_close((uv_handle_t *)sockets->timer, on_timer_closed);
}
