#include "shared/policy/client_address.h"

bool client_address_is_proxy(const struct client_address_policy *policy, const struct peer *socket)
{
    return policy->hops > 0 || cidr_list_has(&policy->proxies, socket);
}

static bool is_port(struct span text)
{
    if (text.len == 0 || text.len > 5)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
    return true;
}

/* "192.0.2.7", "192.0.2.7:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80". */
static bool read_entry(struct span entry, struct peer *peer)
{
    if (entry.len > 0 && entry.at[0] == '[') {
        const char *end = memchr(entry.at, ']', entry.len);
        if (end == NULL)
            return false;
        struct span inside = span_make(entry.at + 1, (size_t)(end - entry.at) - 1);
        struct span rest = span_from(entry, inside.len + 2);
        if (memchr(entry.at, ':', inside.len + 1) == NULL) /* brackets are for IPv6 */
            return false;
        return (rest.len == 0 || (rest.at[0] == ':' && is_port(span_from(rest, 1)))) &&
               cidr_read_address(inside, peer);
    }
    const char *colon = entry.len > 0 ? memchr(entry.at, ':', entry.len) : NULL;
    const char *last = entry.len > 0 ? memrchr(entry.at, ':', entry.len) : NULL;
    if (colon == NULL || colon != last)
        return cidr_read_address(entry, peer);
    struct span address = span_make(entry.at, (size_t)(colon - entry.at));
    return is_port(span_from(entry, address.len + 1)) && cidr_read_address(address, peer);
}

/* Takes the right-most entry off the value. False: it had none left. */
static bool take_last(struct span *value, struct span *entry)
{
    if (value->at == NULL)
        return false;
    const char *comma = value->len > 0 ? memrchr(value->at, ',', value->len) : NULL;
    size_t from = comma != NULL ? (size_t)(comma - value->at) + 1 : 0;
    *entry = span_trim(span_from(*value, from));
    *value = comma != NULL ? span_make(value->at, from - 1) : SPAN_EMPTY;
    return true;
}

struct peer client_address(const struct client_address_policy *policy, const struct peer *socket,
                           const struct span *values, size_t n)
{
    struct peer found = *socket;
    unsigned seen = 0;
    if (n > CLIENT_ADDRESS_VALUES || !client_address_is_proxy(policy, socket))
        return *socket;
    for (size_t i = n; i > 0; i--) {
        struct span value = values[i - 1], entry;
        while (take_last(&value, &entry)) {
            struct peer peer;
            if (!read_entry(entry, &peer))
                return *socket;
            found = peer;
            seen++;
            bool is_client =
                policy->hops > 0 ? seen == policy->hops : !cidr_list_has(&policy->proxies, &peer);
            if (is_client)
                return found;
        }
    }
    /* All of the list is ours: the client is the first of it. By count: it is too short to believe.
     */
    return policy->hops > 0 ? *socket : found;
}
