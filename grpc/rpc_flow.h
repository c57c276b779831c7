/* The contract's methods: rpc_call <-> struct request. The handler is static and constant; its
 * functions are called as rpc_call.h says, on the thread of the call's worker. */
#ifndef WEIR_GRPC_RPC_FLOW_H
#define WEIR_GRPC_RPC_FLOW_H

struct rpc_handler;

/* For methods of the contract, and for all that is not registered (answered VERDICT_NO_METHOD). */
extern const struct rpc_handler rpc_flow_handler;

#endif
