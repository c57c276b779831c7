/* What every request needs: one core a process, one core_worker a worker. */
#ifndef WEIR_PIPELINE_CORE_H
#define WEIR_PIPELINE_CORE_H

#include "shared/base/must.h"
#include "shared/base/task.h"
#include "shared/base/timers.h"
#include "shared/flow/contract.h"
#include "shared/flow/prompt_set.h"
#include "shared/llm/llm.h"
#include "shared/pipeline/images.h"
#include "shared/pipeline/readiness.h"
#include "shared/pipeline/sharing.h"

#include <stdatomic.h>

struct authenticator;
struct key_refresh;
struct limits;
struct chat_models;

/* Fixed after start; any thread may read. */
struct core {
    const struct contract *contract;
    struct prompt_shelf *prompts; /* the current ones are swapped by core_load_prompts */
    const char *prompts_dir;      /* files that replace compiled-in ones; NULL or "": none */
    struct images_policy images;
    struct readiness *readiness;
    struct sharing *sharing;        /* NULL: every call is answered anew; not owned */
    struct limits *limits;          /* limits.h; NULL: none */
    const struct chat_models *chat; /* chat.h; NULL: only the usual model, which has no name */
    uint64_t (*now_ns)(void);       /* monotonic; core_init sets tick_now_ns, tests set their own */
    int64_t (*now_s)(void);         /* wall clock, since 1970; the same */
    struct authenticator *authenticator; /* owned; closed until it is set up */
    struct key_refresh *key_refresh;     /* NULL: no source of keys can be asked */
    uint64_t request_timeout_ms;
    size_t max_body_bytes;
    bool access_log;
    bool debug; /* with --debug; what it shows is in debug builds alone */
    /* Google Cloud's, whose traces the access lines name; NULL or "": none. */
    const char *trace_project;
};

/* Owner thread only, except `executor`, whose post() any thread may call. */
struct core_worker {
    const struct core *core;
    struct llm_client *llm;
    struct fetcher *fetcher; /* NULL: none, and images cannot be fetched */
    struct timers *timers;
    struct executor *executor;
    unsigned index;
    uint64_t random; /* state of splitmix_next; the owner of the worker seeds it */
    uint64_t live;   /* requests between begin and finish; what was refused is not counted */
    struct request *first_live;
    bool cut;              /* the time of the drain is up: nothing is admitted any more */
    struct meters *meters; /* owned by whoever made the worker; NULL: nothing is counted */
};

/* Reads the prompts, prepares the contract's rules and makes an authenticator that lets nobody in;
 * the settings of `core` (time-out, body cap, access log, prompts_dir before, images) are the
 * caller's to fill in. Once, from main. On failure returns false with a line for the operator in
 * `error`. */
MUST_USE bool core_init(struct core *core, const struct contract *contract,
                        struct readiness *readiness, char error[256]);
void core_fini(struct core *core);
/* Reads the prompts again: all of them are new for requests that begin from now on, or none, and
 * `error` says why. Main thread. */
MUST_USE bool core_load_prompts(struct core *core, struct prompt_set_error *error);

/* The end of a drain: ends every request of the worker that is still under way, as VERDICT_DRAINING
 * in its protocol, and refuses all that come later in the same way. Owner thread, from its loop. */
void core_worker_cut(struct core_worker *worker);

#endif
