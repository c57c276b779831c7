/* The compiled form of a prompt: a list of instructions, for prompt*.c only.
 *
 * Blocks become jumps, so that rendering is one loop without recursion; names become field
 * descriptors, so that rendering looks nothing up. Immutable once prompt_parse has returned. */
#ifndef WEIR_FLOW_PROMPT_INTERNAL_H
#define WEIR_FLOW_PROMPT_INTERNAL_H

#include "shared/flow/prompt.h"

enum {
    PROMPT_SOURCE_BYTES = 256 * 1024,
    PROMPT_MOST_OPS = 4096,
    PROMPT_MOST_NESTING = 16, /* blocks in blocks, and names in a path */
    PROMPT_MODEL_BYTES = 128
};

/* One field on the way to a value. The tables are the contract's and static. */
struct prompt_step {
    const ProtobufCFieldDescriptor *pb;
    const struct contract_field *row;
};

enum prompt_scope {
    PROMPT_FROM_REQUEST,
    PROMPT_FROM_ITEM, /* `this`: the item of the innermost {{#each}} */
    PROMPT_INDEX      /* `@index` of the innermost {{#each}}; no steps follow */
};

/* Where a value is found: steps[first .. first + n) from the scope on. */
struct prompt_path {
    enum prompt_scope scope;
    size_t first;
    size_t n;
};

enum prompt_op_kind {
    PROMPT_TEXT,  /* append `text` */
    PROMPT_VALUE, /* append the value at `path` */
    PROMPT_TEST,  /* go to `target` when the truth of `path` is not `wanted` */
    PROMPT_JUMP,  /* go to `target` */
    PROMPT_EACH,  /* enter the list at `path`; go to `target` when it is empty */
    PROMPT_NEXT,  /* go to `target` with the next item, or leave the list */
    PROMPT_ROLE,  /* what follows is said in `role` */
    PROMPT_MEDIA  /* append the image whose URL is at `path` */
};

struct prompt_op {
    enum prompt_op_kind kind;
    bool wanted;
    enum chat_role role;
    size_t target; /* index of an op, or n_ops */
    struct prompt_path path;
    struct span text; /* in prompt->source */
};

struct prompt {
    const struct contract_message *request; /* NULL: names are unchecked, not to be rendered */
    char *source;                           /* owned copy; texts and the model point into it */
    struct span model;
    double temperature;
    long max_output_tokens;
    size_t n_roles;
    struct prompt_op *ops; /* owned */
    size_t n_ops, cap_ops;
    struct prompt_step *steps; /* owned */
    size_t n_steps, cap_steps;
    char version[17];
};

/* Where a path ends, for the checks of its use. */
struct prompt_place {
    struct prompt_step at; /* .pb NULL: `@index`, or a name that is not checked */
    bool is_index;
    bool is_list; /* a repeated field as a whole; false for one item of it */
};

/* Fills in `error`, cutting what does not fit; always false. */
__attribute__((format(printf, 3, 4))) bool prompt_fail(struct prompt_error *error, unsigned line,
                                                       const char *format, ...);
/* `text` for an error message: the start of it, without bytes that would garble a log. Lives until
 * the caller's `room` goes. */
const char *prompt_quote(struct span text, char room[48]);

/* Compiles `text`, which begins at `line` of the source, into ops. */
MUST_USE bool prompt_compile(struct prompt *prompt, struct span text, unsigned line,
                             struct prompt_error *error);

/* Resolves `text` ("name", "a.b", "this.x", "@index") and appends its steps to prompt->steps.
 * `item` is the innermost list, or NULL outside of all. */
MUST_USE bool prompt_path_resolve(struct prompt *prompt, struct span text, unsigned line,
                                  const struct prompt_step *item, struct prompt_path *path,
                                  struct prompt_place *place, struct prompt_error *error);

/* Reads the front matter, if there is one: fills in the settings of `prompt` and moves *text and
 * *line behind it. */
MUST_USE bool prompt_front_read(struct prompt *prompt, struct span *text, unsigned *line,
                                struct prompt_error *error);

#endif
