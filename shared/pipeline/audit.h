/* Security events about one request (O3), as log lines of the logger "audit": who, from where, what
 * and, in one word, why. Never the credential itself. Owner thread only. */
#ifndef WEIR_PIPELINE_AUDIT_H
#define WEIR_PIPELINE_AUDIT_H

#include "shared/request.h"

/* `event` and `reason` are constant words, such as "auth_failed" and "signature"; reason NULL: none
 * is needed. */
void audit_log(const struct request *request, enum log_level level, const char *event,
               const char *reason);

#endif
