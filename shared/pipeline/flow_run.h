/* One run of a flow: prompt -> images -> model -> answer, where the model may call tools in
 * between, and is asked once more when its answer breaks the rules (dialogue.h).
 *
 * It belongs to a request that asks alone, or to a flight that several wait for; either is told
 * through `events`. The starter fills in the first part and keeps what it points to until the run
 * is over. Owner thread only. */
#ifndef WEIR_PIPELINE_FLOW_RUN_H
#define WEIR_PIPELINE_FLOW_RUN_H

#include "shared/base/arena.h"
#include "shared/base/buf.h"
#include "shared/base/must.h"
#include "shared/base/span.h"
#include "shared/flow/contract.h"
#include "shared/flow/prompt.h"
#include "shared/llm/llm.h"
#include "shared/pipeline/dialogue.h"
#include "shared/pipeline/images.h"
#include "shared/verdict.h"

struct core_worker;
struct flow_run;

/* Never called inside a function of this header. */
struct flow_run_events {
    /* A piece of a stream; `whole` holds it already. The run may be stopped in here. */
    void (*piece)(struct flow_run *run, struct span text);
    /* The end, once, unless the run was stopped: OK, and then `answer` (unary) or `whole` is
     * complete and has passed its rules; or what went wrong. The run may be given up in here. */
    void (*done)(struct flow_run *run, const struct verdict *verdict);
};

struct flow_run {
    /* The starter's. */
    struct core_worker *worker;
    const struct contract_method *method;
    const struct prompt *prompt;
    const ProtobufCMessage *message; /* the request, defaults filled in */
    struct arena *arena;             /* for the prompt and the answer */
    const char *request_id;          /* for the log */
    tick_ms deadline_ms;             /* nobody waits any longer than this; 0: not said */
    const struct flow_run_events *events;

    /* The run's. */
    struct images images;
    struct dialogue dialogue;
    struct llm_call *call;      /* NULL when none runs */
    ProtobufCMessage *answer;   /* of a chat's stream: the last message */
    struct buf whole;           /* a stream's text so far; heap */
    uint64_t started_ns;        /* the call */
    uint64_t upstream_ns;       /* spent waiting for the model; 0: no call was made */
    struct llm_account account; /* of the calls that are over */
};

/* Clears the run; before the starter fills it in. */
void flow_run_init(struct flow_run *run);
/* Frees what it holds; it must not be busy. Harmless twice. */
void flow_run_fini(struct flow_run *run);

/* Asks the model, if need be once its images are here. False: it was not asked, and *verdict says
 * why. */
MUST_USE bool flow_run_start(struct flow_run *run, struct verdict *verdict);
/* Between start and end. */
bool flow_run_is_busy(const struct flow_run *run);
/* No event comes after this. VERDICT_BAD counts against the model. Harmless when nothing runs. */
void flow_run_stop(struct flow_run *run, enum verdict_blame blame);
/* What the call has come to so far. */
struct llm_account flow_run_account(const struct flow_run *run);
/* Back-pressure on a stream; harmless when nothing runs. */
void flow_run_pause(struct flow_run *run);
void flow_run_resume(struct flow_run *run);

#endif
