/* grpc.health.v1 over struct readiness: never limited, not logged, no part of the pipeline.
 *
 * Protocol: grpc/health/v1/health.proto and doc/health-checking.md of gRPC. Known services are ""
 * (the whole server) and those of the contract. The handlers are static and constant; their
 * functions are called as rpc_call.h says, on the thread of the call's worker. */
#ifndef WEIR_GRPC_RPC_HEALTH_H
#define WEIR_GRPC_RPC_HEALTH_H

struct rpc_handler;

enum { RPC_HEALTH_WATCHES = 1000 }; /* at once, in the process */

extern const char rpc_health_check_path[];
extern const char rpc_health_watch_path[];
extern const struct rpc_handler rpc_health_check_handler;
extern const struct rpc_handler rpc_health_watch_handler;

#endif
