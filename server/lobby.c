#include "server/lobby.h"

#include <stdlib.h>
#include <sys/socket.h>

struct lobby_guest {
    struct lobby *lobby;
    uv_poll_t poll;
    uv_timer_t timer;
    unsigned handles; /* still to be closed */
    int fd;
    struct peer peer;
    size_t wanted; /* bytes that wake it */
    bool decided;
    struct lobby_guest *next, *previous;
};

static void set_low_water(int fd, int bytes)
{
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
}

/* The descriptor may only be used elsewhere when no poll of this loop refers to it any more. */
static void on_closed(uv_handle_t *handle)
{
    struct lobby_guest *guest = handle->data;
    struct lobby *lobby = guest->lobby;
    if (--guest->handles > 0)
        return;
    if (guest->next != NULL)
        guest->next->previous = guest->previous;
    if (guest->previous != NULL)
        guest->previous->next = guest->next;
    else
        lobby->guests = guest->next;
    lobby->count--;
    set_low_water(guest->fd, 1);
    lobby->leave(lobby->context, guest->fd, &guest->peer, guest->decided);
    free(guest);
}

static void end(struct lobby_guest *guest, bool decided)
{
    if (uv_is_closing((uv_handle_t *)&guest->poll))
        return;
    guest->decided = decided;
    uv_close((uv_handle_t *)&guest->poll, on_closed);
    uv_close((uv_handle_t *)&guest->timer, on_closed);
}

static void on_bytes(uv_poll_t *poll, int status, int events);

static void wait_for(struct lobby_guest *guest, int events)
{
    must(uv_poll_start(&guest->poll, events | UV_DISCONNECT, on_bytes) == 0);
}

/* With part of what it takes there, a poll for any byte would spin: from then on it asks for as
 * many as the next look needs. Where the kernel wakes without having them (urgent data, which it
 * counts but holds back; want of memory), there is nothing to poll for, and the timer looks. That
 * also finds an HTTP/1.1 request that is shorter than a preface and came in pieces. */
static void on_bytes(uv_poll_t *poll, int status, int events)
{
    struct lobby_guest *guest = poll->data;
    size_t wanted = guest->lobby->look(guest->fd);
    if (wanted == 0 || status < 0 || (events & UV_DISCONNECT) != 0) {
        end(guest, wanted == 0);
    } else if (wanted > guest->wanted) {
        guest->wanted = wanted;
        set_low_water(guest->fd, (int)wanted);
    } else {
        wait_for(guest, 0);
    }
}

static void on_time(uv_timer_t *timer)
{
    struct lobby_guest *guest = timer->data;
    end(guest, guest->lobby->look(guest->fd) == 0);
}

bool lobby_enter(struct lobby *lobby, int fd, const struct peer *peer)
{
    if (lobby->count >= LOBBY_MOST)
        return false;
    struct lobby_guest *guest = calloc(1, sizeof *guest);
    must(guest != NULL);
    if (uv_poll_init(lobby->loop, &guest->poll, fd) != 0) {
        free(guest);
        return false;
    }
    must(uv_timer_init(lobby->loop, &guest->timer) == 0);
    guest->lobby = lobby;
    guest->handles = 2;
    guest->fd = fd;
    guest->peer = *peer;
    guest->poll.data = guest->timer.data = guest;
    guest->next = lobby->guests;
    if (guest->next != NULL)
        guest->next->previous = guest;
    lobby->guests = guest;
    lobby->count++;
    wait_for(guest, UV_READABLE);
    must(uv_timer_start(&guest->timer, on_time, lobby->wait_ms, 0) == 0);
    return true;
}

void lobby_clear(struct lobby *lobby)
{
    for (struct lobby_guest *guest = lobby->guests; guest != NULL; guest = guest->next)
        end(guest, false);
}
