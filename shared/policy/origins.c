#include "shared/policy/origins.h"

#include "shared/policy/hosts.h"

static const char separator[] = "://";
enum { SEPARATOR_BYTES = sizeof separator - 1 };

static bool has_upper(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] >= 'A' && text.at[i] <= 'Z')
            return true;
    return false;
}

/* Bytes of the scheme at the front (RFC 3986 section 3.1). */
static size_t scheme_bytes(struct span text)
{
    size_t len = 0;
    while (len < text.len && ((text.at[len] >= 'a' && text.at[len] <= 'z') ||
                              (len > 0 && text.at[len] >= '0' && text.at[len] <= '9') ||
                              (len > 0 && strchr("+-.", text.at[len]) != NULL)))
        len++;
    return len;
}

static bool is_origin(struct span text)
{
    size_t len = scheme_bytes(text);
    struct span rest = span_from(text, len);
    if (len == 0 || has_upper(text) || !span_starts_with(rest, separator))
        return false;
    struct span authority = span_from(rest, SEPARATOR_BYTES);
    struct span host = hosts_of_authority(authority);
    if (host.len == 0)
        return false;
    /* A dot at the end of the host, or a colon without a port, is nothing that a browser sends. */
    struct span port = span_from(authority, host.len);
    return port.len == 0 || (port.at[0] == ':' && port.len > 1);
}

bool origins_any(struct span list)
{
    return span_is(span_trim(list), "*");
}

bool origins_check(struct span list, struct span *bad)
{
    if (origins_any(list))
        return true;
    while (span_next_item(&list, bad))
        if (!is_origin(*bad))
            return false;
    return true;
}

bool origins_allow(struct span list, struct span origin)
{
    struct span item;
    if (origin.len == 0 || list.len == 0)
        return false;
    if (origins_any(list))
        return true;
    while (span_next_item(&list, &item))
        if (span_equal(item, origin))
            return true;
    return false;
}
