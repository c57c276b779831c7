#include "shared/policy/identity.h"

const char *identity_kind_name(enum identity_kind kind)
{
    static const char *const names[] = {
        [IDENTITY_NONE] = "none",
        [IDENTITY_TOKEN] = "token",
        [IDENTITY_API_KEY] = "api_key",
        [IDENTITY_CERTIFICATE] = "certificate",
    };
    return names[kind];
}
