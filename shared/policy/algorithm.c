#include "shared/policy/algorithm.h"

static const char *const names[ALGORITHM_COUNT] = {
    [ALGORITHM_RS256] = "RS256", [ALGORITHM_ES256] = "ES256", [ALGORITHM_PS256] = "PS256",
    [ALGORITHM_EDDSA] = "EdDSA", [ALGORITHM_HS256] = "HS256",
};

enum algorithm algorithm_find(struct span name)
{
    unsigned i = 0;
    while (i < ALGORITHM_COUNT && !span_is(name, names[i]))
        i++;
    return (enum algorithm)i;
}

bool algorithm_set_parse(struct span text, algorithm_set *set, struct span *bad)
{
    bool more = true;
    *set = 0;
    while (more) {
        const char *comma = text.len > 0 ? memchr(text.at, ',', text.len) : NULL;
        size_t len = comma != NULL ? (size_t)(comma - text.at) : text.len;
        struct span item = span_trim(span_make(text.at, len));
        enum algorithm algorithm = algorithm_find(item);
        *bad = item;
        if (algorithm == ALGORITHM_COUNT || (*set & algorithm_bit(algorithm)) != 0)
            return false;
        *set |= algorithm_bit(algorithm);
        more = comma != NULL;
        text = more ? span_from(text, len + 1) : SPAN_EMPTY;
    }
    return true;
}
