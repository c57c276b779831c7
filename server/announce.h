/* What the logs are told about the settings at start: which of them were set (a security event),
 * and a warning for each that an operator should have meant. Main thread, once the log runs. */
#ifndef WEIR_SERVER_ANNOUNCE_H
#define WEIR_SERVER_ANNOUNCE_H

#include "server/config.h"

void announce_settings(const struct config *config);

#endif
