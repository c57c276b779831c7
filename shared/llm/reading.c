#include "shared/llm/reading.h"

#include <stdio.h>
#include <stdlib.h>

json_t *reading_parse(struct span text)
{
    json_t *document = json_loadb(text.len > 0 ? text.at : "", text.len, 0, NULL);
    if (json_is_object(document))
        return document;
    json_decref(document);
    return NULL;
}

void reading_note(struct llm_result *result, const char *text)
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

void reading_note_word(struct llm_result *result, const char *text)
{
    char word[READING_WORD_BYTES] = "";
    for (size_t i = 0; text[i] != '\0' && i < sizeof word - 1; i++)
        word[i] = is_plain(text[i]) ? text[i] : '?';
    if (word[0] != '\0')
        reading_note(result, word);
}

void reading_word(struct llm_result *result, const json_t *object, const char *member)
{
    const json_t *value = json_object_get(object, member);
    char number[READING_WORD_BYTES];
    if (json_is_string(value))
        reading_note_word(result, json_string_value(value));
    if (!json_is_integer(value))
        return;
    (void)snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    reading_note_word(result, number);
}

void reading_end(struct llm_result *result, enum llm_end end, const char *reason)
{
    result->end = end;
    reading_note(result, reason);
}

bool reading_count(const json_t *object, const char *member, uint64_t *count)
{
    const json_t *value = json_object_get(object, member);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *count = (uint64_t)json_integer_value(value);
    return true;
}

struct span reading_text(const json_t *object, const char *member)
{
    const json_t *value = json_object_get(object, member);
    return json_is_string(value) ? span_make(json_string_value(value), json_string_length(value))
                                 : SPAN_EMPTY;
}

void reading_put_object(const json_t *object, const char *member, struct buf *out)
{
    const json_t *value = json_object_get(object, member);
    char *text = json_is_object(value) ? json_dumps(value, JSON_COMPACT) : NULL;
    buf_put_text(out, text != NULL ? text : "{}");
    free(text);
}

void reading_add(struct dialect_text *text, struct span part)
{
    if (text->text.len == 0) {
        text->text = part;
        return;
    }
    if (part.len == 0)
        return;
    if (text->joined.len == 0) {
        buf_init(&text->joined, NULL, LLM_ANSWER_BYTES);
        buf_put_span(&text->joined, text->text);
    }
    buf_put_span(&text->joined, part);
    text->text = buf_span(&text->joined);
}

void reading_keep(json_t *document, const struct llm_result *result, struct dialect_text *text)
{
    text->document = document;
    if (result->end != LLM_DONE)
        dialect_drop(text);
}

bool reading_has_calls(const struct llm_result *result)
{
    return result->drafts != NULL && (result->drafts->n > 0 || result->drafts->overflow);
}

void reading_answer(struct span body, struct llm_result *result, struct dialect_text *text,
                    void (*append_error)(struct llm_result *result, const json_t *document),
                    void (*read)(const json_t *document, struct llm_result *result,
                                 struct dialect_text *text))
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
        read(document, result, text);
    }
    reading_keep(document, result, text);
}
