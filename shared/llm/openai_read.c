/* OpenAI's chat completions: reading answers, chunks and errors. What a provider says about an
 * error stays here: only its type and code, cut to harmless characters, go to the log. */
#include "shared/llm/openai.h"

#include "shared/llm/reading.h"

#include <stdio.h>

/* {"error":{"message","type","code"}}; Ollama has {"error":"message"}. */
static void append_error(struct llm_result *result, const json_t *document)
{
    const json_t *error = json_object_get(document, "error");
    reading_word(result, error, "type");
    reading_word(result, error, "code");
}

/* --- members that answers and chunks share --- */

static void read_usage(const json_t *document, struct llm_usage *usage)
{
    const json_t *said = json_object_get(document, "usage");
    uint64_t in, out;
    if (!reading_count(said, "prompt_tokens", &in) ||
        !reading_count(said, "completion_tokens", &out))
        return;
    *usage = (struct llm_usage){.input_tokens = in, .output_tokens = out, .known = true};
}

/* A call, or a piece of one: a new id at the same place begins another. */
static void read_call(const json_t *said, int64_t place, struct tool_calls *calls)
{
    const json_t *index = json_object_get(said, "index");
    const json_t *function = json_object_get(said, "function");
    struct span id = reading_text(said, "id");
    int64_t key = json_is_integer(index) ? json_integer_value(index) : place;
    struct tool_draft *draft = tool_calls_find(calls, key);
    if (draft == NULL || (id.len > 0 && draft->id.len > 0 && !span_equal(id, buf_span(&draft->id))))
        draft = tool_calls_add(calls, key);
    if (draft == NULL)
        return;
    if (draft->id.len == 0)
        buf_put_span(&draft->id, id);
    buf_put_span(&draft->name, reading_text(function, "name"));
    buf_put_span(&draft->arguments, reading_text(function, "arguments"));
}

static void read_calls(const json_t *said, struct llm_result *result)
{
    const json_t *call;
    size_t i;
    if (result->drafts == NULL)
        return;
    json_array_foreach(json_object_get(said, "tool_calls"), i, call)
    {
        read_call(call, (int64_t)i, result->drafts);
    }
}

static bool has_calls(const struct llm_result *result)
{
    return result->drafts != NULL && (result->drafts->n > 0 || result->drafts->overflow);
}

/* The message of an answer, the delta of a chunk. Did the model say something usable? */
static bool read_said(const json_t *choice, const json_t *said, struct llm_result *result,
                      struct dialect_text *text)
{
    const json_t *content = json_object_get(said, "content");
    const char *finish = json_string_value(json_object_get(choice, "finish_reason"));
    const char *refusal = json_string_value(json_object_get(said, "refusal"));
    if (refusal != NULL && refusal[0] != '\0') {
        reading_end(result, LLM_FILTERED, "the model refused");
        return false;
    }
    if (finish != NULL && strcmp(finish, "content_filter") == 0) {
        reading_end(result, LLM_FILTERED, "content_filter");
        return false;
    }
    if (finish != NULL)
        result->stop = strcmp(finish, "length") == 0 ? LLM_STOP_LENGTH : LLM_STOP_END;
    read_calls(said, result);
    if (json_is_string(content)) {
        reading_add(text, span_make(json_string_value(content), json_string_length(content)));
    } else if (content != NULL && !json_is_null(content)) {
        reading_end(result, LLM_GARBLED, "the content is no text");
        return false;
    }
    return true;
}

static bool has_error(const json_t *document)
{
    const json_t *error = json_object_get(document, "error");
    return error != NULL && !json_is_null(error);
}

/* --- answers --- */

static void read_answer(const json_t *document, struct llm_result *result,
                        struct dialect_text *text)
{
    const json_t *choice = json_array_get(json_object_get(document, "choices"), 0);
    const json_t *message = json_object_get(choice, "message");
    read_usage(document, &result->usage);
    if (has_error(document)) {
        reading_end(result, LLM_FAILED, "an error in place of an answer");
        append_error(result, document);
    } else if (!json_is_object(message)) {
        reading_end(result, LLM_GARBLED, "no message in the answer");
    } else if (read_said(choice, message, result, text) && text->text.at == NULL &&
               !has_calls(result)) {
        reading_end(result, LLM_GARBLED, "no content in the message");
    }
}

void openai_read(struct span body, struct llm_result *result, struct dialect_text *text)
{
    *text = (struct dialect_text){0};
    result->end = dialect_end_of_status(result->http_status);
    json_t *document = reading_parse(body);
    if (result->end != LLM_DONE) {
        char status[32];
        (void)snprintf(status, sizeof status, "status %d", result->http_status);
        reading_note(result, status);
        append_error(result, document);
    } else if (document == NULL) {
        reading_end(result, LLM_GARBLED, "the answer is no JSON object");
    } else {
        read_answer(document, result, text);
    }
    reading_keep(document, result, text);
}

/* --- chunks --- */

static void read_choice(const json_t *document, struct llm_result *result,
                        struct dialect_text *text)
{
    const json_t *choices = json_object_get(document, "choices");
    const json_t *choice = json_array_get(choices, 0);
    const json_t *delta = json_object_get(choice, "delta");
    if (!json_is_array(choices))
        reading_end(result, LLM_GARBLED, "no choices in a chunk");
    else if (choice != NULL && !json_is_object(delta)) /* the chunk with the usage has none */
        reading_end(result, LLM_GARBLED, "no delta in a chunk");
    else if (choice != NULL)
        (void)read_said(choice, delta, result, text);
}

void openai_read_event(struct span name, struct span data, struct llm_result *result,
                       struct dialect_text *text)
{
    *text = (struct dialect_text){0};
    result->end = LLM_DONE;
    text->last = span_is(span_trim(data), "[DONE]");
    if (text->last)
        return;
    json_t *document = reading_parse(data);
    if (has_error(document) || span_is(name, "error")) {
        reading_end(result, LLM_FAILED, "an error in the stream");
        append_error(result, document);
    } else if (document == NULL) {
        reading_end(result, LLM_GARBLED, "a chunk is no JSON object");
    } else {
        read_usage(document, &result->usage);
        read_choice(document, result, text);
    }
    reading_keep(document, result, text);
}
