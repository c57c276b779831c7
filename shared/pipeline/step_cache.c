/* Cache and flights (C2-C5): an answer that is kept goes out at once; an identical call that is
 * under way is joined; else the request leads a flight of its own. Says which in Cache-Status (RFC
 * 9211).
 */
#include "shared/pipeline/chat.h"
#include "shared/pipeline/follow.h"
#include "shared/pipeline/step.h"

#include "shared/base/splitmix.h"
#include "shared/flow/canonical.h"

static struct span version_of(struct request *request)
{
    const struct prompt *prompt = request_prompt(request);
    return prompt != NULL ? span_of(prompt_version(prompt)) : SPAN_EMPTY;
}

static void make_key(struct request *request)
{
    const struct core *core = request->worker->core;
    const struct contract_method *method = request->given.method;
    request->share.canonical = canonical_write(method->request, request->message, &request->arena);
    const struct cache_key_parts parts = {.flow = span_of(method->rpc_path),
                                          .model = span_of(core->sharing->model),
                                          .prompt_version = version_of(request),
                                          .has_tenant = identity_is_known(&request->identity),
                                          .tenant = request->identity.tenant,
                                          .request = request->share.canonical};
    cache_key_make(core->sharing->keys, &parts, &request->share.key);
}

static void become(struct request *request, enum share_state state, struct cache_entry *kept)
{
    request->share.state = state;
    request->share.kept = kept;
}

static void join(struct request *request)
{
    const struct core_worker *worker = request->worker;
    const struct flight_home here = {worker->index, worker->executor};
    follow_prepare(request);
    switch (flight_join(worker->core->sharing->flights, &request->share.key, &here,
                        request->given.method->streams, &request->share.waiter)) {
    case FLIGHT_LEADS:
        become(request, SHARE_MISS, NULL);
        break;
    case FLIGHT_JOINED:
        become(request, SHARE_JOIN, NULL);
        break;
    case FLIGHT_NONE:
        become(request, SHARE_BYPASS, NULL);
        break;
    }
}

/* Asks anew before `kept` expires, unless somebody does already. */
static void refresh(struct request *request, struct cache_entry *kept)
{
    const struct core_worker *worker = request->worker;
    const struct flight_home here = {worker->index, worker->executor};
    follow_prepare(request);
    if (flight_lead(worker->core->sharing->flights, &request->share.key, &here,
                    request->given.method->streams, &request->share.waiter) == FLIGHT_LEADS) {
        become(request, SHARE_REFRESH, NULL);
        request->share.fallback = kept;
    } else {
        become(request, SHARE_HIT, kept);
    }
}

/* Between the look-up and the lead another flight may have landed here: then its answer is this
 * flight's too. (A flight is forgotten only after its answer is kept.) */
static void look_again(struct request *request)
{
    struct share *share = &request->share;
    const struct core *core = request->worker->core;
    struct cache_entry *entry = cache_peek(core->sharing->cache, &share->key, core->now_ns());
    if (entry == NULL || entry == share->fallback) {
        cache_entry_unref(entry);
        return;
    }
    const struct flight_end end = {.entry = cache_entry_ref(entry)};
    flight_land(share->waiter.flight, &end, NULL);
    (void)flight_leave(&share->waiter, false);
    become(request, SHARE_HIT, entry);
}

static uint64_t look_up(struct request *request)
{
    struct core_worker *worker = request->worker;
    struct cache_entry *entry = NULL;
    uint64_t left_ns = 0;
    switch (cache_get(worker->core->sharing->cache, &request->share.key, worker->core->now_ns(),
                      splitmix_next(&worker->random), &entry, &left_ns)) {
    case CACHE_HIT:
        become(request, SHARE_HIT, entry);
        break;
    case CACHE_REFRESH:
        refresh(request, entry);
        break;
    case CACHE_MISS:
        join(request);
        break;
    }
    if (request->share.state == SHARE_MISS || request->share.state == SHARE_REFRESH)
        look_again(request);
    return left_ns;
}

static void say(struct request *request, uint64_t left_ns)
{
    static const char *const notes[] = {[SHARE_MISS] = "weir; fwd=miss",
                                        [SHARE_JOIN] = "weir; fwd=miss; collapsed",
                                        [SHARE_REFRESH] = "weir; fwd=stale; detail=refresh",
                                        [SHARE_BYPASS] = "weir; fwd=bypass"};
    struct buf note;
    if (request->share.state != SHARE_HIT) {
        request_note(request, "cache-status", span_of(notes[request->share.state]));
        return;
    }
    buf_init(&note, &request->arena, 64);
    buf_put_text(&note, "weir; hit; ttl=");
    buf_put_u64(&note, left_ns / 1000000000U);
    request_note(request, "cache-status", buf_span(&note));
}

enum step_result step_cache(struct request *request, struct verdict *verdict)
{
    const struct contract_method *method = request->given.method;
    uint64_t left_ns = 0;
    (void)verdict;
    if (method->kind == CONTRACT_HEALTH || method->kind == CONTRACT_MODELS)
        return STEP_NEXT;
    if (request->worker->core->sharing == NULL || method->cache == CONTRACT_CACHE_NONE ||
        (method->kind == CONTRACT_CHAT && !chat_is_kept(request->message))) {
        request->share.state = SHARE_BYPASS;
    } else {
        make_key(request);
        if (method->cache == CONTRACT_CACHE_STORE)
            left_ns = look_up(request);
        else
            join(request);
    }
    say(request, left_ns);
    return STEP_NEXT;
}
