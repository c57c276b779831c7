#include "server/guard_frames.h"

enum kind {
    DATA,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    PUSH_PROMISE,
    PING,
    GOAWAY,
    WINDOW_UPDATE,
    CONTINUATION
};
enum flag { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, WITH_PRIORITY = 0x20 };

enum { PREFACE_BYTES = 24, HEAD_BYTES = 9, MOST_UNACKED = 200 };
enum { PRIORITY_BYTES = 5, SETTING_BYTES = 6 };

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

void guard_frames_init(struct guard_frames *frames, tick_ms now_ms)
{
    *frames = (struct guard_frames){.since_ms = now_ms};
}

void guard_frames_fini(struct guard_frames *frames)
{
    guard_streams_fini(&frames->streams);
}

/* --- budgets --- */

static enum guard_rule take(struct guard_frames *frames, enum guard_rule rule, tick_ms now_ms)
{
    return guard_budget_take(&frames->budgets[rule], rule, now_ms) ? GUARD_FINE : rule;
}

static void give(struct guard_frames *frames, enum guard_rule rule)
{
    guard_budget_give(&frames->budgets[rule], rule);
}

static enum guard_rule take_reset(struct guard_frames *frames, tick_ms now_ms)
{
    enum guard_rule rule = take(frames, GUARD_RESETS, now_ms);
    return rule != GUARD_FINE ? rule : take(frames, GUARD_RESET_SHARE, now_ms);
}

/* --- heads of frames --- */

/* True: the head is complete, and `frame` is filled in from it. */
static bool read_head(struct guard_frame *frame, struct span *bytes)
{
    size_t want = (size_t)HEAD_BYTES - frame->got;
    size_t here = bytes->len < want ? bytes->len : want;
    if (here > 0)
        memcpy(frame->head + frame->got, bytes->at, here);
    frame->got = (uint8_t)(frame->got + here);
    *bytes = span_from(*bytes, here);
    if (frame->got < HEAD_BYTES)
        return false;
    const uint8_t *head = frame->head;
    frame->length = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
    frame->kind = head[3];
    frame->flags = head[4];
    frame->stream =
        ((uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8]) &
        0x7fffffff;
    frame->left = frame->length;
    frame->at = frame->word = 0;
    return true;
}

/* The next piece of the payload; keeps its first four bytes. */
static struct span read_payload(struct guard_frame *frame, struct span *bytes)
{
    size_t here = bytes->len < frame->left ? bytes->len : frame->left;
    struct span piece = span_make(bytes->at, here);
    for (uint32_t i = 0; frame->at + i < 4 && i < here; i++)
        frame->word = frame->word << 8 | (uint8_t)piece.at[i];
    *bytes = span_from(*bytes, here);
    frame->left -= (uint32_t)here;
    return piece;
}

static bool has(const struct guard_frame *frame, enum flag flag)
{
    return (frame->flags & flag) != 0;
}

/* --- the client's frames --- */

/* What stands before the header block in a HEADERS frame. */
static uint32_t before_block(const struct guard_frame *frame)
{
    return (has(frame, PADDED) ? 1U : 0U) + (has(frame, WITH_PRIORITY) ? PRIORITY_BYTES : 0U);
}

static enum guard_rule begin_block(struct guard_frames *frames, const struct guard_frame *frame)
{
    frames->walk = (struct hpack_walk){0};
    frames->block_stream = frame->stream;
    frames->block_bytes = frame->length;
    frames->continuations = 0;
    frames->padding = 0;
    return frame->length >= before_block(frame) ? GUARD_FINE : GUARD_FRAME_LENGTH;
}

static enum guard_rule on_headers(struct guard_frames *frames, const struct guard_frame *frame,
                                  tick_ms now_ms)
{
    struct guard_stream *stream = guard_streams_find(&frames->streams, frame->stream);
    if (frame->stream % 2 == 0)
        return GUARD_STREAM_ID;
    if (stream != NULL) { /* trailers */
        if (stream->client_ended != 0)
            return GUARD_STREAM_CLOSED;
        if (!has(frame, END_STREAM))
            return GUARD_FRAME_ORDER;
    }
    enum guard_rule rule = take(frames, GUARD_HEADERS, now_ms);
    if (rule == GUARD_FINE && stream == NULL && frame->stream > frames->last_stream) {
        if (frames->streams.count >= GUARD_OPEN_STREAMS)
            return GUARD_STREAM_COUNT;
        frames->last_stream = frame->stream;
        stream = guard_streams_add(&frames->streams, frame->stream, now_ms);
    }
    if (stream != NULL && has(frame, END_STREAM))
        guard_streams_client_ends(&frames->streams, stream);
    return rule != GUARD_FINE ? rule : begin_block(frames, frame);
}

