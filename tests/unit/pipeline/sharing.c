/* Cache and flights in the walk of a request: two workers, a fake model that takes several calls, a
 * fake clock; tasks of the workers run when the test says so. */
#include "shared/pipeline/sharing.h"
#include "shared/pipeline/core.h"
#include "shared/policy/authenticator.h"
#include "shared/request.h"

#include "weir/v1/flows.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define SECOND ((uint64_t)1000000000)

enum { TTL_MS = 100000, MOST_CALLS = 32 };

/* Looking at the clock is where other threads may come in between. */
static uint64_t now_ns;
static unsigned looks_left; /* until `meanwhile` happens */
static void (*meanwhile)(void);

static uint64_t fake_now_ns(void)
{
    if (looks_left > 0 && --looks_left == 0)
        meanwhile();
    return now_ns;
}

/* --- the fake model --- */

struct llm_call {
    const struct llm_events *events;
    void *context;
    bool paused, cancelled;
};

static struct llm_call model[MOST_CALLS];
static unsigned calls, cancels, given_up;

struct llm_call *llm_start(struct llm_client *client, const struct conversation *what,
                           tick_ms now_ms, const struct llm_events *events, void *context)
{
    (void)client;
    (void)what;
    (void)now_ms;
    assert_in_range(calls, 0, MOST_CALLS - 1);
    model[calls] = (struct llm_call){.events = events, .context = context};
    return &model[calls++];
}

void llm_cancel(struct llm_call *call)
{
    assert_false(call->cancelled);
    call->cancelled = true;
    cancels++;
}

void llm_give_up(struct llm_call *call)
{
    given_up++;
    llm_cancel(call);
}

void llm_account(const struct llm_call *call, struct llm_account *account)
{
    (void)call;
    *account = (struct llm_account){.provider = "fake", .usage = {.input_tokens = 1}};
}

void llm_pause(struct llm_call *call)
{
    call->paused = true;
}

void llm_resume(struct llm_call *call)
{
    call->paused = false;
}

const char *llm_end_name(enum llm_end end)
{
    (void)end;
    return "fake";
}

static void call_ends(unsigned call, enum llm_end end, const char *text)
{
    struct llm_result result = {
        .end = end,
        .text = span_of(text),
        .account = {.provider = "fake", .usage = {.input_tokens = 3, .output_tokens = 4}}};
    assert_false(model[call].cancelled);
    model[call].events->done(model[call].context, &result);
}

static void call_says(unsigned call, const char *text)
{
    assert_false(model[call].cancelled);
    model[call].events->piece(model[call].context, span_of(text));
}

/* --- workers and the core --- */

struct fake_worker {
    struct core_worker core;
    struct executor executor;
    struct timers timers;
    struct task *first, **end;
};

static struct core core = {.request_timeout_ms = 60000, .max_body_bytes = 4096};
static struct readiness readiness;
static struct fake_worker workers[2];

static void fake_post(struct executor *executor, struct task *task)
{
    struct fake_worker *worker = container_of(executor, struct fake_worker, executor);
    task->next = NULL;
    *worker->end = task;
    worker->end = &task->next;
}

static void run_tasks(struct fake_worker *worker)
{
    while (worker->first != NULL) {
        struct task *task = worker->first;
        worker->first = task->next;
        if (worker->first == NULL)
            worker->end = &worker->first;
        task->run(task);
    }
}

/* Loops turn: tasks, and the timers that are due. */
static void turn(void)
{
    for (unsigned i = 0; i < 3; i++) {
        for (size_t w = 0; w < 2; w++) {
            run_tasks(&workers[w]);
            timers_run(&workers[w].timers, now_ns / 1000000);
        }
    }
}

/* --- requests and their port --- */

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

static struct caller *of(struct request *request)
{
    return container_of(request, struct caller, request);
}

static size_t fake_metadata(const struct request *request, const char *name, struct span *values,
                            size_t most)
{
    (void)request;
    (void)name;
    (void)values;
    (void)most;
    return 0;
}

