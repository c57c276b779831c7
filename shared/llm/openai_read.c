/* OpenAI's chat completions: reading answers, chunks and errors. What a provider says about an
 * error stays here: only its type and code, cut to harmless characters, go to the log. */
#include "shared/llm/openai.h"

#include "shared/base/json_view.h"
#include "shared/llm/reading.h"

#include <stdio.h>

/* A document that is no object has no members either. */
static struct json_view parse(struct span text)
{
    struct json_view document = json_view_parse(text);
    return json_view_is_object(document) ? document : (struct json_view){SPAN_EMPTY};
}

static void append_word(struct llm_result *result, struct json_view value)
{
    char word[READING_WORD_BYTES];
    struct buf text;
    int64_t number;
    buf_init(&text, NULL, LLM_ANSWER_BYTES);
    json_view_put(value, &text);
    if (json_view_integer(value, &number))
        buf_put_i64(&text, number);
    (void)snprintf(word, sizeof word, "%.*s", (int)text.len, text.len > 0 ? text.at : "");
    buf_fini(&text);
    reading_note_word(result, word);
}

/* {"message","type","code"}; Ollama has a string. */
static void append_error(struct llm_result *result, struct json_view error)
{
    append_word(result, json_view_get(error, "type"));
    append_word(result, json_view_get(error, "code"));
}

/* --- members that answers and chunks share --- */

static bool read_count(struct json_view value, uint64_t *count)
{
    int64_t said;
    if (!json_view_integer(value, &said) || said < 0)
        return false;
    *count = (uint64_t)said;
    return true;
}

static void read_usage(struct json_view said, struct llm_usage *usage)
{
    struct json_member counts[] = {{.name = SPAN_LITERAL("prompt_tokens")},
                                   {.name = SPAN_LITERAL("completion_tokens")}};
    uint64_t in, out;
    json_view_find(said, counts, 2);
    if (read_count(counts[0].value, &in) && read_count(counts[1].value, &out))
        *usage = (struct llm_usage){.input_tokens = in, .output_tokens = out, .known = true};
}

/* A call, or a piece of one: a new id at the same place begins another. */
static void read_call(struct json_view said, int64_t place, struct tool_calls *calls)
{
    struct json_view function = json_view_get(said, "function");
    struct json_view id = json_view_get(said, "id");
    int64_t key = place;
    (void)json_view_integer(json_view_get(said, "index"), &key); /* else it stays so */
    bool named = json_view_is_string(id) && !json_view_is(id, SPAN_EMPTY);
    struct tool_draft *draft = tool_calls_find(calls, key);
    if (draft == NULL || (named && draft->id.len > 0 && !json_view_is(id, buf_span(&draft->id))))
        draft = tool_calls_add(calls, key);
    if (draft == NULL)
        return;
    if (draft->id.len == 0)
        json_view_put(id, &draft->id);
    json_view_put(json_view_get(function, "name"), &draft->name);
    json_view_put(json_view_get(function, "arguments"), &draft->arguments);
}

static void read_calls(struct json_view calls, struct llm_result *result)
{
    if (result->drafts == NULL)
        return;
    struct json_view call = json_view_first(calls);
    for (int64_t i = 0; json_view_is_there(call); i++) {
        read_call(call, i, result->drafts);
        call = json_view_after(calls, call);
    }
}

static bool has_calls(const struct llm_result *result)
{
    return result->drafts != NULL && (result->drafts->n > 0 || result->drafts->overflow);
}

/* Where it stands, unless there are escapes to be resolved. */
static void read_content(struct json_view content, struct dialect_text *text)
{
    if (json_view_plain(content, &text->text))
        return;
    buf_init(&text->joined, NULL, LLM_ANSWER_BYTES);
    json_view_put(content, &text->joined);
    text->text = buf_span(&text->joined);
}

/* What the members of an answer's document, and of a chunk's, are. */
struct document {
    struct json_view whole, error, usage, choices;
};

static struct document members_of(struct json_view whole)
{
    struct json_member members[] = {{.name = SPAN_LITERAL("error")},
                                    {.name = SPAN_LITERAL("usage")},
                                    {.name = SPAN_LITERAL("choices")}};
    json_view_find(whole, members, 3);
    return (struct document){whole, members[0].value, members[1].value, members[2].value};
}

/* A choice: its message or delta, and why it ends. */
struct choice {
    struct json_view whole, said, finish;
};

