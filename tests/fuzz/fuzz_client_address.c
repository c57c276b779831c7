/* A list of ranges (the first line) and X-Forwarded-For values (the others): whatever they hold, a
 * client cannot talk himself into another address by what he puts in front of the list. */
#include "shared/policy/client_address.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_VALUES = 8 };

/* Alone on the heap, so that a sanitizer sees a read past its end. */
static struct span copy(const char *prefix, struct span text)
{
    size_t len = strlen(prefix);
    char *at = malloc(len + text.len + 1);
    must(at != NULL);
    memcpy(at, prefix, len);
    if (text.len > 0)
        memcpy(at + len, text.at, text.len);
    return span_make(at, len + text.len);
}

static struct span next_line(struct span *rest)
{
    const char *end = rest->len > 0 ? memchr(rest->at, '\n', rest->len) : NULL;
    struct span line = span_make(rest->at, end != NULL ? (size_t)(end - rest->at) : rest->len);
    *rest = end != NULL ? span_from(*rest, line.len + 1) : SPAN_EMPTY;
    return line;
}

static bool same(const struct peer *a, const struct peer *b)
{
    return memcmp(a->address, b->address, sizeof a->address) == 0;
}

static void check(const struct client_address_policy *policy, struct span *values, size_t n)
{
    struct peer socket = {.address = {[10] = 0xff, 0xff, 10, 0, 0, 1}, .port = 4711};
    struct peer client = client_address(policy, &socket, values, n);
    if (!client_address_is_proxy(policy, &socket))
        must(same(&client, &socket));
    if (n == 0)
        return;
    struct span first = values[0];
    values[0] = copy("6.6.6.6, ", first);
    struct peer forged = client_address(policy, &socket, values, n);
    /* Only where all of the list is ours does it begin with what he wrote. */
    struct peer claimed = {.address = {[10] = 0xff, 0xff, 6, 6, 6, 6}};
    must(same(&forged, &client) || (same(&forged, &claimed) && policy->hops != 1));
    free((char *)(uintptr_t)values[0].at);
    values[0] = first;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = span_make((const char *)data, size), wrong, values[MOST_VALUES];
    struct client_address_policy policy = {.hops = 0};
    struct span ranges = copy("", next_line(&rest));
    size_t n = 0;
    while (n < MOST_VALUES && rest.len > 0)
        values[n++] = copy("", next_line(&rest));
    bool fine = cidr_list_parse(ranges, &policy.proxies, &wrong);
    must(fine == cidr_list_parse(ranges, NULL, &wrong));
    must(fine || policy.proxies.n == 0);
    check(&policy, values, n);
    cidr_list_free(&policy.proxies);
    policy.hops = size % 4;
    check(&policy, values, n);
    for (size_t i = 0; i < n; i++)
        free((char *)(uintptr_t)values[i].at);
    free((char *)(uintptr_t)ranges.at);
    return 0;
}
