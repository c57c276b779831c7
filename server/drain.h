/* How the time of a drain is divided (D1). Pure.
 *
 *   0 ......... cut .............. sever ........ fail
 *     work ends     who is not done      sockets are    the process gives
 *     by itself     is told so           closed         up with an error
 *
 * All in milliseconds since the signal. The last part of SHUTDOWN_GRACE is kept for the telling, so
 * that a process with the default grace of 10 s is gone within these 10 s. */
#ifndef WEIR_SERVER_DRAIN_H
#define WEIR_SERVER_DRAIN_H

#include <stdint.h>

struct drain_plan {
    uint64_t cut_ms;
    uint64_t sever_ms;
    uint64_t fail_ms;
};

struct drain_plan drain_plan_of(uint64_t grace_ms);

#endif
