/* The relays of a worker: how they come, how long they may stay, and how they go. */
#include "server/guard_internal.h"

#include "shared/base/lingering.h"
#include "shared/base/log.h"
#include "shared/base/tick.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHECK_MS = 5000, LINES_A_SECOND = 10, LAST_OPENING_MS = 1000, PAIR_BYTES = 64 * 1024 };

struct guard *guard_new(uv_loop_t *loop, struct timers *timers,
                        const struct guard_settings *settings, guard_to_rest to_rest,
                        void *rest_context)
{
    struct guard *guard = calloc(1, sizeof *guard);
    must(guard != NULL);
    guard->loop = loop;
    guard->timers = timers;
    guard->settings = *settings;
    guard->to_rest = to_rest;
    guard->rest_context = rest_context;
    return guard;
}

struct guard *guard_free(struct guard *guard)
{
    must(guard == NULL || guard->relays == NULL);
    free(guard);
    return NULL;
}

size_t guard_connections(const struct guard *guard)
{
    return atomic_load_explicit(&guard->open, memory_order_relaxed);
}

void guard_stats(const struct guard *guard, struct guard_stats *stats)
{
    stats->open = atomic_load_explicit(&guard->open, memory_order_relaxed);
    for (size_t i = 0; i < GUARD_RULES; i++)
        stats->breaches[i] = atomic_load_explicit(&guard->breaches[i], memory_order_relaxed);
}

/* --- the end of a relay --- */

static void on_closed(uv_handle_t *handle)
{
    struct relay *relay = handle->data;
    if (--relay->handles > 0)
        return;
    struct guard *guard = relay->guard;
    if (relay->next != NULL)
        relay->next->previous = relay->previous;
    if (relay->previous != NULL)
        relay->previous->next = relay->next;
    else
        guard->relays = relay->next;
    guard_wire_fini(&relay->wire);
    if (relay->inside >= 0)
        (void)close(relay->inside);
    guard_frames_fini(&relay->frames);
    free(relay->up.at);
    free(relay->down.at);
    (void)atomic_fetch_sub(&guard->open, 1);
    guard->settings.closed(guard->settings.closed_context, &relay->peer);
    free(relay);
}

void relay_end(struct relay *relay)
{
    if (relay->ending)
        return;
    relay->ending = true;
    relay_weigh(relay);
    timers_cancel(relay->guard->timers, &relay->timer);
    uv_close((uv_handle_t *)&relay->wire_poll, on_closed);
    if (relay->inside >= 0)
        uv_close((uv_handle_t *)&relay->inside_poll, on_closed);
}

