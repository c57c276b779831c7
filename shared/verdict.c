#include "shared/verdict.h"

#include "shared/base/must.h"

static const struct verdict_row rows[VERDICT_COUNT] = {
#define VERDICT(id, http, grpc, title, detail, level, breaker)                                     \
    [VERDICT_##id] = {#id, http, grpc, title, detail, level, VERDICT_##breaker},
#include "shared/verdict.def"
#undef VERDICT
};

const struct verdict_row *verdict_row(enum verdict_code code)
{
    must((unsigned)code < VERDICT_COUNT);
    return &rows[code];
}

const char *grpc_code_name(enum grpc_code code)
{
    static const char *const names[] = {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    };
    must((unsigned)code < sizeof names / sizeof names[0]);
    return names[code];
}