static enum guard_rule on_continuation(struct guard_frames *frames, const struct guard_frame *frame)
{
    if (++frames->continuations > GUARD_CONTINUATIONS)
        return GUARD_CONTINUATION_COUNT;
    frames->block_bytes += frame->length;
    return frames->block_bytes <= GUARD_HEADER_BLOCK_BYTES ? GUARD_FINE : GUARD_HEADER_BLOCK;
}

static enum guard_rule on_data(struct guard_frames *frames, const struct guard_frame *frame,
                               tick_ms now_ms)
{
    struct guard_stream *stream = guard_streams_find(&frames->streams, frame->stream);
    if (frame->stream == 0 || frame->stream > frames->last_stream)
        return GUARD_STREAM_ID;
    if (stream == NULL)
        return take(frames, GUARD_LATE_FRAMES, now_ms);
    if (stream->client_ended != 0)
        return GUARD_STREAM_CLOSED;
    if (has(frame, PADDED) && frame->length == 0)
        return GUARD_FRAME_LENGTH;
    if (frames->streams.most_bytes > 0 &&
        !guard_streams_take(&frames->streams, stream, frame->length))
        return GUARD_BODIES;
    if (has(frame, END_STREAM)) {
        guard_streams_client_ends(&frames->streams, stream);
        return GUARD_FINE;
    }
    /* No gRPC client pads; a padded frame may be as empty as it wants. */
    bool small = frame->length <= 1 || has(frame, PADDED);
    return small ? take(frames, GUARD_SMALL_DATA, now_ms) : GUARD_FINE;
}

static enum guard_rule on_reset(struct guard_frames *frames, const struct guard_frame *frame,
                                tick_ms now_ms)
{
    struct guard_stream *stream = guard_streams_find(&frames->streams, frame->stream);
    if (frame->length != 4)
        return GUARD_FRAME_LENGTH;
    if (frame->stream == 0 || frame->stream > frames->last_stream)
        return GUARD_STREAM_ID;
    if (stream == NULL)
        return take(frames, GUARD_LATE_FRAMES, now_ms);
    /* Whoever resets what has been answered already takes nothing back. */
    bool answered = stream->server_ended != 0;
    guard_streams_remove(&frames->streams, stream);
    return answered ? GUARD_FINE : take_reset(frames, now_ms);
}

static enum guard_rule on_settings(struct guard_frames *frames, const struct guard_frame *frame,
                                   tick_ms now_ms)
{
    if (frame->stream != 0)
        return GUARD_STREAM_ID;
    if (frame->length % SETTING_BYTES != 0 || (has(frame, ACK) && frame->length > 0))
        return GUARD_FRAME_LENGTH;
    if (frame->length > GUARD_SETTINGS_ENTRIES * SETTING_BYTES)
        return GUARD_SETTINGS_LENGTH;
    if (has(frame, ACK) && frames->settings_unacked > 0) {
        frames->settings_unacked--;
        return GUARD_FINE;
    }
    return take(frames, GUARD_SETTINGS, now_ms);
}

static enum guard_rule on_ping(struct guard_frames *frames, const struct guard_frame *frame,
                               tick_ms now_ms)
{
    if (frame->stream != 0)
        return GUARD_STREAM_ID;
    if (frame->length != 8)
        return GUARD_FRAME_LENGTH;
    if (has(frame, ACK) && frames->pings_unacked > 0) {
        frames->pings_unacked--;
        return GUARD_FINE;
    }
    return take(frames, GUARD_PINGS, now_ms);
}

static enum guard_rule on_window_update(struct guard_frames *frames,
                                        const struct guard_frame *frame, tick_ms now_ms)
{
    if (frame->length != 4)
        return GUARD_FRAME_LENGTH;
    if (frame->stream > frames->last_stream)
        return GUARD_STREAM_ID;
    return take(frames, GUARD_WINDOW_UPDATES, now_ms);
}