static enum port_state fake_send(struct request *request, const struct message_view *view)
{
    struct caller *caller = of(request);
    caller->sends++;
    caller->built = view->message != NULL;
    if (view->kind == MESSAGE_PIECE) {
        assert_string_equal(((const Weir__V1__TellStoryResponse *)view->message)->text,
                            view->text.at);
        strncat(caller->heard, view->text.at, view->text.len);
        strcat(caller->heard, "|");
    } else if (view->kind == MESSAGE_WHOLE) {
        memcpy(caller->whole, view->text.at, view->text.len);
    } else if (view->json.len > 0) {
        memcpy(caller->json, view->json.at, view->json.len);
        memcpy(caller->wire, view->wire.at, view->wire.len);
        caller->wire_len = view->wire.len;
    }
    return caller->full ? PORT_FULL : PORT_READY;
}

static void fake_finish(struct request *request, const struct verdict *verdict)
{
    struct caller *caller = of(request);
    assert_false(caller->over);
    caller->over = true;
    caller->code = verdict->code;
    caller->retry_after_ms = verdict->retry_after_ms;
    caller->state = request->share.state;
    caller->input_tokens = request->model.usage.input_tokens;
    caller->upstream_ns = request->upstream_ns;
    if (verdict->n_violations > 0)
        (void)snprintf(caller->violation, sizeof caller->violation, "%.*s %.*s",
                       (int)verdict->violations[0].path.len, verdict->violations[0].path.at,
                       (int)verdict->violations[0].message.len, verdict->violations[0].message.at);
    for (size_t i = 0; i < request->n_notes; i++)
        if (strcmp(request->notes[i].name, "cache-status") == 0)
            memcpy(caller->note, request->notes[i].value.at, request->notes[i].value.len);
    request_fini(request);
}

static const struct port fake_port = {
    .protocol = "fake", .metadata = fake_metadata, .send = fake_send, .finish = fake_finish};

static const struct contract_method *method_named(const char *rpc)
{
    for (size_t i = 0; i < weir_contract.n_methods; i++)
        if (strcmp(weir_contract.methods[i].rpc_name, rpc) == 0)
            return &weir_contract.methods[i];
    fail_msg("no rpc %s", rpc);
    exit(1);
}

static const struct contract_method *translate, *story;
static struct contract_method kept_story; /* a stream whose policy is `store` */

static void prepare(struct caller *caller, unsigned worker, const struct contract_method *method,
                    const char *json)
{
    *caller = (struct caller){.full = caller->full};
    request_init(&caller->request, &workers[worker].core, &fake_port);
    caller->request.given = (struct request_given){
        .method = method, .encoding = REQUEST_JSON, .body = span_of(json), .received_ns = now_ns};
}

static void begin(struct caller *caller, unsigned worker, const struct contract_method *method,
                  const char *json)
{
    prepare(caller, worker, method, json);
    request_begin(&caller->request);
}

/* As a caller of a tenant. */
static void begin_as(struct caller *caller, const char *tenant)
{
    prepare(caller, 0, translate, "{}");
    caller->request.identity = (struct identity){
        .kind = IDENTITY_TOKEN, .tenant = span_of(tenant), .scopes = SPAN_LITERAL("flow:*")};
    request_begin(&caller->request);
}

#define BONJOUR "{\"translated_text\":\"Bonjour\",\"confidence\":\"high\"}"
#define SALUT   "{\"translated_text\":\"Salut\",\"confidence\":\"high\"}"

static void assert_answered(const struct caller *caller, enum share_state state, const char *word)
{
    assert_true(caller->over);
    if (caller->code != VERDICT_OK)
        fail_msg("ended %s", verdict_row(caller->code)->name);
    assert_int_equal(caller->state, state);
    assert_non_null(strstr(caller->json, word));
    Weir__V1__TranslateTextResponse *message = weir__v1__translate_text_response__unpack(
        NULL, caller->wire_len, (const uint8_t *)caller->wire);
    assert_non_null(message);
    assert_string_equal(message->translated_text, word);
    weir__v1__translate_text_response__free_unpacked(message, NULL);
}

static void assert_told(const struct caller *caller, const char *heard, const char *whole)
{
    assert_true(caller->over);
    assert_int_equal(caller->code, VERDICT_OK);
    assert_string_equal(caller->heard, heard);
    assert_string_equal(caller->whole, whole);
}

/* --- set-up --- */

