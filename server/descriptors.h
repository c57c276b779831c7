/* How many connections the process can hold: the setting, or what its descriptors allow (N1). */
#ifndef WEIR_SERVER_DESCRIPTORS_H
#define WEIR_SERVER_DESCRIPTORS_H

#include "server/config.h"

#include <stddef.h>

/* Raises the descriptor limit to the most that is allowed and returns MAX_CONNECTIONS, or less,
 * with a warning in the log, where the limit does not carry that many. Once, main thread. */
size_t descriptors_connections(const struct config *config);

#endif
