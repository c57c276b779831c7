/* A verdict as gRPC and its kin say it: a message, and google.rpc details. Pure; any thread.
 *
 * What goes into trailing metadata is bounded: clients refuse trailers of more than 8 KB as a whole
 * (the default of the C core and others), and would then not even see the code.
 *
 * Source: google/rpc/status.proto, google/rpc/error_details.proto. */
#ifndef WEIR_PIPELINE_STATUS_DETAILS_H
#define WEIR_PIPELINE_STATUS_DETAILS_H

#include "shared/base/arena.h"
#include "shared/verdict.h"

enum {
    STATUS_MESSAGE_BYTES = 1024,
    STATUS_DETAILS_BYTES = 4096,
    STATUS_DETAILS = 2 /* at most: what is wrong, and when to come back */
};

struct status_detail {
    const char *type;  /* "google.rpc.RetryInfo"; static */
    struct span value; /* protobuf; in the arena */
};

/* The text for grpc-message: the verdict's detail, cut to STATUS_MESSAGE_BYTES at a character's
 * end; empty for VERDICT_OK. Lives as long as the verdict's spans. */
struct span status_message(const struct verdict *verdict);

/* A BadRequest for violations and a RetryInfo for a time to come back; returns how many there are.
 * Violations that would pass STATUS_DETAILS_BYTES are left out from the first that does not fit. */
size_t status_details(const struct verdict *verdict, struct arena *arena,
                      struct status_detail details[STATUS_DETAILS]);

/* The value of grpc-status-details-bin: a google.rpc.Status with these, in `arena`, of
 * STATUS_DETAILS_BYTES at most; empty when there are none. */
struct span status_details_pack(const struct verdict *verdict, struct arena *arena);

#endif
