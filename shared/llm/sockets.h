/* libcurl's sockets and timer on a libuv loop (the multi_socket interface).
 *
 * A watcher stays in epoll when a transfer ends and its connection goes idle: libcurl takes the
 * same socket up again for the next transfer, and each change would cost two system calls.
 * Owner thread only. */
#ifndef WEIR_LLM_SOCKETS_H
#define WEIR_LLM_SOCKETS_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct watch;

struct sockets {
    CURLM *multi; /* borrowed */
    uv_loop_t *loop;
    uv_timer_t *timer;
    struct watch **table; /* by descriptor; owned */
    size_t table_len;
    size_t handles; /* not yet closed */
    /* After libcurl has worked, never inside one of its callbacks: look for what it did. */
    void (*worked)(void *context);
    void *context;
    void (*closed)(void *context); /* set while closing */
    void *closed_context;
};

/* Takes over the multi handle's socket and timer callbacks. `sockets` must stay where it is. */
void sockets_init(struct sockets *sockets, CURLM *multi, uv_loop_t *loop,
                  void (*worked)(void *context), void *context);
/* Gives an easy handle the callback that closes its sockets. */
void sockets_adopt(struct sockets *sockets, CURL *easy);
/* Cuts idle connections so that at most `most` are left; libcurl drops what it has of the others
 * when it next looks for a connection. One whose last easy handle `is_busy` may just rest; it is
 * left alone, and returned is how many of those there were. */
size_t sockets_trim_idle(struct sockets *sockets, size_t most, bool (*is_busy)(CURL *easy));
/* When libcurl has closed all sockets. `closed` is called from the loop, once; then `sockets` holds
 * nothing. */
void sockets_close(struct sockets *sockets, void (*closed)(void *context), void *context);

#endif
