/* Anthropic's messages: reading answers, events and errors. */
#include "shared/llm/anthropic.h"
#include "shared/llm/reading.h"

#include "shared/base/must.h"

#include <stdlib.h>

/* {"type":"error","error":{"type":"overloaded_error","message":"..."}} */
static void append_error(struct llm_result *result, const json_t *document)
{
    reading_word(result, json_object_get(document, "error"), "type");
}

/* An error in a stream has no status of its own (docs.anthropic.com/en/api/errors). */
static int status_of_error(const json_t *document)
{
    static const struct {
        const char *type;
        int status;
    } known[] = {{"invalid_request_error", 400},
                 {"authentication_error", 401},
                 {"permission_error", 403},
                 {"not_found_error", 404},
                 {"request_too_large", 413},
                 {"rate_limit_error", 429},
                 {"api_error", 500},
                 {"timeout_error", 504},
                 {"overloaded_error", 529}};
    const json_t *error = json_object_get(document, "error");
    const char *type = json_string_value(json_object_get(error, "type"));
    for (size_t i = 0; type != NULL && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(type, known[i].type) == 0)
            return known[i].status;
    return 500;
}

static void read_error(const json_t *document, struct llm_result *result)
{
    result->http_status = status_of_error(document);
    reading_end(result, dialect_end_of_status(result->http_status), "an error in the stream");
    append_error(result, document);
}

/* What came in: plain, written to a cache, read from one. */
static bool read_input(const json_t *usage, uint64_t *tokens)
{
    uint64_t plain = 0, written = 0, cached = 0;
    if (!reading_count(usage, "input_tokens", &plain))
        return false;
    (void)!reading_count(usage, "cache_creation_input_tokens", &written);
    (void)!reading_count(usage, "cache_read_input_tokens", &cached);
    *tokens = plain + written + cached;
    return true;
}

/* False: the model's words are not to be used. */
static bool read_stop(const json_t *said, struct llm_result *result)
{
    const char *reason = json_string_value(json_object_get(said, "stop_reason"));
    if (reason == NULL)
        return true;
    if (strcmp(reason, "refusal") == 0) {
        reading_end(result, LLM_FILTERED, "the model refused");
        return false;
    }
    bool length =
        strcmp(reason, "max_tokens") == 0 || strcmp(reason, "model_context_window_exceeded") == 0;
    result->stop = length ? LLM_STOP_LENGTH : LLM_STOP_END;
    return true;
}

/* --- answers --- */

/* The input of the tool that was forced on the model, as the JSON text that it stands for. */
static void add_input(struct dialect_text *text, const json_t *input)
{
    char *json = json_dumps(input, JSON_COMPACT);
    must(json != NULL);
    buf_init(&text->joined, NULL, LLM_ANSWER_BYTES);
    buf_put_text(&text->joined, json);
    free(json);
    text->text = buf_span(&text->joined);
}

/* Where other tools are on offer, the answer is told by its name. */
static bool is_answer(struct span name, const struct llm_result *result)
{
    return result->drafts == NULL || span_equal(name, result->drafts->answer);
}

static void add_call(struct tool_calls *calls, const json_t *block, int64_t key)
{
    struct tool_draft *draft = tool_calls_add(calls, key);
    if (draft == NULL)
        return;
    buf_put_span(&draft->id, reading_text(block, "id"));
    buf_put_span(&draft->name, reading_text(block, "name"));
    if (json_object_size(json_object_get(block, "input")) > 0) /* a stream's comes later */
        reading_put_object(block, "input", &draft->arguments);
}

/* The input of the call that is the answer; other calls are noted. */
static const json_t *find_input(const json_t *content, struct llm_result *result)
{
    size_t i;
    const json_t *block, *found = NULL;
    json_array_foreach(content, i, block)
    {
        const json_t *input = json_object_get(block, "input");
        if (!span_is(reading_text(block, "type"), "tool_use") || !json_is_object(input))
            continue;
        if (!is_answer(reading_text(block, "name"), result))
            add_call(result->drafts, block, (int64_t)i);
        else if (found == NULL)
            found = input;
    }
    return found;
}

static void add_texts(const json_t *content, struct llm_result *result, struct dialect_text *text)
{
    size_t i;
    const json_t *block;
    json_array_foreach(content, i, block)
    {
        const char *type = json_string_value(json_object_get(block, "type"));
        const json_t *said = json_object_get(block, "text");
        if (type == NULL || strcmp(type, "text") != 0)
            continue;
        if (json_is_string(said))
            reading_add(text, span_make(json_string_value(said), json_string_length(said)));
        else
            reading_end(result, LLM_GARBLED, "a text block has no text");
    }
}

