/* The attempts of a call: each goes to one upstream, through its breaker and its pool of
 * connections; when one has failed, retry.h says what follows. Owner thread only; from the loop,
 * but for attempt_first. */
#ifndef WEIR_LLM_ATTEMPT_H
#define WEIR_LLM_ATTEMPT_H

#include "shared/llm/call.h"

enum { ATTEMPT_REQUEST_BYTES = 32 * 1024 * 1024, ATTEMPT_INBOX_BYTES = 256 * 1024 };

/* Begins the first one; reads the conversation. Never ends the call before it returns. */
void attempt_first(struct llm_call *call, const struct conversation *what);
/* The attempt under way is over. The call is gone or begins anew: the caller lets go of it. For
 * LLM_DONE call->result is filled in. */
void attempt_end(struct llm_call *call, enum llm_end end, const char *reason);
/* Leaves the breaker, if it was entered and not yet left. */
void attempt_leave(struct llm_call *call, enum breaker_outcome outcome);
/* Gives the connection back and starts those who wait for one. */
void attempt_release(struct llm_call *call);
/* What the call has come to, with what is estimated. */
void attempt_account(const struct llm_call *call, struct llm_account *account);

#endif
