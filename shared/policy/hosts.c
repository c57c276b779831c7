#include "shared/policy/hosts.h"

enum { HOST_BYTES = 253, PORT_DIGITS = 5 };

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
}

static bool is_literal_byte(char c)
{
    return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') || c == ':' ||
           c == '.';
}

/* Bytes of the host at the front; 0: there is none. */
static size_t host_bytes(struct span authority)
{
    size_t len = 0;
    if (authority.len > 0 && authority.at[0] == '[') {
        for (len = 1; len < authority.len && is_literal_byte(authority.at[len]);)
            len++;
        return len > 1 && len < authority.len && authority.at[len] == ']' ? len + 1 : 0;
    }
    while (len < authority.len && is_name_byte(authority.at[len]))
        len++;
    return len > 0 && authority.at[0] != '.' ? len : 0;
}

static bool is_port(struct span text)
{
    if (text.len > PORT_DIGITS + 1 || text.at[0] != ':')
        return false;
    for (size_t i = 1; i < text.len; i++)
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
    return true; /* RFC 3986 allows an empty one */
}

struct span hosts_of_authority(struct span authority)
{
    size_t len = host_bytes(authority);
    struct span port = span_from(authority, len);
    if (len == 0 || len > HOST_BYTES + 1 || (port.len > 0 && !is_port(port)))
        return SPAN_EMPTY;
    if (len > 1 && authority.at[len - 1] == '.')
        len--;
    return span_make(authority.at, len);
}

static bool equal_nocase(struct span a, struct span b)
{
    return a.len == b.len && strncasecmp(a.at, b.at, a.len) == 0;
}

static bool matches(struct span item, struct span host)
{
    if (!span_starts_with(item, "*."))
        return equal_nocase(item, host);
    struct span suffix = span_from(item, 1); /* with its dot */
    return host.len > suffix.len && equal_nocase(suffix, span_from(host, host.len - suffix.len));
}

bool hosts_check(struct span list, struct span *bad)
{
    while (span_next_item(&list, bad)) {
        struct span name = span_starts_with(*bad, "*.") ? span_from(*bad, 2) : *bad;
        struct span host = hosts_of_authority(name);
        if (host.len == 0 || host.len != name.len || (name.at != bad->at && name.at[0] == '['))
            return false;
    }
    return true;
}

bool hosts_allow(struct span list, struct span authority)
{
    struct span host = hosts_of_authority(authority), item;
    if (list.len == 0 || host.len == 0)
        return host.len > 0;
    while (span_next_item(&list, &item))
        if (matches(item, host))
            return true;
    return false;
}
