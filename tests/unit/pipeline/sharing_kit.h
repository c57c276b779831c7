/* Cache and flights in the walk of a request: two workers, a fake model that takes several calls, a
 * fake clock; tasks of the workers run when the test says so. */
#ifndef WEIR_TESTS_UNIT_PIPELINE_SHARING_KIT_H
#define WEIR_TESTS_UNIT_PIPELINE_SHARING_KIT_H

#include "shared/pipeline/core.h"
#include "shared/request.h"
#include "tests/support/method_named.h"
#include "tests/support/task_queue.h"
#include "tests/unit/pipeline/fake_model.h"

#include <stdint.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND ((uint64_t)1000000000)

enum { TTL_MS = 100000 };

struct fake_worker {
    struct core_worker core;
    struct task_queue tasks;
    struct timers timers;
};

struct stage {
    uint64_t now_ns;
    /* Looking at the clock is where other threads may come in between. */
    unsigned looks_left; /* until `meanwhile` happens */
    void (*meanwhile)(void);
    struct core core;
    struct readiness readiness;
    struct fake_worker workers[2];
    const struct contract_method *translate, *story;
    struct contract_method kept_story; /* a stream whose policy is `store` */
};
extern struct stage stage;

int sharing_set_up(void **state);
/* Nobody may be left. */
int sharing_tear_down(void **state);
#define SHARING_TEST(name) cmocka_unit_test_setup_teardown(name, sharing_set_up, sharing_tear_down)

/* Loops turn: tasks, and the timers that are due. */
void turn(void);

void call_says(unsigned call, const char *text);
void call_ends(unsigned call, enum llm_end end, const char *text);

/* A request, and what its port was told. */
struct caller {
    struct request request;
    unsigned sends;
    char heard[512]; /* pieces, a bar behind each */
    char whole[512];
    char json[512];
    char wire[512];
    size_t wire_len;
    char note[64]; /* cache-status */
    char violation[128];
    bool full, built, over;
    enum verdict_code code;
    enum share_state state;
    uint64_t input_tokens, upstream_ns, retry_after_ms;
};

/* A request with a body of JSON, before it is begun. */
void prepare(struct caller *caller, unsigned worker, const struct contract_method *method,
             const char *json);
void begin(struct caller *caller, unsigned worker, const struct contract_method *method,
           const char *json);
/* As a caller of a tenant. */
void begin_as(struct caller *caller, const char *tenant);

#define BONJOUR "{\"translated_text\":\"Bonjour\",\"confidence\":\"high\"}"
#define SALUT   "{\"translated_text\":\"Salut\",\"confidence\":\"high\"}"

/* The caller has a translation, in both its forms. */
void assert_answered(const struct caller *caller, enum share_state state, const char *word);
/* The caller has a story. */
void assert_told(const struct caller *caller, const char *heard, const char *whole);

#endif
