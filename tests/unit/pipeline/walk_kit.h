/* A worker with the production contract, over a fake port, model and clock; requests that walk one
 * at a time, and what became of the last. */
#ifndef WEIR_TESTS_UNIT_PIPELINE_WALK_KIT_H
#define WEIR_TESTS_UNIT_PIPELINE_WALK_KIT_H

#include "shared/pipeline/core.h"
#include "shared/request.h"
#include "tests/support/method_named.h"
#include "tests/unit/pipeline/fake_model.h"

#include "weir/v1/flows.pb-c.h"

#include <stdint.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* What a request brings; the spans are the test's. */
struct walk_headers {
    struct span authorization[2], api_key[2];
    size_t n_authorization, n_api_key;
};

struct walk {
    uint64_t now_ns;
    int64_t now_s;
    struct core core;
    struct readiness readiness;
    struct timers timers;
    struct core_worker worker;
    struct walk_headers headers;
    bool port_is_full, leave_in_send;
    /* Since the set-up, or since the test cleared them. */
    unsigned finishes, sends;
    char sent[4096]; /* pieces or text of the last message */
    char whole[4096];
    struct verdict ended;       /* its texts are gone */
    struct violation violation; /* the first; its path is there until the tear-down */
    struct llm_account account;
    char challenge[256]; /* WWW-Authenticate */
};
extern struct walk walk;

/* The core at 5 s of its clock, with 1 s for a request of 1 KiB at most, closed to all. */
int walk_set_up_group(void **state);
int walk_tear_down_group(void **state);
/* Forgets the calls, the headers and what was seen. */
int walk_set_up(void **state);
/* Nobody may be left. */
int walk_tear_down(void **state);

/* A request with a body of JSON, before it is begun; its end frees it. */
struct request *walk_make(const char *rpc, const char *json);
struct request *walk_begin(const char *rpc, const char *json);
/* The last call answers, ends without an answer, or streams a piece. */
void model_says(const char *text);
void model_ends(enum llm_end end);
void model_streams(const char *text);
/* One request has ended, with this verdict. */
void assert_ended(enum verdict_code code);

#endif