static struct choice first_choice(struct json_view choices, struct span name_of_said)
{
    struct json_member members[] = {{.name = name_of_said},
                                    {.name = SPAN_LITERAL("finish_reason")}};
    struct json_view first = json_view_first(choices);
    json_view_find(first, members, 2);
    return (struct choice){first, members[0].value, members[1].value};
}

/* Did the model say something usable? */
static bool read_said(const struct choice *choice, struct llm_result *result,
                      struct dialect_text *text)
{
    struct json_member members[] = {{.name = SPAN_LITERAL("content")},
                                    {.name = SPAN_LITERAL("refusal")},
                                    {.name = SPAN_LITERAL("tool_calls")}};
    json_view_find(choice->said, members, 3);
    struct json_view content = members[0].value, refusal = members[1].value;
    if (json_view_is_string(refusal) && !json_view_is(refusal, SPAN_EMPTY)) {
        reading_end(result, LLM_FILTERED, "the model refused");
        return false;
    }
    if (json_view_is(choice->finish, span_of("content_filter"))) {
        reading_end(result, LLM_FILTERED, "content_filter");
        return false;
    }
    if (json_view_is_string(choice->finish))
        result->stop =
            json_view_is(choice->finish, span_of("length")) ? LLM_STOP_LENGTH : LLM_STOP_END;
    read_calls(members[2].value, result);
    if (json_view_is_string(content)) {
        read_content(content, text);
    } else if (json_view_is_there(content) && !json_view_is_null(content)) {
        reading_end(result, LLM_GARBLED, "the content is no text");
        return false;
    }
    return true;
}

static bool has_error(const struct document *document)
{
    return json_view_is_there(document->error) && !json_view_is_null(document->error);
}

static void drop_unless_done(const struct llm_result *result, struct dialect_text *text)
{
    if (result->end != LLM_DONE)
        dialect_drop(text);
}

/* --- answers --- */

static void read_answer(const struct document *document, struct llm_result *result,
                        struct dialect_text *text)
{
    struct choice choice = first_choice(document->choices, (struct span)SPAN_LITERAL("message"));
    read_usage(document->usage, &result->usage);
    if (has_error(document)) {
        reading_end(result, LLM_FAILED, "an error in place of an answer");
        append_error(result, document->error);
    } else if (!json_view_is_object(choice.said)) {
        reading_end(result, LLM_GARBLED, "no message in the answer");
    } else if (read_said(&choice, result, text) && text->text.at == NULL && !has_calls(result)) {
        reading_end(result, LLM_GARBLED, "no content in the message");
    }
}

void openai_read(struct span body, struct llm_result *result, struct dialect_text *text)
{
    *text = (struct dialect_text){0};
    result->end = dialect_end_of_status(result->http_status);
    struct document document = members_of(parse(body));
    if (result->end != LLM_DONE) {
        char status[32];
        (void)snprintf(status, sizeof status, "status %d", result->http_status);
        reading_note(result, status);
        append_error(result, document.error);
    } else if (!json_view_is_there(document.whole)) {
        reading_end(result, LLM_GARBLED, "the answer is no JSON object");
    } else {
        read_answer(&document, result, text);
    }
    drop_unless_done(result, text);
}

/* --- chunks --- */

static void read_choice(struct json_view choices, struct llm_result *result,
                        struct dialect_text *text)
{
    struct choice choice = first_choice(choices, (struct span)SPAN_LITERAL("delta"));
    bool is_there = json_view_is_there(choice.whole); /* the usage's chunk has none */
    if (!json_view_is_array(choices))
        reading_end(result, LLM_GARBLED, "no choices in a chunk");
    else if (is_there && !json_view_is_object(choice.said))
        reading_end(result, LLM_GARBLED, "no delta in a chunk");
    else if (is_there)
        (void)read_said(&choice, result, text);
}

void openai_read_event(struct span name, struct span data, struct llm_result *result,
                       struct dialect_text *text)
{
    *text = (struct dialect_text){0};
    result->end = LLM_DONE;
    text->last = span_is(span_trim(data), "[DONE]");
    if (text->last)
        return;
    struct document document = members_of(parse(data));
    if (has_error(&document) || span_is(name, "error")) {
        reading_end(result, LLM_FAILED, "an error in the stream");
        append_error(result, document.error);
    } else if (!json_view_is_there(document.whole)) {
        reading_end(result, LLM_GARBLED, "a chunk is no JSON object");
    } else {
        read_usage(document.usage, &result->usage);
        read_choice(document.choices, result, text);
    }
    drop_unless_done(result, text);
}
