/* The model's providers as the settings say them: keys, upstreams, breakers, the credentials
 * service, and what a client needs to know.
 *
 * Made before the workers and freed after them, from main. */
#ifndef WEIR_SERVER_MODELS_H
#define WEIR_SERVER_MODELS_H

#include "server/config.h"
#include "shared/llm/upstream.h"
#include "shared/pipeline/chat.h"
#include "shared/pipeline/readiness.h"

struct models;

/* `config` must outlive it. With --debug and no model said, a server on this machine is looked for,
 * for a moment. */
MUST_USE struct models *models_new(const struct config *config);
/* NULL is fine; returns NULL. */
struct models *models_free(struct models *models);

/* For the workers' clients. */
const struct llm_settings *models_settings(const struct models *models);
/* What callers of chat completions may name; lives as long as `models`. */
const struct chat_models *models_chat(const struct models *models);
/* Do images have to be fetched here, as LLM_IMAGES says, or because a provider does not do it? */
bool models_want_images(const struct models *models);
/* For struct readiness, with `models` as its context; any thread. */
void models_readiness(void *models, struct readiness_providers *now);
/* Logs which providers there are, in their order, or that there is just the offline model. */
void models_log(const struct models *models);

#endif