static int set_up(void **state)
{
    (void)state;
    char error[256] = "";
    const struct sharing_settings settings = {
        .most_entries = 16, .most_bytes = 1 << 20, .ttl_ms = TTL_MS, .model = "m", .workers = 2};
    now_ns = 5000 * SECOND;
    calls = cancels = given_up = looks_left = 0;
    readiness_init(&readiness);
    if (!core_init(&core, &weir_contract, &readiness, error))
        fail_msg("%s", error);
    core.now_ns = fake_now_ns;
    core.authenticator->required = false;
    core.sharing = sharing_new(&settings);
    for (unsigned i = 0; i < 2; i++) {
        workers[i] = (struct fake_worker){.executor.post = fake_post};
        workers[i].end = &workers[i].first;
        timers_init(&workers[i].timers);
        workers[i].core = (struct core_worker){.core = &core,
                                               .timers = &workers[i].timers,
                                               .executor = &workers[i].executor,
                                               .index = i};
    }
    translate = method_named("TranslateText");
    story = method_named("TellStory");
    kept_story = *story;
    kept_story.cache = CONTRACT_CACHE_STORE;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    turn();
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(workers[i].core.live, 0);
        assert_int_equal(workers[i].timers.count, 0);
        timers_fini(&workers[i].timers);
    }
    assert_int_equal(flights_alive(core.sharing->flights), 0);
    core.sharing = sharing_free(core.sharing);
    core_fini(&core);
    return 0;
}

/* --- the cache --- */

static void an_answer_is_kept_in_both_encodings(void **state)
{
    (void)state;
    struct caller first = {.full = false}, second = first, third = first;
    begin(&first, 0, translate, "{\"text\":\"Hello\"}");
    assert_int_equal(calls, 1);
    now_ns += 2 * SECOND;
    call_ends(0, LLM_DONE, BONJOUR);
    assert_answered(&first, SHARE_MISS, "Bonjour");
    assert_string_equal(first.note, "weir; fwd=miss");
    assert_int_equal(first.upstream_ns, 2 * SECOND);
    assert_int_equal(first.input_tokens, 3);
    begin(&second, 1, translate, "{\"text\":\"Hello\"}");
    assert_answered(&second, SHARE_HIT, "Bonjour");
    assert_false(second.built); /* nothing is decoded or encoded again */
    assert_memory_equal(second.note, "weir; hit; ttl=", 15);
    assert_int_equal(second.upstream_ns, 0);
    assert_int_equal(second.input_tokens, 0);
    prepare(&third, 1, translate, "\x0a\x05Hello");
    third.request.given.encoding = REQUEST_PROTOBUF;
    request_begin(&third.request);
    assert_answered(&third, SHARE_HIT, "Bonjour");
    assert_string_equal(third.json, first.json);
    assert_int_equal(calls, 1);
}

static void what_a_default_says_is_the_same_question(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a, c = a;
    begin(&a, 0, translate, "{}");
    call_ends(0, LLM_DONE, BONJOUR);
    begin(&b, 0, translate, "{\"targetLanguage\":\"\"}");
    assert_answered(&b, SHARE_HIT, "Bonjour");
    begin(&c, 0, translate, "{\"text\":\"another\"}");
    assert_int_equal(calls, 2);
    request_abandon(&c.request);
}

static void tenants_share_nothing(void **state)
{
    (void)state;
    struct caller nobody = {.full = false}, acme = nobody, other = nobody, again = nobody;
    begin(&nobody, 0, translate, "{}");
    begin_as(&acme, "acme");
    begin_as(&other, "other");
    assert_int_equal(calls, 3); /* while under way */
    for (unsigned i = 0; i < 3; i++)
        call_ends(i, LLM_DONE, i == 1 ? SALUT : BONJOUR);
    begin_as(&again, "acme"); /* and when kept */
    assert_answered(&again, SHARE_HIT, "Salut");
    begin_as(&again, "other");
    assert_answered(&again, SHARE_HIT, "Bonjour");
    begin_as(&again, "third");
    assert_int_equal(calls, 4);
    request_abandon(&again.request);
}