static enum guard_rule on_client_head(struct guard_frames *frames, tick_ms now_ms)
{
    const struct guard_frame *frame = &frames->client;
    if (frame->length > GUARD_FRAME_BYTES)
        return GUARD_FRAME_SIZE;
    if (!frames->settings_seen && (frame->kind != SETTINGS || has(frame, ACK)))
        return GUARD_FIRST_SETTINGS;
    if (frames->block_stream != 0
            ? frame->kind != CONTINUATION || frame->stream != frames->block_stream
            : frame->kind == CONTINUATION)
        return GUARD_FRAME_ORDER;
    switch (frame->kind) {
    case DATA:
        return on_data(frames, frame, now_ms);
    case HEADERS:
        return on_headers(frames, frame, now_ms);
    case PRIORITY:
        if (frame->length != PRIORITY_BYTES)
            return GUARD_FRAME_LENGTH;
        return frame->stream != 0 ? take(frames, GUARD_PRIORITIES, now_ms) : GUARD_STREAM_ID;
    case RST_STREAM:
        return on_reset(frames, frame, now_ms);
    case SETTINGS:
        return on_settings(frames, frame, now_ms);
    case PUSH_PROMISE:
        return GUARD_PUSH;
    case PING:
        return on_ping(frames, frame, now_ms);
    case WINDOW_UPDATE:
        return on_window_update(frames, frame, now_ms);
    case CONTINUATION:
        return on_continuation(frames, frame);
    default: /* GOAWAY, and what RFC 9113 says has to be ignored */
        return take(frames, GUARD_OTHER_FRAMES, now_ms);
    }
}

/* The part of a HEADERS frame's payload that is header block: without the padding's length, the
 * priority and the padding. */
static enum guard_rule on_block_payload(struct guard_frames *frames, struct span piece)
{
    struct guard_frame *frame = &frames->client;
    uint32_t skip = 0;
    if (frame->kind == HEADERS) {
        if (has(frame, PADDED) && frame->at == 0 && piece.len > 0)
            frames->padding = (uint8_t)piece.at[0];
        skip = before_block(frame);
    } else {
        frames->padding = 0;
    }
    if (skip + frames->padding > frame->length)
        return GUARD_PADDING;
    uint32_t end = frame->length - frames->padding;
    uint32_t from = frame->at < skip ? skip : frame->at;
    uint32_t to = frame->at + (uint32_t)piece.len < end ? frame->at + (uint32_t)piece.len : end;
    if (from >= to)
        return GUARD_FINE;
    return hpack_walk(&frames->walk, span_make(piece.at + (from - frame->at), to - from));
}

static enum guard_rule on_client_end(struct guard_frames *frames)
{
    struct guard_frame *frame = &frames->client;
    frame->got = 0;
    if (frame->kind == SETTINGS)
        frames->settings_seen = true;
    if (frame->kind == WINDOW_UPDATE && (frame->word & 0x7fffffff) == 0)
        return GUARD_WINDOW;
    if ((frame->kind == HEADERS || frame->kind == CONTINUATION) && has(frame, END_HEADERS)) {
        frames->block_stream = 0;
        if (!hpack_walk_is_whole(&frames->walk))
            return GUARD_HPACK;
    }
    if (frames->block_stream == 0)
        frames->since_ms = TICK_NEVER;
    return GUARD_FINE;
}

static enum guard_rule on_preface(struct guard_frames *frames, struct span *bytes)
{
    size_t want = (size_t)PREFACE_BYTES - frames->preface;
    size_t here = bytes->len < want ? bytes->len : want;
    if (here > 0 && memcmp(bytes->at, preface + frames->preface, here) != 0)
        return GUARD_PREFACE;
    frames->preface = (uint8_t)(frames->preface + here);
    *bytes = span_from(*bytes, here);
    return GUARD_FINE;
}

enum guard_rule guard_frames_client(struct guard_frames *frames, struct span bytes, tick_ms now_ms)
{
    struct guard_frame *frame = &frames->client;
    enum guard_rule rule = on_preface(frames, &bytes);
    while (rule == GUARD_FINE && bytes.len > 0) {
        if (frames->since_ms == TICK_NEVER)
            frames->since_ms = now_ms;
        if (frame->got < HEAD_BYTES) {
            if (!read_head(frame, &bytes))
                break;
            rule = on_client_head(frames, now_ms);
        } else {
            struct span piece = read_payload(frame, &bytes);
            if (frame->kind == HEADERS || frame->kind == CONTINUATION)
                rule = on_block_payload(frames, piece);
            frame->at += (uint32_t)piece.len;
        }
        if (rule == GUARD_FINE && frame->left == 0)
            rule = on_client_end(frames);
    }
    return rule;
}

