/* A request message for the tests of prompts, with a field of every kind, its tables written by
 * hand: the prompt engine is tested without the compiler of contracts. */
#ifndef WEIR_TESTS_PROMPT_SAMPLE_H
#define WEIR_TESTS_PROMPT_SAMPLE_H

#include "shared/flow/contract.h"

typedef struct sample_item {
    ProtobufCMessage base;
    const char *label;
    size_t n_tags;
    const char *const *tags;
    struct sample_item *inner;
} SampleItem;

typedef struct sample {
    ProtobufCMessage base;
    const char *name;
    const char *text; /* trimmed, cut to 5 characters */
    int32_t small;
    int64_t large;
    uint64_t unsigned_large;
    double wide;
    float narrow;
    protobuf_c_boolean flag;
    int color;
    ProtobufCBinaryData blob;
    size_t n_words;
    const char *const *words; /* trimmed, cut to 5 characters */
    size_t n_numbers;
    int32_t *numbers;
    SampleItem *item;
    size_t n_items;
    SampleItem **items;
    size_t n_map;
    SampleItem **map; /* is only ever refused, so any message will do for its entry */
    int choice_case;
    const char *choice;
} Sample;

/* Its table. */
extern const struct contract_message sample_type;

/* Empty, as a decoder would leave it. */
Sample sample_empty(void);
/* Something in every field. Static, written anew by each call. */
Sample *sample_full(void);

#endif
