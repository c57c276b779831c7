/* Bytes of a relay, both ways: read into the guard's buffer, looked at, and written on at once;
 * what is not taken waits in the flow's own, and until it is gone nothing more is read from there.
 */
#include "server/guard_internal.h"

#include "shared/base/lingering.h"
#include "shared/base/tick.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { READS_A_TURN = 4 };

/* --- flows --- */

static void keep(struct relay_flow *flow, const char *bytes, size_t len)
{
    if (len == 0)
        return;
    if (flow->at == NULL) {
        flow->at = malloc(GUARD_BUFFER_BYTES);
        must(flow->at != NULL);
        flow->from = 0;
    }
    if (flow->from > 0) {
        memmove(flow->at, flow->at + flow->from, flow->len);
        flow->from = 0;
    }
    must(flow->len + len <= GUARD_BUFFER_BYTES);
    memcpy(flow->at + flow->len, bytes, len);
    flow->len += (uint32_t)len;
}

static void take(struct relay_flow *flow, size_t len)
{
    flow->from += (uint32_t)len;
    flow->len -= (uint32_t)len;
    if (flow->len > 0)
        return;
    free(flow->at);
    flow->at = NULL;
    flow->from = 0;
}

void relay_tell(struct relay *relay, const char *bytes, size_t len)
{
    if (relay->down.len + len <= GUARD_BUFFER_BYTES)
        keep(&relay->down, bytes, len);
}

/* --- writing --- */

/* To the inside; bytes taken, or WIRE_AGAIN. An inside that is gone takes all. */
static ssize_t write_inside(struct relay *relay, const char *bytes, size_t len)
{
    ssize_t sent = send(relay->inside, bytes, len, MSG_NOSIGNAL);
    if (sent >= 0)
        return sent;
    if (errno == EAGAIN || errno == EINTR)
        return WIRE_AGAIN;
    relay->up.ended = relay->up.shut = true;
    return (ssize_t)len;
}

/* While bytes wait for the inside nothing is read of the client, who is not to pay for that. */
static void mind_the_inside(struct relay *relay)
{
    bool slow = relay->inside >= 0 && relay->up.len > 0;
    if (slow == (relay->slow_ms != TICK_NEVER))
        return;
    tick_ms now_ms = tick_now_ms();
    if (!slow)
        guard_frames_excuse(&relay->frames, now_ms - relay->slow_ms);
    relay->slow_ms = slow ? now_ms : TICK_NEVER;
}

static void push_up(struct relay *relay, const char *bytes, size_t len)
{
    if (relay->inside >= 0 && relay->up.len == 0) {
        ssize_t sent = write_inside(relay, bytes, len);
        size_t done = sent > 0 ? (size_t)sent : 0;
        bytes += done;
        len -= done;
    }
    keep(&relay->up, bytes, len);
    mind_the_inside(relay);
}

/* False: the client is gone. */
static bool push_down(struct relay *relay, const char *bytes, size_t len)
{
    ssize_t sent = relay->down.len == 0 ? guard_wire_write(&relay->wire, bytes, len) : WIRE_AGAIN;
    if (sent == WIRE_BROKEN)
        return false;
    if (relay->down.len == 0)
        relay->read_ms = relay->active_ms;
    size_t done = sent > 0 ? (size_t)sent : 0;
    keep(&relay->down, bytes + done, len - done);
    return true;
}

static bool flush_down(struct relay *relay)
{
    if (relay->down.len == 0)
        return true;
    ssize_t sent =
        guard_wire_write(&relay->wire, relay->down.at + relay->down.from, relay->down.len);
    if (sent == WIRE_BROKEN)
        return false;
    if (sent > 0) {
        relay->read_ms = relay->active_ms = tick_now_ms();
        take(&relay->down, (size_t)sent);
    }
    return true;
}

static void flush_up(struct relay *relay)
{
    if (relay->up.len == 0 || relay->inside < 0)
        return;
    ssize_t sent = write_inside(relay, relay->up.at + relay->up.from, relay->up.len);
    if (sent > 0)
        take(&relay->up, (size_t)sent);
    mind_the_inside(relay);
}

