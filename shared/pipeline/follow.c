#include "shared/pipeline/follow.h"

#include "shared/flow/answer.h"
#include "shared/pipeline/shared_run.h"

static struct request *of_waiter(struct flight_waiter *waiter)
{
    return container_of(waiter, struct request, share.waiter);
}

static void settle(struct request *request, enum verdict_blame blame)
{
    const struct core *core = request->worker->core;
    request->upstream_ns += core->now_ns() - request->share.waits_since_ns;
    shared_run_leave(request, flight_leave(&request->share.waiter, blame == VERDICT_BAD));
}

void follow_stop(struct request *request, enum verdict_blame blame)
{
    timers_cancel(request->worker->timers, &request->share.soon);
    if (request->share.waiter.flight != NULL)
        settle(request, blame);
}

void follow_fini(struct request *request)
{
    must(request->share.waiter.flight == NULL && !timer_is_set(&request->share.soon));
    request->share.kept = cache_entry_unref(request->share.kept);
    request->share.fallback = cache_entry_unref(request->share.fallback);
}

/* The pieces there are, as far as the port takes them. False: the request has ended. */
static bool read_on(struct request *request, bool *all)
{
    const struct contract_method *method = request->given.method;
    struct pieces_cursor *cursor = &request->share.cursor, next;
    struct span text;
    *all = true;
    for (next = *cursor; pieces_next(&next, &text); *cursor = next) {
        if (request->port_is_full) {
            *all = false;
            return true;
        }
        arena_reset(&request->piece_arena);
        struct message_view view = {.kind = MESSAGE_PIECE,
                                    .type = method->response,
                                    .message = answer_piece(method, text.at, &request->piece_arena),
                                    .text = text};
        if (!pipeline_send(request, &view))
            return false;
    }
    return true;
}

static void add_fault(struct request *request, const struct flight_fault *fault,
                      struct verdict *verdict)
{
    struct violation *violation = arena_alloc(&request->arena, sizeof *violation);
    if (fault->rule.len == 0)
        return;
    struct span path = span_make(fault->path, fault->path_len);
    *violation = (struct violation){.path = span_make(arena_copy(&request->arena, path), path.len),
                                    .rule = fault->rule,
                                    .message = fault->message};
    verdict->violations = violation;
    verdict->n_violations = 1;
}

/* The flight has landed, and all its pieces are read. */
static void disembark(struct request *request, const struct flight_end *end)
{
    struct share *share = &request->share;
    struct verdict verdict = verdict_of((enum verdict_code)end->code);
    verdict.retry_after_ms = end->retry_after_ms;
    add_fault(request, &end->fault, &verdict);
    if (end->entry != NULL)
        share->kept = cache_entry_ref(end->entry);
    settle(request, VERDICT_NEUTRAL);
    if (share->kept != NULL)
        pipeline_continue(request);
    else if (!follow_fall_back(request, VERDICT_NEUTRAL))
        pipeline_end(request, &verdict);
}

static void follow(struct request *request)
{
    struct share *share = &request->share;
    /* The end first: with it, the pieces that are there are all. */
    const struct flight_end *end =
        share->waiter.flight != NULL ? flight_ended(share->waiter.flight) : NULL;
    bool all = true;
    if (request->given.method->streams) {
        if (!read_on(request, &all))
            return;
        if (share->waiter.flight != NULL)
            flight_read(share->waiter.flight, share->cursor.bytes);
    }
    if (!all)
        return;
    if (share->waiter.flight == NULL)
        pipeline_continue(request);
    else if (end != NULL)
        disembark(request, end);
}

static void on_wake(struct flight_waiter *waiter)
{
    follow(of_waiter(waiter));
}

static void on_soon(struct timer *timer, tick_ms now_ms)
{
    (void)now_ms;
    follow(container_of(timer, struct request, share.soon));
}

static void follow_soon(struct request *request)
{
    request->share.soon.fire = on_soon;
    timers_set(request->worker->timers, &request->share.soon,
               request->worker->core->now_ns() / 1000000U);
}

void follow_writable(struct request *request)
{
    if (request->share.waiter.flight != NULL || request->share.cursor.block != NULL)
        follow(request);
}

bool follow_fall_back(struct request *request, enum verdict_blame blame)
{
    struct share *share = &request->share;
    if (share->fallback == NULL || share->cursor.bytes > 0)
        return false;
    if (share->waiter.flight != NULL)
        settle(request, blame);
    share->kept = share->fallback;
    share->fallback = NULL;
    share->state = SHARE_HIT;
    if (request->given.method->streams) {
        pieces_start(share->kept->pieces, &share->cursor);
        follow_soon(request);
    } else {
        pipeline_continue(request);
    }
    return true;
}

void follow_prepare(struct request *request)
{
    request->share.waiter.wake = on_wake;
    request->share.waits_since_ns = request->worker->core->now_ns();
}

enum step_result follow_flight(struct request *request)
{
    struct share *share = &request->share;
    if (request->given.method->streams) {
        pieces_start(flight_pieces(share->waiter.flight), &share->cursor);
        follow_soon(request);
    }
    return STEP_WAIT;
}

enum step_result follow_kept(struct request *request)
{
    if (!request->given.method->streams)
        return STEP_NEXT;
    pieces_start(request->share.kept->pieces, &request->share.cursor);
    follow_soon(request);
    return STEP_WAIT;
}
