#include "shared/flow/uri.h"

#include <ctype.h>

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool is_hex(struct span text, size_t i)
{
    return i < text.len && isxdigit((unsigned char)text.at[i]) != 0;
}

/* Nothing but alphanumerics, `others` and percent-encoded bytes. */
static bool is_made_of(struct span text, const char *others)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '%') {
            if (!is_hex(text, i + 1) || !is_hex(text, i + 2))
                return false;
        } else if (!is_alnum(text.at[i]) && !is_one_of(text.at[i], others)) {
            return false;
        }
    }
    return true;
}

/* Bytes before the first of `stops`, or all. */
static size_t up_to(struct span text, const char *stops)
{
    size_t i = 0;
    while (i < text.len && !is_one_of(text.at[i], stops))
        i++;
    return i;
}

static bool is_port(struct span text)
{
    unsigned port = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        port = port * 10 + (unsigned)(text.at[i] - '0');
        if (port > 65535)
            return false;
    }
    return true;
}

/* [user@]host[:port] */
static bool is_authority(struct span text)
{
    size_t user = up_to(text, "@");
    if (user < text.len) {
        if (!is_made_of(span_make(text.at, user), "-._~!$&'()*+,;=:"))
            return false;
        text = span_from(text, user + 1);
    }
    size_t host = up_to(text, ":");
    if (text.len > 0 && text.at[0] == '[') {
        host = up_to(text, "]");
        struct span inside = span_make(text.at + 1, host - 1);
        if (host == text.len || inside.len < 2 ||
            strspn(inside.at, "0123456789abcdefABCDEF:.") < inside.len ||
            up_to(inside, ":") == inside.len)
            return false;
        host++;
    } else if (!is_made_of(span_make(text.at, host), "-._~!$&'()*+,;=")) {
        return false;
    }
    struct span rest = span_from(text, host);
    return host > 0 && (rest.len == 0 || (rest.at[0] == ':' && is_port(span_from(rest, 1))));
}

bool uri_is_http(struct span text)
{
    size_t scheme = up_to(text, ":");
    struct span name = span_make(text.at, scheme);
    if (!span_is_nocase(name, "http") && !span_is_nocase(name, "https"))
        return false;
    struct span rest = span_from(text, scheme);
    if (!span_starts_with(rest, "://"))
        return false;
    rest = span_from(rest, 3);
    size_t authority = up_to(rest, "/?#");
    if (!is_authority(span_make(rest.at, authority)))
        return false;
    rest = span_from(rest, authority);
    size_t path = up_to(rest, "#");
    return is_made_of(span_make(rest.at, path), "-._~!$&'()*+,;=:@/?") &&
           is_made_of(span_from(rest, path < rest.len ? path + 1 : path), "-._~!$&'()*+,;=:@/?");
}
