#include "shared/llm/tool_calls.h"

#include <stdlib.h>

struct tool_calls *tool_calls_new(struct span answer)
{
    struct tool_calls *calls = calloc(1, sizeof *calls);
    must(calls != NULL);
    calls->answer = answer;
    return calls;
}

static void free_draft(struct tool_draft *draft)
{
    buf_fini(&draft->name);
    buf_fini(&draft->id);
    buf_fini(&draft->arguments);
    buf_fini(&draft->echo);
}

struct tool_calls *tool_calls_free(struct tool_calls *calls)
{
    if (calls != NULL)
        tool_calls_clear(calls);
    free(calls);
    return NULL;
}

void tool_calls_clear(struct tool_calls *calls)
{
    for (size_t i = 0; i < calls->n; i++)
        free_draft(&calls->drafts[i]);
    calls->n = 0;
    calls->overflow = false;
}

struct tool_draft *tool_calls_add(struct tool_calls *calls, int64_t key)
{
    if (calls->n == TOOL_CALLS_MOST) {
        calls->overflow = true;
        return NULL;
    }
    struct tool_draft *draft = &calls->drafts[calls->n++];
    draft->key = key;
    buf_init(&draft->name, NULL, TOOL_CALLS_NAME_BYTES);
    buf_init(&draft->id, NULL, TOOL_CALLS_NAME_BYTES);
    buf_init(&draft->arguments, NULL, TOOL_CALLS_TEXT_BYTES);
    buf_init(&draft->echo, NULL, TOOL_CALLS_TEXT_BYTES);
    return draft;
}

struct tool_draft *tool_calls_find(struct tool_calls *calls, int64_t key)
{
    for (size_t i = calls->n; i > 0; i--)
        if (calls->drafts[i - 1].key == key)
            return &calls->drafts[i - 1];
    return NULL;
}

bool tool_calls_finish(struct tool_calls *calls)
{
    for (size_t i = 0; i < calls->n; i++) {
        const struct tool_draft *draft = &calls->drafts[i];
        if (draft->name.len == 0 || draft->name.overflow || draft->id.overflow ||
            draft->arguments.overflow || draft->echo.overflow)
            return false;
        calls->parts[i] = (struct chat_part){.kind = CHAT_TOOL_CALL,
                                             .text = buf_span(&draft->arguments),
                                             .name = buf_span(&draft->name),
                                             .id = buf_span(&draft->id),
                                             .echo = buf_span(&draft->echo)};
        if (span_trim(calls->parts[i].text).len == 0)
            calls->parts[i].text = span_of("{}");
    }
    return !calls->overflow;
}
