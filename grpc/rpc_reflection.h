/* grpc.reflection.v1 and v1alpha: what can be called here, for grpcurl and its like. Debug builds
 * with --debug only (S2, S3); not of the pipeline, not logged.
 *
 * Protocol: grpc/reflection/v1/reflection.proto and doc/server-reflection.md of gRPC. The handlers
 * are static and constant; their functions are called as rpc_call.h says, on the thread of the
 * call's worker. */
#ifndef WEIR_GRPC_RPC_REFLECTION_H
#define WEIR_GRPC_RPC_REFLECTION_H

struct rpc_handler;

#ifdef WEIR_DEBUG_SURFACE
enum { RPC_REFLECTION_METHODS = 2 };
#else
enum { RPC_REFLECTION_METHODS = 0 };
#endif
enum { RPC_REFLECTION_STREAMS = 100 }; /* at once, in the process */

/* For methods whose listener has descriptors. */
extern const char *const rpc_reflection_paths[];
extern const struct rpc_handler rpc_reflection_handler;

#endif