static void an_answer_expires(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a;
    begin(&a, 0, translate, "{}");
    call_ends(0, LLM_DONE, BONJOUR);
    now_ns += (uint64_t)TTL_MS * 1000000;
    begin(&b, 0, translate, "{}");
    assert_int_equal(calls, 2);
    call_ends(1, LLM_DONE, SALUT);
    assert_answered(&b, SHARE_MISS, "Salut");
}

static void nothing_bad_is_kept(void **state)
{
    (void)state;
    struct caller a = {.full = false};
    begin(&a, 0, translate, "{}");
    call_ends(0, LLM_DONE, "Certainly! Here is your translation.");
    assert_false(a.over);
    call_ends(1, LLM_DONE, "Once more: here it is.");
    assert_int_equal(a.code, VERDICT_UPSTREAM_INVALID);
    begin(&a, 0, translate, "{}");
    call_ends(2, LLM_CUT, "");
    assert_int_equal(a.code, VERDICT_UPSTREAM_CUT);
    begin(&a, 0, translate, "{}");
    assert_int_equal(calls, 4);
    call_ends(3, LLM_DONE, BONJOUR);
    assert_answered(&a, SHARE_MISS, "Bonjour");
}

/* The run's violations go with its arena; each waiter has its own. */
static void a_refused_image_is_named_to_all_who_wait(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a;
    const struct contract_method *describe = method_named("DescribeImage");
    begin(&a, 0, describe, "{\"image_url\":\"http://127.0.0.1/a.png\"}");
    assert_false(a.over); /* told from the loop */
    begin(&b, 1, describe, "{\"image_url\":\"http://127.0.0.1/a.png\"}");
    turn();
    assert_int_equal(a.code, VERDICT_INVALID);
    assert_string_equal(a.violation, "image_url must be at a public address");
    assert_int_equal(b.code, VERDICT_INVALID);
    assert_string_equal(b.violation, "image_url must be at a public address");
    assert_int_equal(calls, 0);
}

static void flows_that_do_not_allow_it_are_asked_each_time(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a;
    begin(&a, 0, method_named("TellJoke"), "{}");
    begin(&b, 0, method_named("TellJoke"), "{}");
    assert_int_equal(calls, 2);
    call_ends(0, LLM_DONE, "x");
    call_ends(1, LLM_DONE, "y");
    assert_int_equal(a.state, SHARE_BYPASS);
    assert_string_equal(b.note, "weir; fwd=bypass");
    begin(&a, 0, method_named("Health"), "");
    assert_int_equal(a.state, SHARE_UNKNOWN);
    assert_string_equal(a.note, "");
}

static void without_sharing_each_call_is_answered_anew(void **state)
{
    (void)state;
    struct sharing *sharing = core.sharing;
    struct caller a = {.full = false}, b = a;
    core.sharing = NULL;
    begin(&a, 0, translate, "{}");
    begin(&b, 0, translate, "{}");
    assert_int_equal(calls, 2);
    call_ends(0, LLM_DONE, BONJOUR);
    call_ends(1, LLM_DONE, SALUT);
    assert_int_equal(b.state, SHARE_BYPASS);
    assert_true(b.built);
    core.sharing = sharing;
}

/* --- flights --- */

static void concurrent_misses_make_one_call(void **state)
{
    (void)state;
    struct caller crowd[20] = {{.full = false}};
    for (unsigned i = 0; i < 20; i++)
        begin(&crowd[i], i % 2, translate, "{}");
    assert_int_equal(calls, 1);
    now_ns += SECOND;
    call_ends(0, LLM_DONE, BONJOUR);
    turn();
    for (unsigned i = 0; i < 20; i++) {
        assert_answered(&crowd[i], i == 0 ? SHARE_MISS : SHARE_JOIN, "Bonjour");
        assert_int_equal(crowd[i].input_tokens, i == 0 ? 3 : 0); /* counted once */
        assert_int_equal(crowd[i].upstream_ns, SECOND);
    }
    assert_string_equal(crowd[1].note, "weir; fwd=miss; collapsed");
}

static void land_the_first_call(void)
{
    call_ends(0, LLM_DONE, BONJOUR);
}