static uint64_t shorter(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void relay_linger(struct relay *relay)
{
    if (relay->state == RELAY_LINGERING)
        return;
    relay->state = RELAY_LINGERING;
    relay_weigh(relay);
    relay->up.ended = relay->up.shut = true;
    relay->down.ended = true;
    free(relay->up.at);
    relay->up.at = NULL;
    relay->up.len = 0;
    if (relay->inside >= 0) /* the calls of the inside are cancelled by that */
        (void)shutdown(relay->inside, SHUT_RDWR);
    relay->inside_broke = true; /* nothing there matters any more */
    uint64_t linger_ms = relay->guard->settings.linger_ms;
    if (relay->guard->draining)
        linger_ms = shorter(linger_ms, LINGERING_DRAIN_MS);
    timers_set(relay->guard->timers, &relay->timer, tick_now_ms() + linger_ms);
}

/* Attacks come in thousands; the log is for people. */
static bool may_log(struct guard *guard, tick_ms now_ms)
{
    if (now_ms - guard->lines_from_ms >= 1000) {
        guard->lines_from_ms = now_ms;
        guard->lines = 0;
    }
    return guard->lines++ < LINES_A_SECOND;
}

static void note_breach(struct relay *relay, enum guard_rule rule)
{
    struct guard *guard = relay->guard;
    tick_ms now_ms = tick_now_ms();
    struct log_line line;
    char peer[PEER_TEXT_BYTES];
    (void)atomic_fetch_add(&guard->breaches[rule], 1);
    if (!may_log(guard, now_ms))
        return;
    bool honest = guard_rule_row(rule)->error == H2_NO_ERROR;
    peer_text(&relay->peer, peer);
    log_begin(&line, honest ? LOG_DEBUG : LOG_WARNING, "guard", "connection_ended");
    log_text(&line, "rule", guard_rule_row(rule)->name);
    log_text(&line, "peer", peer);
    log_u64(&line, "age_ms", now_ms - relay->born_ms);
    log_u64(&line, "streams", (relay->frames.last_stream + 1) / 2);
    log_end(&line);
}

void relay_refuse(struct relay *relay, enum guard_rule rule)
{
    static const char settings[9] = {0, 0, 0, 4};
    char goaway[GUARD_GOAWAY_BYTES];
    note_breach(relay, rule);
    bool speaks =
        relay->framed && relay->frames.preface == sizeof "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" - 1;
    if (speaks && relay->state == RELAY_OPENING)
        relay_tell(relay, settings, sizeof settings); /* which have to come first */
    if (speaks)
        relay_tell(relay, goaway, guard_frames_goaway(&relay->frames, rule, goaway));
    relay_linger(relay);
}

/* --- time --- */

static enum guard_rule overdue(const struct relay *relay, tick_ms now_ms)
{
    const struct guard_settings *settings = &relay->guard->settings;
    const struct guard_frames *frames = &relay->frames;
    if (relay->state != RELAY_RELAYING)
        return GUARD_HANDSHAKE_TIME;
    if (relay->down.len > 0 && now_ms - relay->read_ms >= settings->read_ms)
        return GUARD_READ_TIME;
    if (now_ms - relay->active_ms >= settings->idle_ms)
        return GUARD_IDLE_TIME;
    if (relay->framed && now_ms - relay->born_ms >= settings->age_ms)
        return GUARD_AGE;
    if (!relay->framed || relay->up.len > 0) /* then it is not the client who is slow */
        return GUARD_FINE;
    if (frames->since_ms != TICK_NEVER && now_ms - frames->since_ms >= settings->frame_ms)
        return GUARD_FRAME_TIME;
    return guard_frames_owed_ms(frames, now_ms) >= settings->message_ms ? GUARD_MESSAGE_TIME
                                                                        : GUARD_FINE;
}

static bool is_to_leave(const struct relay *relay, tick_ms now_ms)
{
    return relay->http2 && !relay->asked && relay->state == RELAY_RELAYING &&
           now_ms - relay->born_ms >= relay->guard->settings.leave_ms;
}

/* Whether something has begun that has to end soon. */
static bool is_busy(const struct relay *relay)
{
    return relay->down.len > 0 || relay->up.len > 0 ||
           (relay->framed &&
            (relay->frames.since_ms != TICK_NEVER || relay->frames.streams.count > 0));
}

void relay_set_timer(struct relay *relay, tick_ms now_ms)
{
    const struct guard_settings *settings = &relay->guard->settings;
    if (relay->state != RELAY_RELAYING || relay->ending)
        return; /* set already, for the end of that */
    uint64_t least_ms = shorter(settings->idle_ms, settings->age_ms);
    if (relay->http2)
        least_ms = shorter(least_ms, settings->leave_ms);
    if (is_busy(relay))
        least_ms =
            shorter(shorter(CHECK_MS, least_ms),
                    shorter(settings->frame_ms, shorter(settings->message_ms, settings->read_ms)));
    /* Moved earlier only: that it rings too early does no harm. */
    if (!timer_is_set(&relay->timer) || relay->timer.due_ms > now_ms + least_ms)
        timers_set(relay->guard->timers, &relay->timer, now_ms + least_ms);
}

static void on_time(struct timer *timer, tick_ms now_ms)
{
    struct relay *relay = container_of(timer, struct relay, timer);
    if (relay->state == RELAY_LINGERING) {
        relay_end(relay);
        return;
    }
    enum guard_rule rule = overdue(relay, now_ms);
    if (rule != GUARD_FINE) { /* the loop may be late: what has come meanwhile counts */
        relay_move(relay);
        if (relay->ending || relay->state == RELAY_LINGERING)
            return;
        now_ms = tick_now_ms(); /* no earlier than what has just happened */
        rule = overdue(relay, now_ms);
    }
    if (rule == GUARD_FINE && is_to_leave(relay, now_ms)) {
        relay->asked = relay->owes_goaway = true;
        relay_move(relay);
        return;
    }
    if (rule == GUARD_FINE) {
        relay_set_timer(relay, now_ms);
        return;
    }
    if (relay->state == RELAY_SHAKING) { /* there is no way yet to say anything */
        note_breach(relay, rule);
        relay_end(relay);
        return;
    }
    relay_refuse(relay, rule);
    relay_move(relay);
}

/* --- the beginning --- */

static void bound_buffer(int fd)
{
    int bytes = PAIR_BYTES;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

bool relay_connect(struct relay *relay)
{
    struct guard *guard = relay->guard;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
        if (may_log(guard, tick_now_ms()))
            log_event(LOG_WARNING, "guard", "connection_refused", "reason", "descriptors");
        return false;
    }
    if (uv_poll_init(guard->loop, &relay->inside_poll, pair[0]) != 0) {
        (void)close(pair[0]);
        (void)close(pair[1]);
        return false;
    }
    bound_buffer(pair[0]);
    bound_buffer(pair[1]);
    relay->inside = pair[0];
    relay->inside_poll.data = relay;
    relay->handles++;
    relay->state = RELAY_RELAYING;
    timers_cancel(guard->timers, &relay->timer);
    struct certificate *certificate =
        relay->wire.ssl != NULL ? tls_certificate(relay->wire.ssl) : NULL;
    if (relay->rpc)
        guard->settings.to_rpc(guard->settings.rpc_context, pair[1], &relay->peer, certificate);
    else
        guard->to_rest(guard->rest_context, pair[1],
                       &(struct guard_passed){.peer = relay->peer,
                                              .certificate = certificate,
                                              .tls = relay->wire.ssl != NULL,
                                              .http2 = relay->http2});
    relay->owes_goaway |= relay->http2 && guard->draining;
    return true;
}

void guard_adopt(struct guard *guard, int fd, const struct peer *peer, enum tls_use use)
{
    struct relay *relay = calloc(1, sizeof *relay);
    must(relay != NULL && (use == TLS_RPC || use == TLS_REST_2 || guard->settings.tls != NULL));
    if (uv_poll_init(guard->loop, &relay->wire_poll, fd) != 0) {
        (void)close(fd);
        free(relay);
        guard->settings.closed(guard->settings.closed_context, peer);
        return;
    }
    SSL_CTX *context = guard->settings.tls != NULL ? tls_context(guard->settings.tls, use) : NULL;
    guard_wire_init(&relay->wire, fd, context);
    SSL_CTX_free(context);
    relay->guard = guard;
    relay->peer = *peer;
    relay->use = (uint8_t)use;
    relay->inside = -1;
    relay->slow_ms = TICK_NEVER;
    relay->handles = 1;
    relay->wire_poll.data = relay;
    relay->timer.fire = on_time;
    relay->born_ms = relay->active_ms = tick_now_ms();
    guard_frames_init(&relay->frames, relay->born_ms);
    relay->next = guard->relays;
    if (relay->next != NULL)
        relay->next->previous = relay;
    guard->relays = relay;
    (void)atomic_fetch_add(&guard->open, 1);
    uint64_t wait_ms = guard->draining ? LAST_OPENING_MS : guard->settings.handshake_ms;
    timers_set(guard->timers, &relay->timer, relay->born_ms + wait_ms);
    relay_move(relay);
}

void guard_drain(struct guard *guard)
{
    tick_ms last_ms = tick_now_ms() + LAST_OPENING_MS;
    guard->draining = true;
    for (struct relay *relay = guard->relays; relay != NULL; relay = relay->next) {
        if (relay->ending)
            continue;
        relay->owes_goaway = relay->framed;
        if (relay->state != RELAY_RELAYING && relay->timer.due_ms > last_ms)
            timers_set(guard->timers, &relay->timer, last_ms);
        else if (relay->state == RELAY_RELAYING && relay->framed)
            relay_move(relay);
    }
}

void guard_abort(struct guard *guard)
{
    for (struct relay *relay = guard->relays; relay != NULL; relay = relay->next)
        relay_end(relay);
}
