#include "rest/rest_framing.h"

#include <stdint.h>

struct head {
    unsigned hosts, lengths, encodings, headers;
    bool chunked;
    bool http10;
};

static enum verdict_code refuse(struct span *detail, const char *text)
{
    *detail = span_of(text);
    return VERDICT_MALFORMED;
}

/* The line at *at, without its CRLF; moves *at behind it. False: bare LF or CR, or no end. */
static bool next_line(struct span bytes, size_t *at, struct span *line)
{
    const char *start = bytes.at + *at;
    const char *end = memchr(start, '\n', bytes.len - *at);
    if (end == NULL || end == start || end[-1] != '\r')
        return false;
    *line = span_make(start, (size_t)(end - start) - 1);
    *at = (size_t)(end - bytes.at) + 1;
    return memchr(line->at, '\r', line->len) == NULL;
}

/* method SP target SP HTTP/1.x, with an origin-form target (or "*"). */
static enum verdict_code check_request_line(struct span line, struct head *head,
                                            struct span *detail)
{
    const char *first = memchr(line.at, ' ', line.len);
    if (first == NULL || first == line.at)
        return refuse(detail, "The request line is malformed.");
    struct span rest = span_from(line, (size_t)(first - line.at) + 1);
    const char *second = memchr(rest.at, ' ', rest.len);
    if (second == NULL || second == rest.at ||
        (rest.at[0] != '/' && !(rest.at[0] == '*' && second == rest.at + 1)))
        return refuse(detail, "The request target has to begin with a slash.");
    struct span version = span_from(rest, (size_t)(second - rest.at) + 1);
    head->http10 = span_is(version, "HTTP/1.0");
    if (head->http10 || span_is(version, "HTTP/1.1"))
        return VERDICT_OK;
    *detail = SPAN_EMPTY;
    return span_starts_with(version, "HTTP/") ? VERDICT_HTTP_VERSION
                                              : refuse(detail, "The request line is malformed.");
}

static enum verdict_code check_header(struct span line, struct head *head, struct span *detail)
{
    const char *colon = memchr(line.at, ':', line.len);
    if (line.at[0] == ' ' || line.at[0] == '\t')
        return refuse(detail, "A header is folded over two lines.");
    if (colon == NULL || colon == line.at || colon[-1] == ' ' || colon[-1] == '\t')
        return refuse(detail, "A header has no proper name.");
    struct span name = span_make(line.at, (size_t)(colon - line.at));
    struct span value = span_trim(span_from(line, name.len + 1));
    head->headers++;
    if (span_is_nocase(name, "host")) {
        head->hosts++;
        if (value.len == 0)
            return refuse(detail, "The Host header is empty.");
    } else if (span_is_nocase(name, "content-length")) {
        head->lengths++;
    } else if (span_is_nocase(name, "transfer-encoding")) {
        head->encodings++;
        head->chunked = span_is_nocase(value, "chunked");
    }
    return VERDICT_OK;
}

static enum verdict_code check_whole(const struct head *head, struct span *detail)
{
    if (head->headers > FRAMING_HEADERS) {
        *detail = SPAN_EMPTY;
        return VERDICT_HEADERS_TOO_LARGE;
    }
    if (head->hosts > 1 || (head->hosts == 0 && !head->http10))
        return refuse(detail, "There has to be exactly one Host header.");
    if (head->lengths > 1)
        return refuse(detail, "There is more than one Content-Length.");
    if (head->encodings > 0 && head->lengths > 0)
        return refuse(detail, "Content-Length and Transfer-Encoding exclude each other.");
    if (head->encodings > 1 || (head->encodings == 1 && (!head->chunked || head->http10)))
        return refuse(detail, "The only Transfer-Encoding is chunked, once, in HTTP/1.1.");
    return VERDICT_OK;
}

enum verdict_code framing_check(struct span bytes, struct span *detail)
{
    struct head head = {0};
    struct span line;
    size_t at = 0;
    bool longer = bytes.len > FRAMING_HEAD_BYTES;
    if (longer)
        bytes.len = FRAMING_HEAD_BYTES;
    *detail = SPAN_EMPTY;
    for (bool first = true;; first = false) {
        if (memchr(bytes.at + at, '\n', bytes.len - at) == NULL)
            return longer ? VERDICT_HEADERS_TOO_LARGE
                          : refuse(detail, "The head of the request does not end.");
        if (!next_line(bytes, &at, &line))
            return refuse(detail, "Lines have to end in CRLF.");
        if (line.len == 0 && !first)
            return check_whole(&head, detail);
        enum verdict_code code = first && line.len == 0
                                     ? refuse(detail, "There is an empty line before the request.")
                                 : first ? check_request_line(line, &head, detail)
                                         : check_header(line, &head, detail);
        if (code != VERDICT_OK)
            return code;
    }
}

/* RFC 9110 section 5.6.2. */
static bool is_token(struct span text)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && memchr(others, c, sizeof others - 1) == NULL)
            return false;
    }
    return text.len > 0;
}

static bool is_target(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] <= ' ' || text.at[i] == 0x7f)
            return false;
    return text.len > 0 && (text.at[0] == '/' || span_is(text, "*"));
}

enum verdict_code framing_check_decoded(const struct framing_head *head, struct span *detail)
{
    *detail = SPAN_EMPTY;
    if (head->fields > FRAMING_HEADERS || head->bytes > FRAMING_HEAD_BYTES)
        return VERDICT_HEADERS_TOO_LARGE;
    if (!is_token(head->method))
        return refuse(detail, "The method is malformed.");
    if (!is_target(head->target))
        return refuse(detail, "The request target has to begin with a slash.");
    if (head->authority.len == 0)
        return refuse(detail, "There has to be an :authority.");
    if (head->has_nameless)
        return refuse(detail, "A header has no proper name.");
    if (head->has_connection_field)
        return refuse(detail, "Over HTTP/2 no header may be about the connection.");
    return VERDICT_OK;
}
