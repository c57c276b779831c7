/* Calls of the offline model: the whole answer is there at once and is told word by word. */
#include "shared/llm/call.h"

static void on_timer(struct timer *timer, tick_ms now_ms)
{
    (void)now_ms;
    local_deliver(container_of(timer, struct llm_call, timer));
}

void local_start(struct llm_call *call, const struct conversation *what)
{
    call->inbox.limit = LLM_ANSWER_BYTES;
    offline_write(&call->client->offline, what, &call->inbox);
    if (call->inbox.len == 0 || call->inbox.overflow) {
        call_fail(call, LLM_GARBLED, "the schema cannot be used");
        return;
    }
    call->state = CALL_SPEAKING;
    call->timer.fire = on_timer;
    call_wake(call);
}

void local_deliver(struct llm_call *call)
{
    const struct llm_client *client = call->client;
    uint64_t delay_ms = client->settings->offline_word_delay_ms;
    struct span rest = span_from(buf_span(&call->inbox), call->read);
    if (call->paused || timer_is_set(&call->timer))
        return;
    if (!call->stream) {
        call->result.text = rest;
        call_finish(call, LLM_DONE, NULL);
        return;
    }
    if (rest.len == 0) {
        call_finish(call, LLM_DONE, NULL);
        return;
    }
    struct span word = offline_word(rest);
    call->read += word.len;
    if (!call_piece(call, word))
        return;
    if (delay_ms > 0 && word.len < rest.len)
        timers_set(client->timers, &call->timer, uv_now(client->loop) + delay_ms);
    else
        call_wake(call);
}
