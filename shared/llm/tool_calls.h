/* Calls of tools that a model's answer asks for: gathered from a whole message, or from the pieces
 * of a stream. Bounded. Pure; owner thread only. */
#ifndef WEIR_LLM_TOOL_CALLS_H
#define WEIR_LLM_TOOL_CALLS_H

#include "shared/base/buf.h"
#include "shared/base/must.h"
#include "shared/flow/conversation.h"

#include <stdint.h>

enum { TOOL_CALLS_MOST = 16, TOOL_CALLS_TEXT_BYTES = 128 * 1024, TOOL_CALLS_NAME_BYTES = 256 };

/* A call as far as it has been said. */
struct tool_draft {
    int64_t key; /* how the provider tells the calls of one message apart */
    struct buf name, id, arguments, echo;
};

struct tool_calls {
    struct span answer; /* where the whole answer is a call itself: that tool's name; static */
    struct tool_draft drafts[TOOL_CALLS_MOST];
    size_t n;
    bool overflow; /* too many calls, or too long */
    struct chat_part parts[TOOL_CALLS_MOST];
};

/* `answer` may be empty. */
MUST_USE struct tool_calls *tool_calls_new(struct span answer);
/* Accepts NULL; returns NULL. */
struct tool_calls *tool_calls_free(struct tool_calls *calls);
/* Forgets the calls; keeps `answer`. */
void tool_calls_clear(struct tool_calls *calls);
/* A new call. NULL: there are too many, and overflow is set. */
MUST_USE struct tool_draft *tool_calls_add(struct tool_calls *calls, int64_t key);
/* The newest call of the key; NULL: there is none. */
MUST_USE struct tool_draft *tool_calls_find(struct tool_calls *calls, int64_t key);
/* The calls as parts of a message, `n` of them; valid until the calls are touched again. False:
 * overflow, or a call without a name. */
MUST_USE bool tool_calls_finish(struct tool_calls *calls);

#endif
