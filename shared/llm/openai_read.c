/* OpenAI's chat completions: reading answers, chunks and errors. What a provider says about an
 * error stays here: only its type and code, cut to harmless characters, go to the log. */
#include "shared/llm/openai.h"

#include <jansson.h>
#include <stdio.h>

enum { CODE_CHARACTERS = 40 };

bool openai_is_end(struct span data)
{
    return span_is(span_trim(data), "[DONE]");
}

void openai_drop(struct openai_text *text)
{
    json_decref(text->document);
    *text = (struct openai_text){0};
}

enum llm_end openai_end_of_status(int status)
{
    if (status >= 200 && status < 300)
        return LLM_DONE;
    if (status == 408 || status == 504)
        return LLM_TIMED_OUT;
    if (status == 429)
        return LLM_BUSY;
    if (status >= 400 && status < 500)
        return LLM_REJECTED;
    return status >= 500 && status < 600 ? LLM_FAILED : LLM_GARBLED;
}

/* --- reasons --- */

static void append_reason(struct llm_result *result, const char *text)
{
    size_t len = strlen(result->reason);
    (void)snprintf(result->reason + len, sizeof result->reason - len, "%s%s", len > 0 ? ", " : "",
                   text);
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

/* The error's `type` and `code`: words of a provider's list, not its prose. */
static void append_code(struct llm_result *result, const json_t *error, const char *member)
{
    const json_t *value = json_object_get(error, member);
    const char *text = json_string_value(value);
    char code[CODE_CHARACTERS + 1] = "";
    size_t len = 0;
    if (json_is_integer(value))
        (void)snprintf(code, sizeof code, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    for (; text != NULL && text[len] != '\0' && len < CODE_CHARACTERS; len++)
        code[len] = text[len];
    for (size_t i = 0; code[i] != '\0'; i++)
        if (!is_plain(code[i]))
            code[i] = '?';
    if (code[0] != '\0')
        append_reason(result, code);
}

static void end_with(struct llm_result *result, enum llm_end end, const char *reason)
{
    result->end = end;
    append_reason(result, reason);
}

/* {"error":{"message","type","code"}}; Ollama has {"error":"message"}. */
static void append_error(struct llm_result *result, const json_t *document)
{
    const json_t *error = json_object_get(document, "error");
    append_code(result, error, "type");
    append_code(result, error, "code");
}

/* --- members that answers and chunks share --- */

static void read_usage(const json_t *document, struct llm_usage *usage)
{
    const json_t *said = json_object_get(document, "usage");
    const json_t *in = json_object_get(said, "prompt_tokens");
    const json_t *out = json_object_get(said, "completion_tokens");
    if (!json_is_integer(in) || !json_is_integer(out) || json_integer_value(in) < 0 ||
        json_integer_value(out) < 0)
        return;
    usage->input_tokens = (uint64_t)json_integer_value(in);
    usage->output_tokens = (uint64_t)json_integer_value(out);
    usage->known = true;
}

/* The message of an answer, the delta of a chunk. Did the model say something usable? */
static bool read_said(const json_t *choice, const json_t *said, struct llm_result *result,
                      struct span *text)
{
    const json_t *content = json_object_get(said, "content");
    const char *finish = json_string_value(json_object_get(choice, "finish_reason"));
    const char *refusal = json_string_value(json_object_get(said, "refusal"));
    if (refusal != NULL && refusal[0] != '\0') {
        end_with(result, LLM_REJECTED, "the model refused");
        return false;
    }
    if (finish != NULL && strcmp(finish, "content_filter") == 0) {
        end_with(result, LLM_REJECTED, "content_filter");
        return false;
    }
    if (json_is_string(content))
        *text = span_make(json_string_value(content), json_string_length(content));
    else if (content != NULL && !json_is_null(content)) {
        end_with(result, LLM_GARBLED, "the content is no text");
        return false;
    }
    return true;
}

/* Without NUL and in UTF-8 only: jansson refuses the rest. */
static json_t *parse(struct span text)
{
    json_t *document = json_loadb(text.len > 0 ? text.at : "", text.len, 0, NULL);
    if (json_is_object(document))
        return document;
    json_decref(document);
    return NULL;
}

static bool has_error(const json_t *document)
{
    const json_t *error = json_object_get(document, "error");
    return error != NULL && !json_is_null(error);
}

/* --- answers --- */

static void read_answer(const json_t *document, struct llm_result *result, struct span *text)
{
    const json_t *choice = json_array_get(json_object_get(document, "choices"), 0);
    const json_t *message = json_object_get(choice, "message");
    read_usage(document, &result->usage);
    if (has_error(document)) {
        end_with(result, LLM_FAILED, "an error in place of an answer");
        append_error(result, document);
    } else if (!json_is_object(message)) {
        end_with(result, LLM_GARBLED, "no message in the answer");
    } else if (read_said(choice, message, result, text) && text->at == NULL) {
        end_with(result, LLM_GARBLED, "no content in the message");
    }
}

void openai_read(struct span body, struct llm_result *result, struct openai_text *text)
{
    *text = (struct openai_text){0};
    result->end = openai_end_of_status(result->http_status);
    json_t *document = parse(body);
    if (result->end != LLM_DONE) {
        char status[32];
        (void)snprintf(status, sizeof status, "status %d", result->http_status);
        append_reason(result, status);
        append_error(result, document);
    } else if (document == NULL) {
        end_with(result, LLM_GARBLED, "the answer is no JSON object");
    } else {
        read_answer(document, result, &text->text);
    }
    if (result->end == LLM_DONE)
        text->document = document;
    else
        json_decref(document);
}

/* --- chunks --- */

static void read_choice(const json_t *document, struct llm_result *result, struct span *text)
{
    const json_t *choices = json_object_get(document, "choices");
    const json_t *choice = json_array_get(choices, 0);
    const json_t *delta = json_object_get(choice, "delta");
    if (!json_is_array(choices))
        end_with(result, LLM_GARBLED, "no choices in a chunk");
    else if (choice != NULL && !json_is_object(delta)) /* the chunk with the usage has none */
        end_with(result, LLM_GARBLED, "no delta in a chunk");
    else if (choice != NULL)
        (void)read_said(choice, delta, result, text);
}

void openai_read_chunk(struct span name, struct span data, struct llm_result *result,
                       struct openai_text *text)
{
    *text = (struct openai_text){0};
    result->end = LLM_DONE;
    json_t *document = parse(data);
    if (has_error(document) || span_is(name, "error")) {
        end_with(result, LLM_FAILED, "an error in the stream");
        append_error(result, document);
    } else if (document == NULL) {
        end_with(result, LLM_GARBLED, "a chunk is no JSON object");
    } else {
        read_usage(document, &result->usage);
        read_choice(document, result, &text->text);
    }
    if (result->end == LLM_DONE)
        text->document = document;
    else
        json_decref(document);
}
