/* The life of the process between its settings and its exit code: bind, start, serve, drain. */
#ifndef WEIR_SERVER_LIFECYCLE_H
#define WEIR_SERVER_LIFECYCLE_H

#include "server/config.h"
#include "shared/flow/contract.h"

/* Serves until SIGTERM or SIGINT and returns the exit code: 0 after a drain, 1 when it could not
 * start (the reason is logged). A second signal ends the process at once. Once, from main, with
 * both signals blocked, for the threads that it starts; it unblocks them for its own. */
int lifecycle_run(const struct config *config, const struct contract *contract);

#endif
