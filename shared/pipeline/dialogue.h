/* What is said to the model after its first answer: results of the tools it calls (F5), and once
 * what is wrong with an answer that breaks its rules (V4).
 *
 * Pure: it only writes the next turn; asking is the caller's. Everything that a turn needs is
 * copied to the arena. Owner thread only. Both kinds of turn are bounded, and with them the calls
 * of the model that one request may cost: 1 + DIALOGUE_ROUNDS + DIALOGUE_RETRIES. */
#ifndef WEIR_PIPELINE_DIALOGUE_H
#define WEIR_PIPELINE_DIALOGUE_H

#include "shared/base/arena.h"
#include "shared/base/must.h"
#include "shared/flow/conversation.h"
#include "shared/flow/tools.h"
#include "shared/verdict.h"

enum { DIALOGUE_ROUNDS = 5, DIALOGUE_RETRIES = 1, DIALOGUE_CALLS = 8 /* of a round */ };

struct dialogue {
    struct arena *arena;
    struct conversation what; /* to be asked next */
    size_t room;              /* messages that fit */
    unsigned tool_rounds;
    unsigned tool_failures; /* results that were errors */
    unsigned retries;
};

/* Takes the conversation over; its texts must live in the arena, or as long. */
void dialogue_init(struct dialogue *dialogue, const struct conversation *first,
                   struct arena *arena);

/* The model wrote `text`, maybe nothing, and then calls tools: answers them. False: it has had its
 * rounds, or asks for too much at once. */
MUST_USE bool dialogue_answer_tools(struct dialogue *dialogue, struct span text,
                                    const struct chat_part *calls, size_t n_calls,
                                    const struct tool_scope *scope);
/* The model's answer is `text`, and that is wrong with it: says so. False: it has had its chance.
 */
MUST_USE bool dialogue_object(struct dialogue *dialogue, struct span text,
                              const struct violation *violations, size_t n_violations);

#endif
