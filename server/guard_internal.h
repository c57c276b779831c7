/* What the files of the guard share: the guard and its relays. */
#ifndef WEIR_SERVER_GUARD_INTERNAL_H
#define WEIR_SERVER_GUARD_INTERNAL_H

#include "server/guard.h"
#include "server/guard_frames.h"
#include "server/guard_wire.h"

#include <stdatomic.h>

enum relay_state {
    RELAY_SHAKING,  /* TLS */
    RELAY_OPENING,  /* the preface and SETTINGS are awaited */
    RELAY_RELAYING, /* both ends are there */
    RELAY_LINGERING /* said good-bye; the client's end is awaited, and what it says is dropped */
};

/* Bytes that one side has not taken yet. */
struct relay_flow {
    char *at; /* GUARD_BUFFER_BYTES, while there are any; owned */
    uint32_t from, len;
    bool ended; /* nothing more comes */
    bool shut;  /* and that has been passed on */
};

struct relay {
    struct guard *guard;
    struct relay *next, *previous;
    struct peer peer;
    struct guard_wire wire; /* the client's side */
    int inside;             /* our end of the pair; -1: there is none yet */
    uv_poll_t wire_poll, inside_poll;
    int wire_events, inside_events; /* that the polls wait for */
    unsigned handles;               /* not yet closed */
    struct relay_flow up, down;     /* to the inside, to the client */
    struct guard_frames frames;
    struct timer timer;
    tick_ms born_ms, active_ms, read_ms; /* read: when the client last took something */
    tick_ms slow_ms;     /* since when bytes wait for the inside; TICK_NEVER: none do */
    uint32_t dropped;    /* bytes, while lingering */
    uint64_t unanswered; /* bytes of HTTP/1.1 since the inside last said something */
    uint64_t weight;     /* what is held for it behind the guard, in bytes */
    uint8_t state, use;
    bool rpc;          /* it is for the C core */
    bool http2;        /* it is that, for REST */
    bool framed;       /* and the rules hold */
    bool spoke;        /* something of the inside has come: its SETTINGS, first of all */
    bool owes_goaway;  /* it shall leave, and has not been told */
    bool asked;        /* to leave, for its age */
    bool inside_broke; /* what is left in there can be read, but not be polled for */
    bool ending;
};

struct guard {
    uv_loop_t *loop;
    struct timers *timers;
    struct guard_settings settings;
    guard_to_rest to_rest;
    void *rest_context;
    struct relay *relays;
    uint64_t weight; /* of all relays */
    bool draining;
    tick_ms lines_from_ms; /* log lines are bounded in each second */
    unsigned lines;
    atomic_ulong open, breaches[GUARD_RULES];
    char bytes[GUARD_BUFFER_BYTES]; /* on their way; nothing stays here */
};

/* guard.c */
/* Makes the pair and hands the other end on. False: there are no descriptors. */
MUST_USE bool relay_connect(struct relay *relay);
/* The rule was broken: tells the client, ends the inside, and lingers. */
void relay_refuse(struct relay *relay, enum guard_rule rule);
void relay_linger(struct relay *relay);
void relay_end(struct relay *relay);
/* Sets the timer to when something may be due. */
void relay_set_timer(struct relay *relay, tick_ms now_ms);

/* guard_weight.c */
/* Takes down what is held for the relay now. */
void relay_weigh(struct relay *relay);
/* While more is held for all than may be, ends the one that holds the most. */
void guard_lighten(struct guard *guard);

/* guard_relay.c */
/* Moves what can be moved and waits for the rest. The relay, or another, may be ending afterwards.
 */
void relay_move(struct relay *relay);
/* The same for this relay alone. */
void relay_turn(struct relay *relay);
/* Puts bytes behind what waits for the client; there has to be room. */
void relay_tell(struct relay *relay, const char *bytes, size_t len);
/* Tells a client that it shall leave, once, as soon as a frame may be put in. */
void relay_say_going(struct relay *relay);
void on_relay_wire(uv_poll_t *poll, int status, int events);
void on_relay_inside(uv_poll_t *poll, int status, int events);

#endif
