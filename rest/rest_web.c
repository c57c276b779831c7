#include "rest/rest_web.h"

#include "shared/flow/base64.h"

static const struct web_type types[] = {
    {"application/json", WEB_CONNECT, false},
    {"application/proto", WEB_CONNECT, true},
    {"application/connect+json", WEB_CONNECT_STREAM, false},
    {"application/connect+proto", WEB_CONNECT_STREAM, true},
    {"application/grpc-web+proto", WEB_GRPC, true},
    {"application/grpc-web", WEB_GRPC, true},
    {"application/grpc-web-text+proto", WEB_GRPC_TEXT, true},
    {"application/grpc-web-text", WEB_GRPC_TEXT, true},
};

static struct span without_parameters(struct span type)
{
    const char *semicolon = type.len > 0 ? memchr(type.at, ';', type.len) : NULL;
    if (semicolon != NULL)
        type.len = (size_t)(semicolon - type.at);
    return span_trim(type);
}

const struct web_type *web_type_of(struct span content_type)
{
    struct span name = without_parameters(content_type);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (span_is_nocase(name, types[i].name))
            return &types[i];
    return NULL;
}

bool web_is_grpc(struct span content_type)
{
    static const char family[] = "application/grpc-web";
    struct span name = without_parameters(content_type);
    if (name.len > sizeof family - 1)
        name.len = sizeof family - 1;
    return span_is_nocase(name, family);
}

/* --- frames --- */

static uint32_t length_of(struct span frame)
{
    uint32_t len = 0;
    for (size_t i = 1; i < WEB_FRAME_BYTES; i++)
        len = len << 8 | (unsigned char)frame.at[i];
    return len;
}

static enum verdict_code malformed(const char *sentence, struct span *detail)
{
    *detail = span_of(sentence);
    return VERDICT_MALFORMED;
}

enum verdict_code web_unframe(struct span body, struct span *message, struct span *detail)
{
    if (body.len == 0)
        return malformed("The request has no message.", detail);
    if (body.len < WEB_FRAME_BYTES)
        return malformed("The frame of the message has no complete head.", detail);
    unsigned flags = (unsigned char)body.at[0];
    struct span payload = span_from(body, WEB_FRAME_BYTES);
    uint32_t len = length_of(body);
    if (flags == WEB_COMPRESSED) {
        *detail = span_of("Send the message uncompressed.");
        return VERDICT_BAD_COMPRESSION;
    }
    if (flags != WEB_MESSAGE)
        return malformed("The flags of the frame are not those of a message.", detail);
    if (payload.len < len)
        return malformed("The message is shorter than its frame says.", detail);
    if (payload.len > len)
        return malformed("The request has more than one message.", detail);
    *message = payload;
    return VERDICT_OK;
}

size_t web_frame_begin(struct buf *out, enum web_flags flags)
{
    const char head[WEB_FRAME_BYTES] = {(char)flags};
    size_t frame = out->len;
    buf_put(out, head, sizeof head);
    return frame;
}

void web_frame_end(struct buf *out, size_t frame)
{
    if (out->overflow) /* its head may not be there */
        return;
    size_t len = out->len - frame - WEB_FRAME_BYTES;
    must(len <= UINT32_MAX);
    for (size_t i = 0; i < 4; i++)
        out->at[frame + 1 + i] = (char)(len >> (24 - 8 * i) & 0xff);
}

/* The first piece of the text: up to the padding, and that. */
static size_t piece_of(struct span text)
{
    const char *pad = memchr(text.at, '=', text.len);
    size_t len = pad != NULL ? (size_t)(pad - text.at) : text.len;
    while (len < text.len && text.at[len] == '=')
        len++;
    return len;
}

bool web_text_decode(struct span text, char *to, size_t *len)
{
    *len = 0;
    while (text.len > 0) {
        size_t piece = piece_of(text), got = 0;
        if (!base64_decode(span_make(text.at, piece), (uint8_t *)to + *len, &got))
            return false;
        *len += got;
        text = span_from(text, piece);
    }
    return true;
}

/* --- time-outs --- */

/* 1 to `most` digits. */
static bool read_digits(struct span text, size_t most, uint64_t *value)
{
    *value = 0;
    if (text.len == 0 || text.len > most)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        *value = *value * 10 + (uint64_t)(text.at[i] - '0');
    }
    return true;
}

bool web_timeout_connect(struct span text, uint64_t *ms)
{
    if (!read_digits(text, 10, ms))
        return false;
    if (*ms == 0)
        *ms = 1;
    return true;
}

