/* A copy of a conversation, for calls that may have to be made again elsewhere. Pure. */
#ifndef WEIR_LLM_TALK_H
#define WEIR_LLM_TALK_H

#include "shared/base/arena.h"
#include "shared/flow/conversation.h"

/* The copy lives in the arena; static texts are not copied. */
struct conversation *talk_copy(const struct conversation *what, struct arena *arena);
/* Bytes of all texts, and of images so many as a model's tokens stand for. */
size_t talk_bytes(const struct conversation *what);

/* Tokens that so many bytes of text make, by a rule of thumb: four bytes each
 * (help.openai.com, "What are tokens and how to count them?"). */
static inline uint64_t talk_tokens(size_t bytes)
{
    return (bytes + 3) / 4;
}

#endif