static void read_message(const json_t *document, struct llm_result *result,
                         struct dialect_text *text)
{
    const json_t *content = json_object_get(document, "content");
    const json_t *usage = json_object_get(document, "usage");
    struct llm_usage said = {.known = true};
    if (read_input(usage, &said.input_tokens) &&
        reading_count(usage, "output_tokens", &said.output_tokens))
        result->usage = said;
    if (!read_stop(document, result))
        return;
    const json_t *input = find_input(content, result);
    bool calls = reading_has_calls(result);
    if (!json_is_array(content))
        reading_end(result, LLM_GARBLED, "no content in the message");
    else if (input != NULL && !calls)
        add_input(text, input);
    else
        add_texts(content, result, text);
    if (text->joined.overflow)
        reading_end(result, LLM_TOO_LARGE, "too much text");
    else if (result->end == LLM_DONE && text->text.at == NULL && !calls)
        reading_end(result, LLM_GARBLED, "no text in the message");
}

static void read_whole(const json_t *document, struct llm_result *result, struct dialect_text *text)
{
    if (json_object_get(document, "error") != NULL)
        read_error(document, result);
    else
        read_message(document, result, text);
}

void anthropic_read(struct span body, struct llm_result *result, struct dialect_text *text)
{
    reading_answer(body, result, text, append_error, read_whole);
}

/* --- events --- */

static void on_start(const json_t *document, struct llm_result *result, struct dialect_text *text)
{
    const json_t *message = json_object_get(document, "message");
    (void)text;
    if (!json_is_object(message)) {
        reading_end(result, LLM_GARBLED, "no message in message_start");
        return;
    }
    const json_t *usage = json_object_get(message, "usage");
    result->usage.known = false; /* until message_delta */
    (void)!read_input(usage, &result->usage.input_tokens);
    (void)!reading_count(usage, "output_tokens", &result->usage.output_tokens);
}

static int64_t index_of(const json_t *document)
{
    return json_integer_value(json_object_get(document, "index"));
}

static void on_block_start(const json_t *document, struct llm_result *result,
                           struct dialect_text *text)
{
    const json_t *block = json_object_get(document, "content_block");
    (void)text;
    if (span_is(reading_text(block, "type"), "tool_use") &&
        !is_answer(reading_text(block, "name"), result))
        add_call(result->drafts, block, index_of(document));
}

/* Thoughts and their signatures are not for the caller. */
static void on_block_delta(const json_t *document, struct llm_result *result,
                           struct dialect_text *text)
{
    const json_t *delta = json_object_get(document, "delta");
    const char *type = json_string_value(json_object_get(delta, "type"));
    const char *member = NULL;
    if (type == NULL)
        reading_end(result, LLM_GARBLED, "no delta in content_block_delta");
    else if (strcmp(type, "text_delta") == 0)
        member = "text";
    else if (strcmp(type, "input_json_delta") == 0)
        member = "partial_json";
    if (member == NULL)
        return;
    const json_t *said = json_object_get(delta, member);
    struct tool_draft *draft = member[0] == 'p' && result->drafts != NULL
                                   ? tool_calls_find(result->drafts, index_of(document))
                                   : NULL;
    if (draft != NULL)
        buf_put_span(&draft->arguments, reading_text(delta, member));
    else if (json_is_string(said))
        reading_add(text, span_make(json_string_value(said), json_string_length(said)));
    else
        reading_end(result, LLM_GARBLED, "a delta has no text");
}

static void on_delta(const json_t *document, struct llm_result *result, struct dialect_text *text)
{
    const json_t *delta = json_object_get(document, "delta");
    const json_t *usage = json_object_get(document, "usage");
    (void)text;
    if (!json_is_object(delta)) {
        reading_end(result, LLM_GARBLED, "no delta in message_delta");
        return;
    }
    (void)!read_input(usage, &result->usage.input_tokens); /* only newer servers repeat it */
    if (reading_count(usage, "output_tokens", &result->usage.output_tokens))
        result->usage.known = result->usage.input_tokens > 0;
    (void)!read_stop(delta, result);
}

static void on_stop(const json_t *document, struct llm_result *result, struct dialect_text *text)
{
    (void)document;
    (void)result;
    text->last = true;
}

static void on_error(const json_t *document, struct llm_result *result, struct dialect_text *text)
{
    (void)text;
    read_error(document, result);
}

void anthropic_read_event(struct span name, struct span data, struct llm_result *result,
                          struct dialect_text *text)
{
    static const struct {
        const char *type;
        void (*read)(const json_t *, struct llm_result *, struct dialect_text *);
    } events[] = {{"message_start", on_start},
                  {"content_block_start", on_block_start},
                  {"content_block_delta", on_block_delta},
                  {"message_delta", on_delta},
                  {"message_stop", on_stop},
                  {"error", on_error}};
    *text = (struct dialect_text){0};
    result->end = LLM_DONE;
    json_t *document = reading_parse(data);
    const char *type = json_string_value(json_object_get(document, "type"));
    if (type == NULL && span_is(name, "error"))
        read_error(document, result);
    else if (type == NULL)
        reading_end(result, LLM_GARBLED, "an event without a type");
    /* Others, such as ping and those to come, say nothing. */
    for (size_t i = 0; type != NULL && i < sizeof events / sizeof events[0]; i++)
        if (strcmp(type, events[i].type) == 0)
            events[i].read(document, result, text);
    reading_keep(document, result, text);
}
