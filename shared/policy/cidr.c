#include "shared/policy/cidr.h"

#include <arpa/inet.h>
#include <stdlib.h>

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool cidr_read_address(struct span text, struct peer *peer)
{
    char copy[INET6_ADDRSTRLEN];
    struct peer read = {{0}, 0};
    if (text.len == 0 || text.len >= sizeof copy || memchr(text.at, '\0', text.len) != NULL)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, read.address + 12) == 1)
        memcpy(read.address, v4_prefix, sizeof v4_prefix);
    else if (inet_pton(AF_INET6, copy, read.address) != 1)
        return false;
    *peer = read;
    return true;
}

/* Decimal digits without a leading zero, at most `most`. */
static bool read_bits(struct span text, unsigned most, unsigned *bits)
{
    unsigned value = 0;
    if (text.len == 0 || text.len > 3 || (text.len > 1 && text.at[0] == '0'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text.at[i] - '0');
    }
    *bits = value;
    return value <= most;
}

static bool read_range(struct span text, struct cidr *range)
{
    const char *slash = text.len > 0 ? memchr(text.at, '/', text.len) : NULL;
    struct span address = slash != NULL ? span_make(text.at, (size_t)(slash - text.at)) : text;
    struct peer peer;
    unsigned bits = 128;
    if (!cidr_read_address(address, &peer))
        return false;
    bool v4 = memchr(address.at, ':', address.len) == NULL;
    if (slash != NULL) {
        if (!read_bits(span_from(text, address.len + 1), v4 ? 32 : 128, &bits))
            return false;
        if (v4)
            bits += 96;
    }
    memcpy(range->address, peer.address, sizeof range->address);
    range->bits = (uint8_t)bits;
    return true;
}

static struct span next_item(struct span *rest)
{
    const char *comma = memchr(rest->at, ',', rest->len);
    struct span item = span_make(rest->at, comma != NULL ? (size_t)(comma - rest->at) : rest->len);
    *rest = comma != NULL ? span_from(*rest, item.len + 1) : SPAN_EMPTY;
    return span_trim(item);
}

bool cidr_list_parse(struct span text, struct cidr_list *list, struct span *wrong)
{
    struct cidr_list parsed = {NULL, 0};
    text = span_trim(text);
    for (bool more = text.len > 0; more;) {
        bool comma = memchr(text.at, ',', text.len) != NULL;
        struct cidr range;
        *wrong = next_item(&text);
        if (parsed.n == CIDR_MOST || !read_range(*wrong, &range)) {
            cidr_list_free(&parsed);
            if (list != NULL)
                *list = parsed;
            return false;
        }
        parsed.items = reallocarray(parsed.items, parsed.n + 1, sizeof range);
        must(parsed.items != NULL);
        parsed.items[parsed.n++] = range;
        more = comma;
        if (comma && text.len == 0)
            text = span_of(""); /* a comma at the end has an empty item behind it */
    }
    if (list != NULL)
        *list = parsed;
    else
        cidr_list_free(&parsed);
    return true;
}

void cidr_list_free(struct cidr_list *list)
{
    free(list->items);
    *list = (struct cidr_list){NULL, 0};
}

static bool holds(const struct cidr *range, const struct peer *peer)
{
    size_t bytes = range->bits / 8;
    unsigned rest = range->bits % 8;
    if (memcmp(range->address, peer->address, bytes) != 0)
        return false;
    return rest == 0 || (range->address[bytes] ^ peer->address[bytes]) >> (8 - rest) == 0;
}

bool cidr_list_has(const struct cidr_list *list, const struct peer *peer)
{
    for (size_t i = 0; i < list->n; i++)
        if (holds(&list->items[i], peer))
            return true;
    return false;
}
