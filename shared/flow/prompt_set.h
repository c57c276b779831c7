/* The prompts of all flows (F3): compiled in, and overridden by the files of a directory.
 *
 * A set is immutable and counted: whoever works with one keeps it, while a newer one takes its
 * place on the shelf. Any thread may take, give back and look; sets are made by one thread, which
 * reads the files. A set that cannot be made whole is not made at all. */
#ifndef WEIR_FLOW_PROMPT_SET_H
#define WEIR_FLOW_PROMPT_SET_H

#include "shared/flow/prompt.h"

#include <pthread.h>

struct prompt_set;

struct prompt_set_error {
    char file[256]; /* "tell_joke.prompt", with its directory where it is not compiled in */
    struct prompt_error prompt; /* line 0: it is not about a line */
};

/* `folder` NULL or "": only what is compiled in. Else <folder>/<name>.prompt is used where it
 * exists. NULL on error. The contract must outlive the set. */
MUST_USE struct prompt_set *prompt_set_new(const struct contract *contract, const char *folder,
                                           struct prompt_set_error *error);
MUST_USE struct prompt_set *prompt_set_ref(struct prompt_set *set);
/* Accepts NULL; returns NULL. */
struct prompt_set *prompt_set_unref(struct prompt_set *set);

/* The method's prompt; NULL for built-ins. Lives with the set. */
const struct prompt *prompt_set_at(const struct prompt_set *set, size_t method_index);
/* How many flows have a prompt from the folder. */
size_t prompt_set_overridden(const struct prompt_set *set);
/* A file of the folder that looks like a prompt and is no flow's, perhaps misspelt; "": none. */
const char *prompt_set_stray(const struct prompt_set *set);

/* Where the current set is. */
struct prompt_shelf {
    pthread_mutex_t lock; /* held to move a pointer, no longer */
    struct prompt_set *current;
};

/* Takes the reference over. */
void prompt_shelf_init(struct prompt_shelf *shelf, struct prompt_set *set);
void prompt_shelf_fini(struct prompt_shelf *shelf);
/* A reference of the caller's own. */
MUST_USE struct prompt_set *prompt_shelf_take(struct prompt_shelf *shelf);
/* Takes the reference over; those who hold the old set keep it. */
void prompt_shelf_put(struct prompt_shelf *shelf, struct prompt_set *set);

#endif