/* --- reading --- */

static bool may_read_wire(const struct relay *relay)
{
    if (relay->up.ended)
        return false;
    return relay->state == RELAY_OPENING || relay->up.len == 0;
}

/* h2o bounds a body of HTTP/1.1, but not what frames its chunks. */
static enum guard_rule look_up(struct relay *relay, struct span bytes)
{
    uint64_t most = relay->guard->settings.body_bytes;
    if (relay->framed)
        return guard_frames_client(&relay->frames, bytes, relay->active_ms);
    relay->unanswered += bytes.len;
    return relay->rpc || most == 0 || relay->unanswered <= most ? GUARD_FINE : GUARD_BODIES;
}

/* False: the relay is over, or has been told to end. */
static bool pull_up(struct relay *relay)
{
    struct guard *guard = relay->guard;
    for (unsigned i = 0; i < READS_A_TURN && may_read_wire(relay); i++) {
        size_t room = GUARD_BUFFER_BYTES - relay->up.len;
        ssize_t got = guard_wire_read(&relay->wire, guard->bytes, room);
        if (got == WIRE_AGAIN)
            return true;
        if (got == WIRE_BROKEN)
            return false;
        if (got == 0) {
            relay->up.ended = true;
            return relay->inside >= 0;
        }
        relay->active_ms = tick_now_ms();
        enum guard_rule rule = look_up(relay, span_make(guard->bytes, (size_t)got));
        if (rule != GUARD_FINE) {
            relay_refuse(relay, rule);
            return true;
        }
        push_up(relay, guard->bytes, (size_t)got);
        if (relay->state == RELAY_OPENING && guard_frames_begun(&relay->frames)) {
            if (!relay_connect(relay))
                return false;
            flush_up(relay);
        }
        if ((size_t)got + WIRE_RECORD_BYTES < room && !guard_wire_holds_end(&relay->wire))
            return true;
    }
    return true;
}

/* Nothing calls again for an inside that broke: what it has left, which the pair's buffer bounds,
 * is read to its end, or to where the client has to take some first. */
static bool pull_down(struct relay *relay)
{
    struct guard *guard = relay->guard;
    for (unsigned i = 0;
         (i < READS_A_TURN || relay->inside_broke) && relay->down.len == 0 && !relay->down.ended;
         i++) {
        ssize_t got = recv(relay->inside, guard->bytes, sizeof guard->bytes, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR) && !relay->inside_broke)
            return true;
        if (got <= 0) {
            relay->down.ended = true;
            return true;
        }
        relay->active_ms = tick_now_ms();
        relay->spoke = true;
        relay->unanswered = 0;
        struct span bytes = span_make(guard->bytes, (size_t)got);
        enum guard_rule rule = relay->framed
                                   ? guard_frames_server(&relay->frames, bytes, relay->active_ms)
                                   : GUARD_FINE;
        if (!push_down(relay, bytes.at, bytes.len))
            return false;
        if (rule != GUARD_FINE) {
            relay_refuse(relay, rule);
            return true;
        }
        if (bytes.len < sizeof guard->bytes && !relay->inside_broke)
            return true;
    }
    return true;
}

void relay_say_going(struct relay *relay)
{
    char frame[GUARD_GOAWAY_BYTES];
    if (!relay->owes_goaway || !relay->spoke || relay->state != RELAY_RELAYING ||
        relay->down.len > 0)
        return;
    size_t len = guard_frames_going(&relay->frames, frame);
    if (len == 0)
        return;
    relay->owes_goaway = false;
    relay_tell(relay, frame, len);
}

/* --- what to wait for --- */

static void wait_for(uv_poll_t *poll, int *armed, int wanted, uv_poll_cb callback)
{
    if (*armed == wanted)
        return;
    *armed = wanted;
    if (wanted == 0)
        (void)uv_poll_stop(poll);
    else
        must(uv_poll_start(poll, wanted, callback) == 0);
}

