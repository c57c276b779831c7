/* Who a caller is, once its credential has been verified.
 *
 * "Not authenticated" is a kind of its own: an identity whose kind is IDENTITY_NONE names nobody,
 * and code that needs somebody asks identity_is_known, never whether a text is empty. By value; the
 * spans live as long as the request that carries it, and a NUL follows the last byte of each that
 * is not empty. */
#ifndef WEIR_POLICY_IDENTITY_H
#define WEIR_POLICY_IDENTITY_H

#include "shared/base/span.h"

#include <stdbool.h>
#include <stdint.h>

enum identity_kind {
    IDENTITY_NONE, /* nobody was authenticated */
    IDENTITY_TOKEN,
    IDENTITY_API_KEY,
    IDENTITY_CERTIFICATE
};

struct identity {
    enum identity_kind kind;
    struct span tenant;  /* the token's claim "tenant", else the subject; never empty when known */
    struct span subject; /* the token's "sub", the API key's id, the certificate's name */
    struct span scopes;  /* separated by single spaces */
    /* The API key's own limit: so many requests in so long; 0: the one of its class. */
    uint64_t limit_count;
    uint64_t limit_period_ms;
};

/* "token" and so on, for logs. */
const char *identity_kind_name(enum identity_kind kind);

static inline bool identity_is_known(const struct identity *identity)
{
    return identity->kind != IDENTITY_NONE;
}

#endif
