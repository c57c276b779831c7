/* Event streams: lines are cut out of the input, whole or over several pieces, and make events. */
#include "shared/llm/sse.h"

void sse_init(struct sse *sse)
{
    *sse = (struct sse){0};
    buf_init(&sse->line, NULL, SSE_EVENT_BYTES);
    buf_init(&sse->data, NULL, SSE_EVENT_BYTES);
    buf_init(&sse->name, NULL, SSE_EVENT_BYTES);
}

void sse_fini(struct sse *sse)
{
    buf_fini(&sse->line);
    buf_fini(&sse->data);
    buf_fini(&sse->name);
}

void sse_reset(struct sse *sse, size_t keep_bytes)
{
    struct buf *all[] = {&sse->line, &sse->data, &sse->name};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        buf_clear(all[i]);
        if (all[i]->cap > keep_bytes)
            buf_fini(all[i]);
    }
    sse->begun = sse->after_cr = sse->has_data = sse->handed_out = sse->failed = false;
}

static void forget_event(struct sse *sse)
{
    buf_clear(&sse->data);
    buf_clear(&sse->name);
    sse->has_data = sse->handed_out = false;
}

static void read_field(struct sse *sse, struct span line)
{
    const char *colon = memchr(line.at, ':', line.len);
    struct span name = line, value = SPAN_EMPTY;
    if (colon != NULL) {
        name.len = (size_t)(colon - line.at);
        value = span_from(line, name.len + 1);
        if (value.len > 0 && value.at[0] == ' ')
            value = span_from(value, 1);
    }
    if (span_is(name, "data")) {
        if (sse->has_data)
            buf_put_char(&sse->data, '\n');
        buf_put_span(&sse->data, value);
        sse->has_data = true;
    } else if (span_is(name, "event")) {
        buf_clear(&sse->name);
        buf_put_span(&sse->name, value);
    }
}

/* Is an event complete with this line? */
static bool read_line(struct sse *sse, struct span line)
{
    if (!sse->begun && span_starts_with(line, "\xef\xbb\xbf"))
        line = span_from(line, 3);
    sse->begun = true;
    if (line.len > 0) {
        read_field(sse, line);
        return false;
    }
    if (sse->has_data)
        return true;
    forget_event(sse);
    return false;
}

/* Where the line that `input` begins with ends; input.len when that is not there. It looks ahead in
 * strides, so that not each of many short lines is looked for in all that is there. */
static size_t line_end(struct span input)
{
    enum { STRIDE = 256 };
    for (size_t at = 0; at < input.len; at += STRIDE) {
        struct span piece = span_from(input, at);
        if (piece.len > STRIDE)
            piece.len = STRIDE;
        const char *lf = memchr(piece.at, '\n', piece.len);
        if (lf != NULL)
            piece.len = (size_t)(lf - piece.at);
        const char *cr = memchr(piece.at, '\r', piece.len);
        if (cr != NULL || lf != NULL)
            return (size_t)((cr != NULL ? cr : lf) - input.at);
    }
    return input.len;
}

/* Cuts the next line out of *input. False: it does not end there; what there is has been kept. The
 * line is valid until the kept bytes are cleared. */
static bool cut_line(struct sse *sse, struct span *input, struct span *line)
{
    if (sse->after_cr && input->len > 0) {
        sse->after_cr = false;
        if (input->at[0] == '\n')
            *input = span_from(*input, 1);
    }
    size_t end = line_end(*input);
    *line = span_make(input->at, end);
    bool whole = end < input->len;
    if (!whole || sse->line.len > 0) {
        buf_put_span(&sse->line, *line);
        *line = buf_span(&sse->line);
    }
    if (whole && input->at[end] == '\r')
        sse->after_cr = true;
    *input = span_from(*input, whole ? end + 1 : end);
    return whole;
}

static bool is_too_large(const struct sse *sse, size_t line_bytes)
{
    return sse->line.overflow || sse->data.overflow || sse->name.overflow ||
           line_bytes + sse->data.len + sse->name.len > SSE_EVENT_BYTES;
}

enum sse_result sse_next(struct sse *sse, struct span *input, struct sse_event *event)
{
    if (sse->handed_out)
        forget_event(sse);
    while (!sse->failed) {
        struct span line;
        bool whole = cut_line(sse, input, &line);
        sse->failed = is_too_large(sse, line.len);
        if (sse->failed)
            break;
        if (!whole)
            return SSE_MORE;
        bool complete = read_line(sse, line);
        buf_clear(&sse->line);
        if (!complete)
            continue;
        sse->handed_out = true;
        *event = (struct sse_event){.name = buf_span(&sse->name), .data = buf_span(&sse->data)};
        return SSE_EVENT;
    }
    return SSE_TOO_LARGE;
}
