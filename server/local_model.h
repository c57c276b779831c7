/* Looks for a model's server on this machine, at the ports where such servers usually are: Ollama
 * 11434, vLLM 8000, llama.cpp 8080 (unless that is ours).
 *
 * A comfort of --debug only: in production a missing setting closes, and nobody should get the
 * callers' words because he was first at a port. Bounded: LOCAL_MODEL_MS for each port; a refused
 * connection takes no time. From main, before there are other threads. */
#ifndef WEIR_SERVER_LOCAL_MODEL_H
#define WEIR_SERVER_LOCAL_MODEL_H

#include "server/config.h"

enum { LOCAL_MODEL_MS = 250, LOCAL_MODEL_BYTES = 256 * 1024 };

struct local_model {
    char url[64];
    char model[200]; /* "": none was found */
};

MUST_USE bool local_model_find(const struct config *config, struct local_model *found);
/* The same at one port: is there a server that lists a model (GET /v1/models)? */
MUST_USE bool local_model_ask(uint16_t port, struct local_model *found);

#endif
