/* Gemini's generateContent: reading answers, streamed or not: both come in the same shape. */
#include "shared/llm/gemini.h"
#include "shared/llm/reading.h"

/* In a stream the counts grow until the end. */
static void read_usage(const json_t *document, bool complete, struct llm_usage *usage)
{
    const json_t *said = json_object_get(document, "usageMetadata");
    uint64_t in, out = 0, thoughts = 0;
    if (!reading_count(said, "promptTokenCount", &in))
        return;
    (void)!reading_count(said, "candidatesTokenCount", &out); /* left out where it is 0 */
    (void)!reading_count(said, "thoughtsTokenCount", &thoughts);
    *usage =
        (struct llm_usage){.input_tokens = in, .output_tokens = out + thoughts, .known = complete};
}

/* {"error":{"code":429,"message":"...","status":"RESOURCE_EXHAUSTED"}} */
static void append_error(struct llm_result *result, const json_t *document)
{
    reading_word(result, json_object_get(document, "error"), "status");
}

static bool read_error(const json_t *document, struct llm_result *result)
{
    const json_t *error = json_object_get(document, "error");
    uint64_t code = 0;
    if (error == NULL || json_is_null(error))
        return false;
    reading_end(result, LLM_FAILED, "an error in place of an answer");
    append_error(result, document);
    if (reading_count(error, "code", &code) && code >= 400 && code < 600) {
        result->http_status = (int)code;
        result->end = dialect_end_of_status((int)code);
    }
    return true;
}

/* False: the model's words are not to be used. */
static bool read_finish(const json_t *candidate, struct llm_result *result)
{
    static const char *const filters[] = {"SAFETY",
                                          "RECITATION",
                                          "LANGUAGE",
                                          "BLOCKLIST",
                                          "PROHIBITED_CONTENT",
                                          "SPII",
                                          "IMAGE_SAFETY",
                                          "IMAGE_PROHIBITED_CONTENT"};
    const char *finish = json_string_value(json_object_get(candidate, "finishReason"));
    if (finish == NULL)
        return true;
    if (strcmp(finish, "STOP") == 0 || strcmp(finish, "MAX_TOKENS") == 0) {
        result->stop = finish[0] == 'S' ? LLM_STOP_END : LLM_STOP_LENGTH;
        return true;
    }
    result->end = LLM_FAILED;
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++)
        if (strcmp(finish, filters[i]) == 0)
            result->end = LLM_FILTERED;
    reading_note(result, "stopped");
    reading_word(result, candidate, "finishReason");
    return false;
}

static void read_call(const json_t *part, struct tool_calls *calls)
{
    const json_t *said = json_object_get(part, "functionCall");
    struct tool_draft *draft = tool_calls_add(calls, 0);
    if (draft == NULL)
        return;
    buf_put_span(&draft->name, reading_text(said, "name"));
    buf_put_span(&draft->id, reading_text(said, "id"));
    buf_put_span(&draft->echo, reading_text(part, "thoughtSignature"));
    reading_put_object(said, "args", &draft->arguments);
}

static void read_parts(const json_t *candidate, struct llm_result *result,
                       struct dialect_text *text)
{
    const json_t *parts = json_object_get(json_object_get(candidate, "content"), "parts");
    size_t i;
    const json_t *part;
    json_array_foreach(parts, i, part)
    {
        const json_t *said = json_object_get(part, "text");
        if (json_is_true(json_object_get(part, "thought")))
            continue;
        if (result->drafts != NULL && json_is_object(json_object_get(part, "functionCall")))
            read_call(part, result->drafts);
        if (json_is_string(said))
            reading_add(text, span_make(json_string_value(said), json_string_length(said)));
        else if (said != NULL)
            reading_end(result, LLM_GARBLED, "a part's text is no text");
    }
    if (text->joined.overflow)
        reading_end(result, LLM_TOO_LARGE, "too much text");
}

static bool read_block(const json_t *document, struct llm_result *result)
{
    const json_t *feedback = json_object_get(document, "promptFeedback");
    if (json_string_value(json_object_get(feedback, "blockReason")) == NULL)
        return false;
    reading_end(result, LLM_FILTERED, "the prompt was blocked");
    reading_word(result, feedback, "blockReason");
    return true;
}

static void read_candidate(const json_t *document, struct llm_result *result,
                           struct dialect_text *text)
{
    const json_t *candidates = json_object_get(document, "candidates");
    const json_t *candidate = json_array_get(candidates, 0);
    text->last = json_is_string(json_object_get(candidate, "finishReason"));
    if (json_is_object(candidate)) {
        if (read_finish(candidate, result))
            read_parts(candidate, result, text);
    } else if (!read_block(document, result) &&
               json_object_get(document, "usageMetadata") == NULL) {
        reading_end(result, LLM_GARBLED, "no candidates in the answer");
    }
}

static void read_whole(const json_t *document, struct llm_result *result, struct dialect_text *text)
{
    if (read_error(document, result))
        return;
    read_usage(document, true, &result->usage);
    read_candidate(document, result, text);
    if (result->end != LLM_DONE || text->text.at != NULL || reading_has_calls(result))
        return;
    if (result->stop == LLM_STOP_LENGTH) /* all of it went into thoughts */
        text->text = span_of("");
    else
        reading_end(result, LLM_GARBLED, "no text in the answer");
}

void gemini_read(struct span body, struct llm_result *result, struct dialect_text *text)
{
    reading_answer(body, result, text, append_error, read_whole);
}

void gemini_read_event(struct span name, struct span data, struct llm_result *result,
                       struct dialect_text *text)
{
    (void)name;
    *text = (struct dialect_text){0};
    result->end = LLM_DONE;
    json_t *document = reading_parse(data);
    if (document == NULL) {
        reading_end(result, LLM_GARBLED, "a chunk is no JSON object");
    } else if (!read_error(document, result)) {
        read_candidate(document, result, text);
        read_usage(document, text->last, &result->usage);
    }
    reading_keep(document, result, text);
}