static void wait_for_more(struct relay *relay)
{
    int wire = 0, inside = 0;
    if (relay->state == RELAY_SHAKING || relay->state == RELAY_LINGERING || may_read_wire(relay))
        wire |= UV_READABLE;
    if (relay->down.len > 0 || relay->wire.wants_write)
        wire |= UV_WRITABLE;
    wait_for(&relay->wire_poll, &relay->wire_events, wire, on_relay_wire);
    if (relay->inside < 0)
        return;
    if (!relay->down.ended && relay->down.len == 0)
        inside |= UV_READABLE;
    if (relay->up.len > 0)
        inside |= UV_WRITABLE;
    wait_for(&relay->inside_poll, &relay->inside_events, relay->inside_broke ? 0 : inside,
             on_relay_inside);
}

/* --- turns --- */

static bool shake(struct relay *relay)
{
    int done = guard_wire_shake(&relay->wire);
    if (done != 1)
        return done == WIRE_AGAIN;
    relay->rpc =
        relay->use == TLS_RPC || (relay->use == TLS_EITHER && tls_speaks_h2(relay->wire.ssl));
    /* Without TLS the front door has seen the preface. */
    relay->http2 =
        relay->use == TLS_REST_2 && (relay->wire.ssl == NULL || tls_speaks_h2(relay->wire.ssl));
    relay->framed = relay->http2 || (relay->rpc && relay->guard->settings.rules);
    relay->frames.streams.most_bytes = relay->guard->settings.body_bytes;
    relay->state = RELAY_OPENING;
    return relay->framed || relay_connect(relay);
}

static void pass_ends_on(struct relay *relay)
{
    if (relay->up.ended && relay->up.len == 0 && !relay->up.shut) {
        relay->up.shut = true;
        (void)shutdown(relay->inside, SHUT_WR);
    }
    if (relay->down.ended && relay->down.len == 0)
        relay_linger(relay);
}

/* What waits goes out, then the end; then the client's is awaited. What it says meanwhile is
 * dropped as it is: nobody has to decrypt that. */
static bool say_good_bye(struct relay *relay)
{
    if (!flush_down(relay))
        return false;
    if (relay->down.len == 0 && !relay->down.shut) {
        relay->down.shut = true;
        guard_wire_shut(&relay->wire);
    }
    return lingering_drop(relay->wire.fd, &relay->dropped);
}

/* False: the relay is over. */
static bool move_all(struct relay *relay)
{
    if (relay->state == RELAY_SHAKING && !shake(relay))
        return false;
    if (relay->state == RELAY_SHAKING)
        return true;
    if (!flush_down(relay))
        return false;
    flush_up(relay);
    if (relay->state != RELAY_LINGERING && !pull_up(relay))
        return false;
    if (relay->state == RELAY_RELAYING && !pull_down(relay))
        return false;
    relay_say_going(relay);
    if (relay->state == RELAY_RELAYING)
        pass_ends_on(relay);
    return relay->state != RELAY_LINGERING || say_good_bye(relay);
}

void relay_turn(struct relay *relay)
{
    if (!move_all(relay)) {
        relay_end(relay);
        return;
    }
    relay_weigh(relay);
    wait_for_more(relay);
    relay_set_timer(relay, relay->active_ms);
}

void relay_move(struct relay *relay)
{
    relay_turn(relay);
    guard_lighten(relay->guard);
}

void on_relay_wire(uv_poll_t *poll, int status, int events)
{
    struct relay *relay = poll->data;
    (void)events;
    if (status < 0) { /* libuv has stopped the poll */
        relay_end(relay);
        return;
    }
    relay_move(relay);
}

void on_relay_inside(uv_poll_t *poll, int status, int events)
{
    struct relay *relay = poll->data;
    (void)events;
    if (status < 0) {
        relay->inside_broke = true;
        relay->inside_events = 0;
    }
    relay_move(relay);
}