/* The flight lands when the second caller has found nothing in the cache, and before it joins. */
static void a_flight_that_lands_in_between_is_not_flown_again(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a;
    begin(&a, 0, translate, "{}");
    meanwhile = land_the_first_call;
    looks_left = 3; /* deadline, look-up, then this */
    begin(&b, 1, translate, "{}");
    assert_int_equal(looks_left, 0);
    assert_int_equal(calls, 1);
    assert_answered(&a, SHARE_MISS, "Bonjour");
    assert_answered(&b, SHARE_HIT, "Bonjour");
}

static void the_leader_may_leave(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a, c = a;
    begin(&a, 0, translate, "{}");
    begin(&b, 1, translate, "{}");
    request_abandon(&a.request);
    assert_int_equal(a.code, VERDICT_CANCELLED);
    turn();
    assert_int_equal(cancels, 0);
    call_ends(0, LLM_DONE, BONJOUR);
    turn();
    assert_answered(&b, SHARE_JOIN, "Bonjour");
    begin(&c, 0, translate, "{}");
    assert_answered(&c, SHARE_HIT, "Bonjour");
}

static void the_last_to_leave_cancels(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a, c = a;
    begin(&a, 0, translate, "{}");
    begin(&b, 1, translate, "{}");
    request_abandon(&a.request);
    request_abandon(&b.request);
    turn();
    assert_int_equal(cancels, 1);
    assert_int_equal(given_up, 0);
    begin(&c, 1, translate, "{}");
    assert_int_equal(calls, 2);
    call_ends(1, LLM_DONE, BONJOUR);
    assert_answered(&c, SHARE_MISS, "Bonjour");
}

static void a_failure_is_shared_and_forgotten(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a, c = a;
    begin(&a, 0, translate, "{}");
    begin(&b, 1, translate, "{}");
    call_ends(0, LLM_FAILED, "");
    turn();
    assert_int_equal(a.code, VERDICT_UPSTREAM_FAILED);
    assert_int_equal(b.code, VERDICT_UPSTREAM_FAILED);
    assert_int_equal(calls, 1);
    begin(&c, 1, translate, "{}");
    assert_int_equal(calls, 2);
    call_ends(1, LLM_DONE, BONJOUR);
    assert_answered(&c, SHARE_MISS, "Bonjour");
}

static void each_waiter_keeps_its_own_deadline(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a;
    begin(&a, 0, translate, "{}");
    prepare(&b, 1, translate, "{}");
    b.request.given.timeout_ms = 1000;
    request_begin(&b.request);
    now_ns += SECOND;
    turn();
    assert_int_equal(b.code, VERDICT_TIMED_OUT);
    assert_false(a.over);
    assert_int_equal(cancels, 0);
    now_ns += 60 * SECOND;
    turn();
    assert_int_equal(a.code, VERDICT_UPSTREAM_TIMED_OUT);
    assert_int_equal(cancels, 1);
    assert_int_equal(given_up, 1); /* the service's own time: the model is to blame */
    assert_int_equal(a.input_tokens, 1);
}

/* --- early refresh --- */

/* An answer that took 20 s to make and has less than a second to live is all but sure to be asked
 * for anew. */
static void make_it_old(void)
{
    struct caller maker = {.full = false};
    begin(&maker, 0, translate, "{}");
    now_ns += 20 * SECOND;
    call_ends(0, LLM_DONE, BONJOUR);
    assert_answered(&maker, SHARE_MISS, "Bonjour");
    now_ns += 89 * SECOND; /* the jitter takes a tenth at most */
}

/* Looks until one is asked to refresh: the dice are the worker's. */
static void begin_refresh(struct caller *caller)
{
    make_it_old();
    for (unsigned i = 0; i < 100; i++) {
        begin(caller, 0, translate, "{}");
        if (!caller->over)
            return;
        assert_answered(caller, SHARE_HIT, "Bonjour");
    }
    fail_msg("nobody was asked to refresh");
}

static void one_refreshes_while_the_others_have_the_old_answer(void **state)
{
    (void)state;
    struct caller refresher = {.full = false}, other = refresher;
    begin_refresh(&refresher);
    assert_int_equal(calls, 2);
    for (unsigned i = 0; i < 50; i++) {
        begin(&other, i % 2, translate, "{}");
        assert_answered(&other, SHARE_HIT, "Bonjour");
    }
    assert_int_equal(calls, 2);
    call_ends(1, LLM_DONE, SALUT);
    assert_answered(&refresher, SHARE_REFRESH, "Salut");
    begin(&other, 1, translate, "{}");
    assert_answered(&other, SHARE_HIT, "Salut");
}

