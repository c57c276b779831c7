#include "shared/pipeline/shared_run.h"

#include "shared/base/splitmix.h"
#include "shared/flow/json.h"
#include "shared/flow/wire.h"
#include "shared/pipeline/core.h"
#include "shared/pipeline/flow_run.h"
#include "shared/pipeline/step.h"

#include <stdlib.h>

/* The copy of the request needs about what the request's own decoding took. */
enum { COPY_BASE_BYTES = 64 * 1024, COPY_FACTOR = 4 };
/* An answer as JSON is at most six times the model's text, and some of the request. */
enum { JSON_BYTES = 64 * 1024 * 1024 };

struct shared_run {
    struct flow_run run;
    struct flight_pilot pilot;
    struct flight *flight;
    struct request *starter; /* NULL: it has left */
    bool accounted;          /* its access line says what the call has come to */
    struct arena arena;
    struct prompt_set *prompts;
    struct cache_key key;
    char request_id[REQUEST_ID_BYTES];
};

static struct shared_run *of_run(struct flow_run *run)
{
    return container_of(run, struct shared_run, run);
}

static void free_run(struct shared_run *shared)
{
    if (shared->starter != NULL)
        shared->starter->share.run = NULL;
    flow_run_fini(&shared->run);
    arena_fini(&shared->arena);
    (void)prompt_set_unref(shared->prompts);
    free(shared);
}

void shared_run_leave(struct request *request, bool last)
{
    struct shared_run *shared = request->share.run;
    if (shared == NULL)
        return;
    if (last) {
        request->model = flow_run_account(&shared->run);
        shared->accounted = true;
    }
    shared->starter = NULL;
    request->share.run = NULL;
}

static struct span pack(const ProtobufCMessage *message, struct arena *arena)
{
    if (message == NULL)
        return SPAN_EMPTY;
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *wire = arena_alloc(arena, len);
    (void)protobuf_c_message_pack(message, wire);
    return span_make((const char *)wire, len);
}

/* Both encodings at once, whoever asks first. */
static struct cache_entry *make_entry(struct shared_run *shared)
{
    struct flow_run *run = &shared->run;
    struct span wire = pack(run->answer, &shared->arena);
    if (run->method->streams)
        return cache_entry_new_stream(flight_pieces(shared->flight), buf_span(&run->whole), wire);
    struct buf json;
    buf_init(&json, NULL, JSON_BYTES);
    json_write(&json, run->method->response, run->answer);
    struct cache_entry *entry = json.overflow ? NULL : cache_entry_new(buf_span(&json), wire);
    buf_fini(&json);
    return entry;
}

static void keep(struct shared_run *shared, struct cache_entry *entry)
{
    struct core_worker *worker = shared->run.worker;
    if (shared->run.method->cache == CONTRACT_CACHE_STORE)
        (void)cache_put(worker->core->sharing->cache, &shared->key, entry, worker->core->now_ns(),
                        shared->run.upstream_ns, splitmix_next(&worker->random));
}

/* What the call has come to is told once: by the access line of the request that started it, or,
 * where that request has left others alone with it, by a line of its own. */
static void account(struct shared_run *shared)
{
    const struct llm_account *model = &shared->run.account;
    struct log_line line;
    if (shared->starter != NULL)
        shared->starter->model = *model;
    if (shared->starter != NULL || shared->accounted)
        return;
    log_begin(&line, LOG_INFO, "flow", "run_outlived_request");
    log_text(&line, "request_id", shared->request_id);
    log_text(&line, "flow", shared->run.method->flow);
    log_ms(&line, "upstream_ms", shared->run.upstream_ns);
    access_model(&line, model);
    log_end(&line);
}

/* Of those that a run finds, rules and messages are static. */
static void keep_fault(const struct violation *violation, struct flight_fault *fault)
{
    size_t len = violation->path.len < sizeof fault->path ? violation->path.len : 0;
    memcpy(fault->path, len > 0 ? violation->path.at : "", len);
    fault->path_len = len;
    fault->rule = violation->rule;
    fault->message = violation->message;
}

/* The answer is in the cache before the flight is forgotten: who asks in between finds one or the
 * other. */
static void land(struct shared_run *shared, const struct verdict *verdict,
                 const struct executor *here)
{
    struct flight_end end = {.code = (int)verdict->code, .retry_after_ms = verdict->retry_after_ms};
    if (verdict->n_violations > 0)
        keep_fault(&verdict->violations[0], &end.fault);
    if (verdict->code == VERDICT_OK) {
        end.entry = make_entry(shared);
        if (end.entry != NULL)
            keep(shared, end.entry);
        else
            end.code = VERDICT_INTERNAL;
    }
    account(shared);
    struct flight *flight = shared->flight;
    free_run(shared);
    flight_land(flight, &end, here);
}

/* --- events --- */

static void on_piece(struct flow_run *run, struct span text)
{
    struct shared_run *shared = of_run(run);
    struct verdict verdict = verdict_of(VERDICT_UPSTREAM_GARBLED);
    switch (flight_append(shared->flight, text, run->worker->executor)) {
    case FLIGHT_GOES_ON:
        return;
    case FLIGHT_PAUSE:
        flow_run_pause(run);
        return;
    case FLIGHT_TOO_LONG:
        flow_run_stop(run, VERDICT_BAD);
        land(shared, &verdict, run->worker->executor);
        return;
    }
}

static void on_done(struct flow_run *run, const struct verdict *verdict)
{
    land(of_run(run), verdict, run->worker->executor);
}

static const struct flow_run_events events = {.piece = on_piece, .done = on_done};

static void on_cancel(struct flight_pilot *pilot, bool blamed)
{
    struct shared_run *shared = container_of(pilot, struct shared_run, pilot);
    flow_run_stop(&shared->run, blamed ? VERDICT_BAD : VERDICT_NEUTRAL);
    account(shared);
    free_run(shared);
}

static void on_resume(struct flight_pilot *pilot)
{
    flow_run_resume(&container_of(pilot, struct shared_run, pilot)->run);
}

/* --- the start --- */

static struct shared_run *new_run(struct request *request)
{
    struct shared_run *shared = calloc(1, sizeof *shared);
    must(shared != NULL);
    shared->pilot = (struct flight_pilot){.cancel = on_cancel, .resume = on_resume};
    shared->flight = request->share.waiter.flight;
    shared->starter = request;
    shared->key = request->share.key;
    memcpy(shared->request_id, request->id, sizeof shared->request_id);
    arena_init(&shared->arena, COPY_BASE_BYTES + COPY_FACTOR * request->arena.used_bytes);
    flow_run_init(&shared->run);
    shared->run.worker = request->worker;
    shared->run.method = request->given.method;
    shared->run.prompt = request_prompt(request);
    shared->prompts = prompt_set_ref(request->prompts);
    shared->run.arena = &shared->arena;
    shared->run.request_id = shared->request_id;
    shared->run.events = &events;
    request->share.run = shared;
    return shared;
}

void shared_run_start(struct request *request)
{
    struct shared_run *shared = new_run(request);
    struct verdict verdict = verdict_of(VERDICT_TOO_LARGE);
    struct wire_error error = {0};
    ProtobufCMessage *message = NULL;
    if (wire_read(request->share.canonical, request->given.method->request, &shared->arena,
                  &message, &error) == WIRE_FINE) {
        shared->run.message = message;
        if (flow_run_start(&shared->run, &verdict)) {
            flight_fly(shared->flight, &shared->pilot);
            return;
        }
    }
    land(shared, &verdict, NULL);
}
