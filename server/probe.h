/* `weir --health`: asks the weir of the same settings, on this machine, whether it lives. For
 * containers, which have no curl. Blocking; main thread, in a process of its own. */
#ifndef WEIR_SERVER_PROBE_H
#define WEIR_SERVER_PROBE_H

#include "server/config.h"

/* The exit code: 0 when GET /health was answered with 200 within two seconds, else 1 and a line on
 * stderr that says why. Where clients need certificates, of which this has none, the TLS handshake
 * is the answer. */
int probe_run(const struct config *config);

#endif
