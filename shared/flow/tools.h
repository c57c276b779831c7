/* The functions that a model may call while it answers (F5): a table, one C function each.
 *
 * A tool only computes: it does no I/O, and what it needs of the world is passed in. Its arguments
 * have passed its schema before it sees them. Pure; any thread. */
#ifndef WEIR_FLOW_TOOLS_H
#define WEIR_FLOW_TOOLS_H

#include "shared/base/buf.h"
#include "shared/base/must.h"
#include "shared/flow/conversation.h"

#include <stdint.h>

/* Of a call's arguments, and of a result. */
enum { TOOL_BYTES = 64 * 1024 };

/* What a tool may know of the world. */
struct tool_scope {
    int64_t unix_s;
};

/* NULL: there is none of the name. Static. */
const struct chat_tool *tools_find(struct span name);

/* Answers a call of one of `offered`: appends the result to `out` as a JSON object. False: it is
 * {"error":"..."}, because there is no such tool on offer, or its arguments do not fit. */
MUST_USE bool tools_answer(const struct chat_tool *const *offered, size_t n_offered,
                           const struct chat_part *call, const struct tool_scope *scope,
                           struct buf *out);

#endif
