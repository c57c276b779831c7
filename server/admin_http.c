#include "server/admin_http.h"

static struct span next_line(struct span *head)
{
    const char *end = memchr(head->at, '\r', head->len);
    size_t len = end != NULL ? (size_t)(end - head->at) : head->len;
    struct span line = span_make(head->at, len);
    *head = span_from(*head, len + 2 <= head->len ? len + 2 : head->len);
    return line;
}

/* The word at the front of *line, which is moved behind the space after it. */
static struct span next_word(struct span *line)
{
    const char *space = memchr(line->at, ' ', line->len);
    size_t len = space != NULL ? (size_t)(space - line->at) : line->len;
    struct span word = span_make(line->at, len);
    *line = span_from(*line, space != NULL ? len + 1 : len);
    return word;
}

static bool read_request_line(struct span line, struct admin_request *request)
{
    request->method = next_word(&line);
    struct span target = next_word(&line);
    const char *query = target.len > 0 ? memchr(target.at, '?', target.len) : NULL;
    request->path = span_make(target.at, query != NULL ? (size_t)(query - target.at) : target.len);
    return request->method.len > 0 && span_starts_with(request->path, "/") &&
           (span_is(line, "HTTP/1.1") || span_is(line, "HTTP/1.0"));
}

static bool prefers_openmetrics(struct span accept)
{
    struct span item;
    while (span_next_item(&accept, &item))
        if (span_starts_with(item, "application/openmetrics-text"))
            return true;
    return false;
}

static bool read_header(struct span line, struct admin_request *request)
{
    const char *colon = memchr(line.at, ':', line.len);
    if (colon == NULL || colon == line.at || line.at[0] == ' ' || line.at[0] == '\t')
        return false;
    struct span name = span_make(line.at, (size_t)(colon - line.at));
    struct span value = span_trim(span_from(line, name.len + 1));
    if (span_is_nocase(name, "host")) {
        if (request->host.len > 0)
            return false;
        request->host = value;
    } else if (span_is_nocase(name, "accept")) {
        request->openmetrics = prefers_openmetrics(value);
    } else if (span_is_nocase(name, "transfer-encoding") ||
               (span_is_nocase(name, "content-length") && !span_is(value, "0"))) {
        return false;
    }
    return true;
}

enum admin_reading admin_http_read(struct span bytes, struct admin_request *request)
{
    static const char end_of_head[] = "\r\n\r\n";
    *request = (struct admin_request){.openmetrics = false};
    const char *end =
        bytes.len > 0 ? memmem(bytes.at, bytes.len, end_of_head, sizeof end_of_head - 1) : NULL;
    if (end == NULL)
        return bytes.len >= ADMIN_HEAD_BYTES ? ADMIN_BAD : ADMIN_MORE;
    struct span head = span_make(bytes.at, (size_t)(end - bytes.at));
    if (!read_request_line(next_line(&head), request))
        return ADMIN_BAD;
    while (head.len > 0)
        if (!read_header(next_line(&head), request))
            return ADMIN_BAD;
    return ADMIN_WHOLE;
}

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    default:
        return "Service Unavailable";
    }
}

void admin_http_write(struct buf *out, int status, const char *type, struct span body, bool head)
{
    buf_printf(out, "HTTP/1.1 %d %s\r\n", status, reason_of(status));
    buf_printf(out, "content-type: %s\r\ncontent-length: %zu\r\n", type, body.len);
    if (status == 405)
        buf_put_text(out, "allow: GET, HEAD\r\n");
    buf_put_text(out, "cache-control: no-store\r\nx-content-type-options: nosniff\r\n"
                      "connection: close\r\n\r\n");
    if (!head)
        buf_put_span(out, body);
}
