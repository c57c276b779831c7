/* The images of a conversation, before it goes to a model (F7, U4): every URL is looked at; where
 * the model's provider does not fetch them by itself, they are fetched here, one after the other,
 * and put in as data URLs.
 *
 * A member of its owner, who fills in the first part and keeps what it points to until all is over.
 * Owner thread only. */
#ifndef WEIR_PIPELINE_IMAGES_H
#define WEIR_PIPELINE_IMAGES_H

#include "shared/base/arena.h"
#include "shared/base/must.h"
#include "shared/flow/conversation.h"
#include "shared/llm/fetch.h"
#include "shared/verdict.h"

/* Of one conversation, as they go to the model; a provider takes some 20 MB in all. */
enum { IMAGES_MOST = 8, IMAGES_BYTES = 16 * 1024 * 1024 };

/* Fixed after start; any thread may read. */
struct images_policy {
    bool fetches; /* the provider does not */
    struct fetch_guard guard;
    struct fetch_settings fetch; /* its guard is the one above */
};

struct images {
    /* The owner's. */
    const struct images_policy *policy;
    struct fetcher *fetcher; /* the worker's */
    struct arena *arena;
    struct conversation *what;
    const char *request_id; /* for the log */
    /* The end, once, unless stopped: NULL, and the images are in; or how it went wrong. Never
     * inside a function of this header. */
    void (*done)(struct images *images, const struct verdict *wrong);

    /* Its own. */
    struct fetch_job *job; /* NULL when none is under way */
    struct chat_part *part;
    size_t fetched;
    size_t bytes;
};

enum images_state {
    IMAGES_READY,
    IMAGES_FETCHING, /* `done` will tell */
    IMAGES_REFUSED   /* *verdict says why */
};

MUST_USE enum images_state images_start(struct images *images, struct verdict *verdict);
/* No `done` comes after this. Harmless when nothing is under way. */
void images_stop(struct images *images);

#endif
