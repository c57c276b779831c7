/* Sets the core's authenticator up from the settings and starts what keeps its keys current. Main
 * thread. */
#ifndef WEIR_SERVER_AUTHENTICATION_H
#define WEIR_SERVER_AUTHENTICATION_H

#include "server/config.h"
#include "server/keeper.h"
#include "shared/pipeline/core.h"

/* Between core_init and the first worker, after llm_global_init. The result may be NULL without an
 * error: there are no keys to keep. False: `error` says what cannot be used. */
MUST_USE bool authentication_start(const struct config *config, struct core *core,
                                   struct keeper **keeper, char error[256]);
/* What an operator should know about the settings, as log lines. */
void authentication_log_warnings(const struct config *config);

#endif
