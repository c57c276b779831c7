/* A verdict as gRPC says it: code, message, and google.rpc details. Pure; any thread.
 *
 * What goes into trailing metadata is bounded: clients refuse trailers of more than 8 KB as a whole
 * (the default of the C core and others), and would then not even see the code. */
#ifndef WEIR_GRPC_RPC_STATUS_H
#define WEIR_GRPC_RPC_STATUS_H

#include "shared/base/arena.h"
#include "shared/verdict.h"

enum { RPC_STATUS_MESSAGE_BYTES = 1024, RPC_STATUS_DETAILS_BYTES = 4096 };

/* The text for grpc-message: the verdict's detail, cut to RPC_STATUS_MESSAGE_BYTES at a character's
 * end; empty for VERDICT_OK. Lives as long as the verdict's spans. */
struct span rpc_status_message(const struct verdict *verdict);

/* The value of grpc-status-details-bin: a google.rpc.Status with a BadRequest for violations and a
 * RetryInfo for a time to come back (google/rpc/status.proto, error_details.proto). Violations that
 * would pass RPC_STATUS_DETAILS_BYTES are left out from the first that does not fit. In `arena`;
 * empty when there is neither. */
struct span rpc_status_details(const struct verdict *verdict, struct arena *arena);

#endif
