#include "tests/unit/pipeline/fake_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct fake_model model;

void model_reset(void)
{
    model = (struct fake_model){.calls = 0};
}

static void note_texts(const struct conversation *what)
{
    size_t len = 0;
    for (size_t i = 0; i < what->n_messages; i++) {
        for (size_t j = 0; j < what->messages[i].n_parts; j++) {
            const struct span text = what->messages[i].parts[j].text;
            assert_true(len + text.len < sizeof model.asked);
            memcpy(model.asked + len, text.at, text.len);
            len += text.len;
        }
    }
    model.asked[len] = '\0';
}

struct llm_call *llm_start(struct llm_client *client, const struct conversation *what,
                           tick_ms now_ms, const struct llm_events *events, void *context)
{
    (void)client;
    (void)now_ms;
    assert_in_range(model.calls, 0, FAKE_MODEL_MOST_CALLS - 1);
    note_texts(what);
    model.stream = what->stream;
    model.schema = what->schema;
    model.tools = what->n_tools;
    model.call[model.calls] = (struct llm_call){.events = events, .context = context};
    return &model.call[model.calls++];
}

void llm_cancel(struct llm_call *call)
{
    assert_false(call->cancelled);
    call->cancelled = true;
    model.cancels++;
}

void llm_give_up(struct llm_call *call)
{
    model.give_ups++;
    llm_cancel(call);
}

void llm_account(const struct llm_call *call, struct llm_account *account)
{
    (void)call;
    *account =
        (struct llm_account){.provider = "fake", .attempts = 1, .usage = {.input_tokens = 1}};
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

void model_call_says(unsigned call, const char *text)
{
    assert_false(model.call[call].cancelled);
    model.call[call].events->piece(model.call[call].context, span_of(text));
}

void model_call_ends(unsigned call, const struct llm_result *result)
{
    assert_false(model.call[call].cancelled);
    model.call[call].events->done(model.call[call].context, result);
}
