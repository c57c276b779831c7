/* Anthropic's messages: writing requests. */
#include "shared/llm/anthropic.h"

#include "shared/base/must.h"
#include "shared/llm/writing.h"

#include <jansson.h>
#include <stdlib.h>

/* It has to be said; what all current models can do. */
enum { USUAL_MAX_TOKENS = 4096 };

static void write_image(struct buf *out, struct span url)
{
    struct span type, base64;
    buf_put_text(out, "{\"type\":\"image\",\"source\":{\"type\":");
    if (writing_data_url(url, &type, &base64)) {
        buf_put_text(out, "\"base64\",\"media_type\":");
        buf_put_json_string(out, type);
        buf_put_text(out, ",\"data\":");
        buf_put_json_string(out, base64);
    } else {
        buf_put_text(out, "\"url\",\"url\":");
        buf_put_json_string(out, url);
    }
    buf_put_text(out, "}}");
}

static void write_part(struct buf *out, const struct chat_part *part)
{
    switch (part->kind) {
    case CHAT_TEXT:
        buf_put_text(out, "{\"type\":\"text\",\"text\":");
        buf_put_json_string(out, part->text);
        break;
    case CHAT_IMAGE:
        write_image(out, part->text);
        return;
    case CHAT_TOOL_CALL:
        buf_put_text(out, "{\"type\":\"tool_use\",\"id\":");
        writing_id(out, part);
        buf_put_text(out, ",\"name\":");
        buf_put_json_string(out, part->name);
        buf_put_text(out, ",\"input\":");
        writing_object(out, part->text);
        break;
    case CHAT_TOOL_RESULT:
        buf_put_text(out, "{\"type\":\"tool_result\",\"tool_use_id\":");
        writing_id(out, part);
        buf_put_text(out, ",\"content\":");
        buf_put_json_string(out, part->text);
        if (part->failed)
            buf_put_text(out, ",\"is_error\":true");
        break;
    }
    buf_put_char(out, '}');
}

/* Empty texts are refused there. */
static void write_message(struct buf *out, const struct chat_message *message)
{
    buf_put_text(out, message->role == CHAT_MODEL ? "{\"role\":\"assistant\",\"content\":["
                                                  : "{\"role\":\"user\",\"content\":[");
    writing_parts(message, write_part, out);
    buf_put_text(out, "]}");
}

static void write_system(const struct conversation *what, struct buf *out)
{
    size_t begin = out->len;
    buf_put_text(out, ",\"system\":\"");
    bool any = writing_system(what, out);
    buf_put_char(out, '"');
    if (!any && !out->overflow)
        out->len = begin;
}

static void write_tool(struct buf *out, struct span name, const char *description,
                       struct span schema)
{
    buf_put_text(out, "{\"name\":");
    buf_put_json_string(out, name);
    buf_put_text(out, ",\"description\":");
    buf_put_json_string(out, span_of(description));
    buf_put_text(out, ",\"input_schema\":");
    buf_put_span(out, schema);
    buf_put_char(out, '}');
}

/* A structured answer is the input of a tool that has to be called, at once or after the others. */
static void write_tools(const struct dialect_request *request, struct buf *out)
{
    const struct conversation *what = request->what;
    const char *before = ",\"tools\":[";
    if (request->schema.len > 0) {
        buf_put_text(out, before);
        before = ",";
        write_tool(out, dialect_answer_name(what), "Takes the answer. Always call it.",
                   request->schema);
    }
    for (size_t i = 0; i < what->n_tools; i++) {
        buf_put_text(out, before);
        before = ",";
        write_tool(out, span_of(what->tools[i]->name), what->tools[i]->description,
                   span_of(what->tools[i]->schema));
    }
    if (before[1] == '\0')
        buf_put_char(out, ']');
    if (request->schema.len == 0)
        return;
    buf_put_text(out, ",\"tool_choice\":{\"type\":");
    if (what->n_tools > 0) {
        buf_put_text(out, "\"any\"}");
        return;
    }
    buf_put_text(out, "\"tool\",\"name\":");
    buf_put_json_string(out, dialect_answer_name(what));
    buf_put_char(out, '}');
}

void anthropic_write(const struct dialect_request *request, struct buf *out)
{
    const struct conversation *what = request->what;
    buf_put_text(out, "{\"model\":");
    buf_put_json_string(out, request->model);
    buf_printf(out, ",\"max_tokens\":%ld",
               what->max_output_tokens > 0 ? what->max_output_tokens : USUAL_MAX_TOKENS);
    write_system(what, out);
    buf_put_text(out, ",\"messages\":[");
    if (!writing_messages(what, write_message, out)) /* it wants one */
        buf_put_text(out, "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
                          "\"Go ahead.\"}]}");
    buf_put_char(out, ']');
    if (what->temperature >= 0) /* from 0 to 1 */
        buf_printf(out, ",\"temperature\":%.6g", what->temperature < 1 ? what->temperature : 1);
    if (what->n_stop > 0) {
        buf_put_text(out, ",\"stop_sequences\":");
        writing_stop(what, out);
    }
    write_tools(request, out);
    if (what->stream)
        buf_put_text(out, ",\"stream\":true");
    buf_put_char(out, '}');
}

void anthropic_write_schema(const char *schema, struct buf *out)
{
    json_t *parsed = json_loads(schema, JSON_REJECT_DUPLICATES, NULL);
    const char *type = json_string_value(json_object_get(parsed, "type"));
    if (type != NULL && strcmp(type, "object") == 0) {
        char *text = json_dumps(parsed, JSON_COMPACT);
        must(text != NULL);
        buf_put_text(out, text);
        free(text);
    }
    json_decref(parsed);
}

static void write_path(struct span model, bool stream, struct buf *out)
{
    (void)model;
    (void)stream;
    buf_put_text(out, "/messages");
}

const struct dialect dialect_anthropic = {.name = "anthropic",
                                          .usual_url = "https://api.anthropic.com/v1",
                                          .usual_model = "claude-sonnet-4-5",
                                          .key_header = "x-api-key: ",
                                          .fixed_header = "anthropic-version: 2023-06-01",
                                          .write_path = write_path,
                                          .write_schema = anthropic_write_schema,
                                          .write = anthropic_write,
                                          .read = anthropic_read,
                                          .read_event = anthropic_read_event};
