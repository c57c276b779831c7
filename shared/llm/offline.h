/* The built-in model's words: deterministic, without a network, and they say where they come from.
 * Pure; owner thread only. */
#ifndef WEIR_LLM_OFFLINE_H
#define WEIR_LLM_OFFLINE_H

#include "shared/base/buf.h"
#include "shared/flow/conversation.h"
#include "shared/llm/memo.h"

struct offline {
    struct memo samples;
};

void offline_init(struct offline *offline);
void offline_fini(struct offline *offline);

/* Appends the whole answer: JSON that fits the conversation's schema where it has one, else text.
 * Nothing when the schema is unusable. */
void offline_write(struct offline *offline, const struct conversation *what, struct buf *out);
/* The first word of `text` with the white space behind it: one piece of a stream. */
struct span offline_word(struct span text);

#endif