bool web_timeout_grpc(struct span text, uint64_t *ms)
{
    static const struct {
        char unit;
        uint32_t times, parts; /* milliseconds = value * times / parts */
    } units[] = {{'H', 3600000, 1}, {'M', 60000, 1}, {'S', 1000, 1},
                 {'m', 1, 1},       {'u', 1, 1000},  {'n', 1, 1000000}};
    uint64_t value = 0;
    if (text.len < 2 || !read_digits(span_make(text.at, text.len - 1), 8, &value))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (text.at[text.len - 1] != units[i].unit)
            continue;
        *ms = (value * units[i].times + units[i].parts - 1) / units[i].parts;
        if (*ms == 0)
            *ms = 1;
        return true;
    }
    return false;
}

/* --- how a call ends --- */

static const struct {
    const char *name;
    int http_status;
} codes[] = {
    [GRPC_OK] = {"ok", 200},
    [GRPC_CANCELLED] = {"canceled", 499},
    [GRPC_UNKNOWN] = {"unknown", 500},
    [GRPC_INVALID_ARGUMENT] = {"invalid_argument", 400},
    [GRPC_DEADLINE_EXCEEDED] = {"deadline_exceeded", 504},
    [GRPC_NOT_FOUND] = {"not_found", 404},
    [GRPC_ALREADY_EXISTS] = {"already_exists", 409},
    [GRPC_PERMISSION_DENIED] = {"permission_denied", 403},
    [GRPC_RESOURCE_EXHAUSTED] = {"resource_exhausted", 429},
    [GRPC_FAILED_PRECONDITION] = {"failed_precondition", 400},
    [GRPC_ABORTED] = {"aborted", 409},
    [GRPC_OUT_OF_RANGE] = {"out_of_range", 400},
    [GRPC_UNIMPLEMENTED] = {"unimplemented", 501},
    [GRPC_INTERNAL] = {"internal", 500},
    [GRPC_UNAVAILABLE] = {"unavailable", 503},
    [GRPC_DATA_LOSS] = {"data_loss", 500},
    [GRPC_UNAUTHENTICATED] = {"unauthenticated", 401},
};

const char *web_code_name(enum grpc_code code)
{
    must((unsigned)code < sizeof codes / sizeof codes[0]);
    return codes[code].name;
}

int web_http_status(const struct verdict *verdict)
{
    const struct verdict_row *row = verdict_row(verdict->code);
    switch (verdict->code) {
    case VERDICT_BAD_HTTP_METHOD:
    case VERDICT_BAD_MEDIA_TYPE:
        return row->http_status; /* what is wrong is HTTP's own, and has a status of its own */
    case VERDICT_NO_METHOD:
        return 404;
    default:
        return codes[row->grpc_code].http_status;
    }
}

/* Without padding, as the protocol has it. */
static void put_unpadded(struct buf *out, struct span bytes)
{
    base64_encode(out, (const uint8_t *)bytes.at, bytes.len);
    while (out->len > 0 && out->at[out->len - 1] == '=')
        out->len--;
}

void web_put_error(struct buf *out, const struct verdict *verdict, struct arena *arena)
{
    struct status_detail details[STATUS_DETAILS];
    size_t n = status_details(verdict, arena, details);
    buf_put_text(out, "{\"code\":\"");
    buf_put_text(out, web_code_name(verdict_row(verdict->code)->grpc_code));
    buf_put_text(out, "\",\"message\":");
    buf_put_json_string(out, status_message(verdict));
    for (size_t i = 0; i < n; i++) {
        buf_put_text(out, i == 0 ? ",\"details\":[{\"type\":\"" : ",{\"type\":\"");
        buf_put_text(out, details[i].type);
        buf_put_text(out, "\",\"value\":\"");
        put_unpadded(out, details[i].value);
        buf_put_text(out, "\"}");
    }
    buf_put_text(out, n > 0 ? "]}" : "}");
}

void web_put_trailer(struct buf *out, const char *name, struct span value)
{
    buf_put_text(out, name);
    buf_put_text(out, ": ");
    buf_put_span(out, value);
    buf_put_text(out, "\r\n");
}

static void put_percent(struct buf *out, struct span text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        const char escape[3] = {'%', hex[c >> 4], hex[c & 15]};
        if (c >= ' ' && c <= '~' && c != '%')
            buf_put_char(out, (char)c);
        else
            buf_put(out, escape, sizeof escape);
    }
}

void web_put_status(struct buf *out, const struct verdict *verdict, struct arena *arena)
{
    struct span message = status_message(verdict);
    struct span details = status_details_pack(verdict, arena);
    buf_put_text(out, "grpc-status: ");
    buf_put_u64(out, (uint64_t)verdict_row(verdict->code)->grpc_code);
    buf_put_text(out, "\r\n");
    if (message.len > 0) {
        buf_put_text(out, "grpc-message: ");
        put_percent(out, message);
        buf_put_text(out, "\r\n");
    }
    if (details.len > 0) {
        buf_put_text(out, "grpc-status-details-bin: ");
        put_unpadded(out, details);
        buf_put_text(out, "\r\n");
    }
}
