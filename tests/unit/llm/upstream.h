/* A model server for tests, on the test's own loop and 127.0.0.1, that answers by a script. */
#ifndef WEIR_TESTS_LLM_UPSTREAM_H
#define WEIR_TESTS_LLM_UPSTREAM_H

#include "shared/base/buf.h"

#include <stdbool.h>
#include <uv.h>

/* One step of an answer. */
enum act_kind {
    ACT_END,   /* the answer is over; the next request begins the script again */
    ACT_SAY,   /* writes `text` */
    ACT_EVENT, /* writes `text` as one chunk of a chunked body */
    ACT_FLOOD, /* writes `text` as chunks, `count` times, as fast as they are taken */
    ACT_WAIT,  /* `count` milliseconds */
    ACT_CLOSE, /* an orderly close */
    ACT_RESET,
    ACT_HANG /* nothing more */
};

struct act {
    enum act_kind kind;
    const char *text;
    unsigned count;
};

struct upstream {
    uv_loop_t *loop;
    uv_tcp_t listener;
    int port;
    const struct act *script; /* for requests from now on */
    struct buf request;       /* the last one: head and body */

    unsigned connections; /* ever */
    unsigned open;
    unsigned requests;
    unsigned running; /* answers under way */
    unsigned most_running;
    unsigned answered;
    unsigned aborted; /* the client closed while an answer was under way */
    size_t written;   /* bytes that the kernel took */
};

void upstream_start(struct upstream *upstream, uv_loop_t *loop);
/* From 127.0.0.1 to [::1], before anybody connects. */
void upstream_move_to_ipv6(struct upstream *upstream);
/* Closes everything; run the loop afterwards. */
void upstream_stop(struct upstream *upstream);

#endif
