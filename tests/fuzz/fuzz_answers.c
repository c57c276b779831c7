/* Answers and events of each provider. The first byte says whose, the second how it is read.
 * Whatever comes, the end is one of the list, a text is there only with LLM_DONE and is clean, and
 * the reason is printable. */
#include "shared/base/utf8.h"
#include "shared/llm/credentials.h"
#include "shared/llm/dialect.h"
#include "shared/llm/tool_calls.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct llm_result *result, const struct dialect_text *text)
{
    must((unsigned)result->end <= LLM_OPEN);
    if (result->end != LLM_DONE)
        must(text->text.len == 0 && text->document == NULL && result->reason[0] != '\0');
    must(utf8_valid_bytes(text->text) == text->text.len);
    must(text->text.len == 0 || memchr(text->text.at, '\0', text->text.len) == NULL);
    for (const char *at = result->reason; *at != '\0'; at++)
        must(*at >= ' ' && *at <= '~');
}

static void check_calls(struct tool_calls *calls)
{
    if (!tool_calls_finish(calls))
        return;
    must(calls->n <= TOOL_CALLS_MOST);
    for (size_t i = 0; i < calls->n; i++) {
        const struct chat_part *part = &calls->parts[i];
        must(part->name.len > 0 && part->text.len > 0);
        must(utf8_valid(part->name) && utf8_valid(part->text) && utf8_valid(part->id));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dialect *const dialects[] = {&dialect_openai, &dialect_gemini,
                                                     &dialect_anthropic};
    static const int statuses[] = {200, 400, 429, 529};
    if (size < 2)
        return 0;
    const struct dialect *dialect = dialects[data[0] % 3];
    struct span rest = span_make((const char *)data + 2, size - 2);
    struct tool_calls *calls = data[1] % 4 < 2 ? tool_calls_new(span_of("Answer")) : NULL;
    struct llm_result result = {.http_status = statuses[data[1] / 4 % 4], .drafts = calls};
    struct dialect_text text = {0};
    if (data[1] % 2 == 0)
        dialect->read(rest, &result, &text);
    else
        dialect->read_event(data[1] > 128 ? span_of("error") : SPAN_EMPTY, rest, &result, &text);
    check(&result, &text);
    if (calls != NULL)
        check_calls(calls);
    calls = tool_calls_free(calls);
    dialect_drop(&text);
    free(credentials_read(rest));
    return 0;
}
