/* What is said to a model: roles, texts and images, and how it should answer.
 *
 * A conversation and all that it points to live in the request's arena or are static, and belong to
 * that request's thread. The client reads them only inside llm_start, but for the schema. */
#ifndef WEIR_FLOW_CONVERSATION_H
#define WEIR_FLOW_CONVERSATION_H

#include "shared/base/span.h"
#include "shared/base/tick.h"

#include <stdbool.h>
#include <stddef.h>

enum chat_role { CHAT_SYSTEM, CHAT_USER, CHAT_MODEL };
enum chat_part_kind {
    CHAT_TEXT,
    CHAT_IMAGE,
    CHAT_TOOL_CALL,  /* the model's */
    CHAT_TOOL_RESULT /* the answer to it, in a message of the user's */
};

struct chat_part {
    enum chat_part_kind kind;
    struct span text; /* the text; the image's URL; a call's arguments or a result, as JSON */
    struct span name; /* the tool's; of an image: the request's field that its URL is from */
    struct span id;   /* of the call, as the provider has it; some have none */
    struct span echo; /* of a call: what the provider wants to see again; opaque */
    bool failed;      /* CHAT_TOOL_RESULT: it says what went wrong */
};

/* A function that the model may call; static. */
struct chat_tool {
    const char *name; /* [a-z_]+ */
    const char *description;
    const char *schema; /* JSON Schema of the arguments, an object */
};

struct chat_message {
    enum chat_role role;
    struct chat_part *parts;
    size_t n_parts;
};

struct conversation {
    const char *flow;       /* for logs and the offline model; static */
    const char *request_id; /* for logs; NULL: there is none */
    tick_ms deadline_ms;    /* nobody waits any longer than this; 0: not said */
    struct chat_message *messages;
    size_t n_messages;
    struct span model;  /* empty: the client's default */
    size_t upstream;    /* the only one to be asked, from 1; 0: the usual ones, in their order */
    double temperature; /* < 0: not said */
    long max_output_tokens;  /* 0: not said */
    const struct span *stop; /* texts before which the answer ends */
    size_t n_stop;
    const char *schema; /* JSON Schema of the answer, for as long as the call; NULL: plain text */
    const char *schema_name; /* "TranslateTextResponse" */
    const struct chat_tool *const *tools;
    size_t n_tools;
    bool stream;
};

#endif
