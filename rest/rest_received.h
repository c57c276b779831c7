/* How many bytes a TCP connection has received so far, as the kernel counts them (tcp(7),
 * TCP_INFO): h2o tells of its last read only. Any thread; the socket stays the caller's. */
#ifndef WEIR_REST_REST_RECEIVED_H
#define WEIR_REST_REST_RECEIVED_H

#include <stdint.h>

/* 0 for a socket that is not TCP. */
uint64_t rest_received(int fd);

#endif
