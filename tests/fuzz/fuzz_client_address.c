/* A list of ranges (the first line) and X-Forwarded-For values (the others): whatever they hold, a
 * client cannot talk himself into another address by what he puts in front of the list. */
#include "shared/base/buf.h"
#include "shared/policy/client_address.h"
#include "tests/support/exact.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_VALUES = 8 };

/* The list with an address in front that the client made up. */
static struct span forge(struct span list)
{
    struct buf longer;
    buf_init(&longer, NULL, SIZE_MAX / 4);
    buf_put_text(&longer, "6.6.6.6, ");
    buf_put_span(&longer, list);
    struct span forged = exact_copy(buf_span(&longer));
    buf_fini(&longer);
    return forged;
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
    values[0] = forge(first);
    struct peer forged = client_address(policy, &socket, values, n);
    /* Only where all of the list is ours does it begin with what he wrote. */
    struct peer claimed = {.address = {[10] = 0xff, 0xff, 6, 6, 6, 6}};
    must(same(&forged, &client) || (same(&forged, &claimed) && policy->hops != 1));
    exact_free(values[0]);
    values[0] = first;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = span_make((const char *)data, size), wrong, values[MOST_VALUES];
    struct client_address_policy policy = {.hops = 0};
    struct span ranges = exact_copy(next_line(&rest));
    size_t n = 0;
    while (n < MOST_VALUES && rest.len > 0)
        values[n++] = exact_copy(next_line(&rest));
    bool fine = cidr_list_parse(ranges, &policy.proxies, &wrong);
    must(fine == cidr_list_parse(ranges, NULL, &wrong));
    must(fine || policy.proxies.n == 0);
    check(&policy, values, n);
    cidr_list_free(&policy.proxies);
    policy.hops = size % 4;
    check(&policy, values, n);
    for (size_t i = 0; i < n; i++)
        exact_free(values[i]);
    exact_free(ranges);
    return 0;
}
