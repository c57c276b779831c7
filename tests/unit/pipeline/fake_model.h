/* A model in the place of shared/llm's client, at link time: calls stay under way until the test
 * says how they go on. Calls are numbered from 0 in the order in which they were started. */
#ifndef WEIR_TESTS_UNIT_PIPELINE_FAKE_MODEL_H
#define WEIR_TESTS_UNIT_PIPELINE_FAKE_MODEL_H

#include "shared/llm/llm.h"

#include <stdbool.h>

enum { FAKE_MODEL_MOST_CALLS = 32 };

struct llm_call {
    const struct llm_events *events;
    void *context;
    bool paused, cancelled;
};

struct fake_model {
    struct llm_call call[FAKE_MODEL_MOST_CALLS];
    unsigned calls, cancels, give_ups; /* one given up counts as cancelled, too */
    /* What the last one asked for. */
    char asked[8192]; /* all its texts, one behind the other */
    bool stream;
    const char *schema;
    size_t tools;
};
extern struct fake_model model;

/* Forgets all calls. */
void model_reset(void);
/* A piece of a stream. */
void model_call_says(unsigned call, const char *text);
void model_call_ends(unsigned call, const struct llm_result *result);

#endif
