/* How a request ends: the row of verdict.def and what this one request adds to it. By value; its
 * texts live as long as the request. Pure; any thread. */
#ifndef WEIR_VERDICT_H
#define WEIR_VERDICT_H

#include "shared/base/log.h"
#include "shared/base/span.h"

#include <stddef.h>
#include <stdint.h>

/* gRPC status codes (google.rpc.Code), by value. They carry a prefix of ours because the C core's
 * header, which only grpc/ may include, owns the plain names. */
enum grpc_code {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_ABORTED = 10,
    GRPC_OUT_OF_RANGE = 11,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
    GRPC_UNAUTHENTICATED = 16
};

enum verdict_code {
#define VERDICT(id, http, grpc, title, detail, level, breaker) VERDICT_##id,
#include "shared/verdict.def"
#undef VERDICT
    VERDICT_COUNT
};

enum verdict_blame { VERDICT_GOOD, VERDICT_BAD, VERDICT_NEUTRAL };

/* A row of the table; static storage. */
struct verdict_row {
    const char *name; /* "TOO_LARGE" */
    int http_status;
    enum grpc_code grpc_code;
    const char *title;
    const char *detail; /* a sentence for the caller, used when the request has none of its own */
    enum log_level level;
    enum verdict_blame blame;
};

/* One field that breaks one rule. The spans live as long as the request's arena. */
struct violation {
    struct span path;    /* "skills.strength", "abilities[2]", JSON names */
    struct span rule;    /* "string.max_len" */
    struct span message; /* a sentence for the caller */
};

/* By value; the spans live as long as the request's arena, or are static. */
struct verdict {
    enum verdict_code code;
    struct span detail; /* for the caller; empty: the row's */
    const struct violation *violations;
    size_t n_violations;
    uint64_t retry_after_ms; /* 0: not said */
};

const struct verdict_row *verdict_row(enum verdict_code code);
/* "INVALID_ARGUMENT" and so on. */
const char *grpc_code_name(enum grpc_code code);

static inline struct verdict verdict_of(enum verdict_code code)
{
    return (struct verdict){.code = code};
}

static inline struct span verdict_detail(const struct verdict *verdict)
{
    return verdict->detail.len > 0 ? verdict->detail : span_of(verdict_row(verdict->code)->detail);
}

#endif
