/* Chat completions: the messages of weir/v1/chat.proto <-> a conversation and its answer.
 *
 * Pure; any thread. A request here is a decoded and validated weir.v1.ChatRequest; what is made
 * lives in the arena given, and may point into the request. */
#ifndef WEIR_PIPELINE_CHAT_H
#define WEIR_PIPELINE_CHAT_H

#include "shared/base/arena.h"
#include "shared/flow/contract.h"
#include "shared/flow/conversation.h"
#include "shared/llm/llm.h"

/* A model that callers may name. */
struct chat_model {
    const char *name;
    size_t upstream; /* as conversation.upstream has it */
};

/* Fixed after start. */
struct chat_models {
    const struct chat_model *list;
    size_t count;
    const char *usual; /* the name of the model that is asked when none is named */
    int64_t since_s;   /* when they came to be, since 1970 */
};

/* Which upstream has the model; an empty name is the usual one. `models` may be NULL: there is just
 * that. False: there is no such model. */
MUST_USE bool chat_find_model(const struct chat_models *models, struct span name, size_t *upstream);
/* May the answer be kept and shared: is the temperature 0, or does the caller say so? */
bool chat_is_kept(const ProtobufCMessage *request);
/* Fills in what the request says; its model must be one of `models`. */
void chat_conversation(const struct chat_models *models, const ProtobufCMessage *request,
                       struct arena *arena, struct conversation *what);
/* Is a model asked for, and by which name? `request` is of a method of CONTRACT_MODELS. */
MUST_USE bool chat_asks_for_model(const ProtobufCMessage *request, struct span *name);
/* What such a method answers: all models, or the one asked for, which must be one of them. `models`
 * may be NULL: there are none. */
MUST_USE ProtobufCMessage *chat_tell_models(const struct chat_models *models,
                                            const ProtobufCMessage *request, struct arena *arena);
/* The answer; of a stream, its last message, which has no content. */
MUST_USE ProtobufCMessage *chat_answer(const struct contract_method *method,
                                       const ProtobufCMessage *request,
                                       const struct llm_result *result, struct arena *arena);

#endif
