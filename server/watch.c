#include "server/watch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct watch {
    struct watch_list *list;
    uv_poll_t poll;
    int fd; /* the duplicate */
    struct peer peer;
    struct watch *next, *previous;
};

static void on_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    struct watch_list *list = watch->list;
    (void)close(watch->fd);
    if (watch->next != NULL)
        watch->next->previous = watch->previous;
    if (watch->previous != NULL)
        watch->previous->next = watch->next;
    else
        list->watches = watch->next;
    list->count--;
    list->ended(list->context, &watch->peer);
    free(watch);
}

static void end(struct watch *watch)
{
    if (!uv_is_closing((uv_handle_t *)&watch->poll))
        uv_close((uv_handle_t *)&watch->poll, on_closed);
}

/* An error is an end, too. */
static void on_end(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    end(poll->data);
}

bool watch_add(struct watch_list *list, int fd, const struct peer *peer)
{
    struct watch *watch = calloc(1, sizeof *watch);
    must(watch != NULL);
    watch->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (watch->fd < 0 || uv_poll_init(list->loop, &watch->poll, watch->fd) != 0) {
        if (watch->fd >= 0)
            (void)close(watch->fd);
        free(watch);
        return false;
    }
    watch->list = list;
    watch->peer = *peer;
    watch->poll.data = watch;
    watch->next = list->watches;
    if (watch->next != NULL)
        watch->next->previous = watch;
    list->watches = watch;
    list->count++;
    must(uv_poll_start(&watch->poll, UV_DISCONNECT, on_end) == 0);
    return true;
}

void watch_clear(struct watch_list *list)
{
    for (struct watch *watch = list->watches; watch != NULL; watch = watch->next)
        end(watch);
}