/* --- the server's frames --- */

static void count_up(uint8_t *count)
{
    if (*count < MOST_UNACKED)
        (*count)++;
}

static void on_server_head(struct guard_frames *frames)
{
    const struct guard_frame *frame = &frames->server;
    if (frame->kind == SETTINGS && !has(frame, ACK))
        count_up(&frames->settings_unacked);
    if (frame->kind == PING && !has(frame, ACK))
        count_up(&frames->pings_unacked);
    if (frame->kind != DATA && frame->kind != HEADERS)
        return;
    give(frames, GUARD_PINGS);
    give(frames, GUARD_WINDOW_UPDATES);
    give(frames, GUARD_WINDOW_UPDATES);
    struct guard_stream *stream = guard_streams_find(&frames->streams, frame->stream);
    if (stream == NULL || !has(frame, END_STREAM) || stream->server_ended != 0)
        return;
    give(frames, GUARD_HEADERS);
    give(frames, GUARD_RESET_SHARE);
    guard_streams_server_ends(&frames->streams, stream);
}

/* A server that has answered before it has read all says so with NO_ERROR (RFC 9113 8.1); any other
 * reset is one that the client has caused. */
static enum guard_rule on_server_end(struct guard_frames *frames, tick_ms now_ms)
{
    struct guard_frame *frame = &frames->server;
    frame->got = 0;
    if (frame->kind != RST_STREAM)
        return GUARD_FINE;
    struct guard_stream *stream = guard_streams_find(&frames->streams, frame->stream);
    if (stream != NULL)
        guard_streams_remove(&frames->streams, stream);
    return frame->word == H2_NO_ERROR ? GUARD_FINE : take_reset(frames, now_ms);
}

enum guard_rule guard_frames_server(struct guard_frames *frames, struct span bytes, tick_ms now_ms)
{
    struct guard_frame *frame = &frames->server;
    enum guard_rule rule = GUARD_FINE;
    while (bytes.len > 0) { /* all of it, for that the end of a frame stays known */
        if (frame->got < HEAD_BYTES) {
            if (!read_head(frame, &bytes))
                break;
            on_server_head(frames);
        } else {
            frame->at += (uint32_t)read_payload(frame, &bytes).len;
        }
        if (frame->left > 0)
            continue;
        enum guard_rule each = on_server_end(frames, now_ms);
        if (rule == GUARD_FINE)
            rule = each;
    }
    return rule;
}

void guard_frames_excuse(struct guard_frames *frames, uint64_t ms)
{
    frames->streams.excused_ms += ms;
    if (frames->since_ms != TICK_NEVER)
        frames->since_ms += ms;
}

uint64_t guard_frames_owed_ms(const struct guard_frames *frames, tick_ms now_ms)
{
    return guard_streams_owed_ms(&frames->streams, now_ms);
}

size_t guard_frames_goaway(const struct guard_frames *frames, enum guard_rule rule,
                           char out[GUARD_GOAWAY_BYTES])
{
    const struct guard_rule_row *row = guard_rule_row(rule);
    size_t name_len = strlen(row->name);
    must(HEAD_BYTES + 8 + name_len <= GUARD_GOAWAY_BYTES);
    if (frames->server.got != 0)
        return 0;
    memset(out, 0, HEAD_BYTES + 8);
    out[2] = (char)(8 + name_len);
    out[3] = GOAWAY;
    for (unsigned i = 0; i < 4; i++)
        out[HEAD_BYTES + i] = (char)(frames->last_stream >> (24 - 8 * i));
    out[HEAD_BYTES + 7] = (char)row->error;
    memcpy(out + HEAD_BYTES + 8, row->name, name_len);
    return HEAD_BYTES + 8 + name_len;
}

size_t guard_frames_going(const struct guard_frames *frames, char out[GUARD_GOAWAY_BYTES])
{
    if (frames->server.got != 0)
        return 0;
    memset(out, 0, HEAD_BYTES + 8);
    out[2] = 8;
    out[3] = GOAWAY;
    out[HEAD_BYTES] = 0x7f; /* the highest stream there is: its number has 31 bits */
    memset(out + HEAD_BYTES + 1, 0xff, 3);
    return HEAD_BYTES + 8;
}