static void a_failed_refresh_gives_the_answer_that_still_holds(void **state)
{
    (void)state;
    struct caller refresher = {.full = false};
    begin_refresh(&refresher);
    call_ends(1, LLM_FAILED, "");
    assert_answered(&refresher, SHARE_HIT, "Bonjour");
}

static void a_refresh_that_takes_too_long_gives_it_too(void **state)
{
    (void)state;
    struct caller refresher = {.full = false};
    begin_refresh(&refresher);
    now_ns += 60 * SECOND;
    turn();
    assert_answered(&refresher, SHARE_HIT, "Bonjour");
    assert_int_equal(cancels, 1);
}

/* --- streams --- */

static void a_story_is_shared_while_it_is_told(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a, c = a;
    begin(&a, 0, story, "{}");
    call_says(0, "Once ");
    call_says(0, "upon ");
    assert_string_equal(a.heard, "Once |upon |");
    begin(&b, 1, story, "{}");
    turn();
    assert_string_equal(b.heard, "Once |upon |"); /* the prefix, before the next piece */
    call_says(0, "a time");
    turn();
    assert_string_equal(b.heard, "Once |upon |a time|");
    begin(&c, 0, story, "{}");
    call_ends(0, LLM_DONE, "");
    turn();
    assert_int_equal(calls, 1);
    assert_told(&a, "Once |upon |a time|", "Once upon a time");
    assert_told(&b, "Once |upon |a time|", "Once upon a time");
    assert_told(&c, "Once |upon |a time|", "Once upon a time");
    assert_int_equal(c.state, SHARE_JOIN);
    struct cache_stats stats;
    cache_stats(core.sharing->cache, &stats);
    assert_int_equal(stats.stored, 0); /* `share` keeps nothing */
    begin(&a, 0, story, "{}");
    assert_int_equal(calls, 2);
    request_abandon(&a.request);
}

static void a_slow_reader_does_not_hold_a_fast_one(void **state)
{
    (void)state;
    struct caller fast = {.full = false}, slow = {.full = true};
    begin(&slow, 0, story, "{}");
    begin(&fast, 1, story, "{}");
    for (unsigned i = 0; i < 5; i++)
        call_says(0, "word ");
    turn();
    assert_string_equal(fast.heard, "word |word |word |word |word |");
    assert_string_equal(slow.heard, "word |");
    assert_false(model[0].paused);
    call_ends(0, LLM_DONE, "");
    turn();
    assert_true(fast.over);
    assert_false(slow.over);
    slow.full = false;
    request_writable(&slow.request);
    assert_told(&slow, fast.heard, fast.whole);
}

static void the_call_pauses_only_when_all_are_behind(void **state)
{
    (void)state;
    struct caller a = {.full = true};
    static char large[100001];
    memset(large, 'x', sizeof large - 1);
    begin(&a, 0, story, "{}");
    call_says(0, "a");
    call_says(0, large);
    call_says(0, large);
    assert_false(model[0].paused);
    call_says(0, large);
    assert_true(model[0].paused);
    request_abandon(&a.request);
    turn();
    assert_int_equal(cancels, 1);
}

static void a_cut_story_is_an_error_for_all_and_kept_for_none(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a;
    begin(&a, 0, &kept_story, "{}");
    begin(&b, 1, &kept_story, "{}");
    call_says(0, "Once ");
    call_ends(0, LLM_CUT, "");
    turn();
    assert_int_equal(a.code, VERDICT_UPSTREAM_CUT);
    assert_int_equal(b.code, VERDICT_UPSTREAM_CUT);
    assert_string_equal(b.heard, "Once |");
    assert_string_equal(b.whole, "");
    begin(&a, 0, &kept_story, "{}");
    assert_int_equal(calls, 2);
    request_abandon(&a.request);
}

static void a_story_without_a_word_is_not_kept(void **state)
{
    (void)state;
    struct caller a = {.full = false};
    begin(&a, 0, &kept_story, "{}");
    call_ends(0, LLM_DONE, "");
    assert_int_equal(a.code, VERDICT_UPSTREAM_INVALID);
    begin(&a, 0, &kept_story, "{}");
    assert_int_equal(calls, 2);
    request_abandon(&a.request);
}

static void a_kept_story_is_told_again_piece_by_piece(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a, c = {.full = true}, d = a;
    begin(&a, 0, &kept_story, "{}");
    call_says(0, "Once ");
    call_says(0, "upon ");
    call_ends(0, LLM_DONE, "");
    assert_told(&a, "Once |upon |", "Once upon ");
    begin(&b, 1, &kept_story, "{}");
    assert_int_equal(b.sends, 0); /* later, never from inside */
    turn();
    assert_told(&b, "Once |upon |", "Once upon ");
    assert_int_equal(b.state, SHARE_HIT);
    begin(&c, 1, &kept_story, "{}");
    turn();
    assert_string_equal(c.heard, "Once |");
    c.full = false;
    request_writable(&c.request);
    assert_told(&c, "Once |upon |", "Once upon ");
    begin(&d, 1, &kept_story, "{}");
    request_abandon(&d.request);
    assert_int_equal(calls, 1);
}

/* 3,000 times a topic of 2,000 bytes is more than a prompt may hold. */
static void what_cannot_be_asked_ends_all_who_wait_from_the_loop(void **state)
{
    (void)state;
    enum { TIMES = 3000, CHARACTERS = 1000 };
    static char source[TIMES * 9], body[2 * CHARACTERS + 16];
    char folder[] = "/tmp/weir-sharing-XXXXXX", path[64];
    struct prompt_set_error wrong;
    struct caller a = {.full = false}, b = a;
    for (size_t i = 0; i < TIMES; i++)
        memcpy(source + i * 9, "{{topic}}", 9);
    strcpy(body, "{\"topic\":\"");
    for (size_t i = 0; i < CHARACTERS; i++)
        strcat(body, "\xc3\xa9");
    strcat(body, "\"}");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/tell_story.prompt", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(source, 1, sizeof source, file), sizeof source);
    assert_int_equal(fclose(file), 0);
    core.prompts_dir = folder;
    assert_true(core_load_prompts(&core, &wrong));
    core.prompts_dir = NULL;
    assert_int_equal(unlink(path) + rmdir(folder), 0);
    begin(&a, 0, story, body);
    assert_false(a.over);
    begin(&b, 1, story, body); /* the flight has landed: a new one */
    turn();
    assert_int_equal(a.code, VERDICT_TOO_LARGE);
    assert_int_equal(b.code, VERDICT_TOO_LARGE);
    assert_int_equal(calls, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(an_answer_is_kept_in_both_encodings),
        CASE(what_a_default_says_is_the_same_question),
        CASE(tenants_share_nothing),
        CASE(an_answer_expires),
        CASE(nothing_bad_is_kept),
        CASE(a_refused_image_is_named_to_all_who_wait),
        CASE(flows_that_do_not_allow_it_are_asked_each_time),
        CASE(without_sharing_each_call_is_answered_anew),
        CASE(concurrent_misses_make_one_call),
        CASE(a_flight_that_lands_in_between_is_not_flown_again),
        CASE(the_leader_may_leave),
        CASE(the_last_to_leave_cancels),
        CASE(a_failure_is_shared_and_forgotten),
        CASE(each_waiter_keeps_its_own_deadline),
        CASE(one_refreshes_while_the_others_have_the_old_answer),
        CASE(a_failed_refresh_gives_the_answer_that_still_holds),
        CASE(a_refresh_that_takes_too_long_gives_it_too),
        CASE(a_story_is_shared_while_it_is_told),
        CASE(a_slow_reader_does_not_hold_a_fast_one),
        CASE(the_call_pauses_only_when_all_are_behind),
        CASE(a_cut_story_is_an_error_for_all_and_kept_for_none),
        CASE(a_story_without_a_word_is_not_kept),
        CASE(a_kept_story_is_told_again_piece_by_piece),
        CASE(what_cannot_be_asked_ends_all_who_wait_from_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
