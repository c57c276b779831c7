/* OpenAI's chat completions: writing requests. */
#include "shared/llm/openai.h"

#include "shared/llm/writing.h"

static void write_calls(struct buf *out, const struct chat_message *message)
{
    const char *before = ",\"tool_calls\":[";
    for (size_t i = 0; i < message->n_parts; i++) {
        const struct chat_part *part = &message->parts[i];
        if (part->kind != CHAT_TOOL_CALL)
            continue;
        buf_put_text(out, before);
        before = ",";
        buf_put_text(out, "{\"id\":");
        writing_id(out, part);
        buf_put_text(out, ",\"type\":\"function\",\"function\":{\"name\":");
        buf_put_json_string(out, part->name);
        buf_put_text(out, ",\"arguments\":");
        buf_put_json_string(out, part->text);
        buf_put_text(out, "}}");
    }
    if (before[1] == '\0')
        buf_put_char(out, ']');
}

/* Each result is a message of its own there. */
static void write_results(struct buf *out, const struct chat_message *message)
{
    for (size_t i = 0; i < message->n_parts; i++) {
        const struct chat_part *part = &message->parts[i];
        buf_put_text(out, i == 0 ? "{\"role\":\"tool\",\"tool_call_id\":"
                                 : ",{\"role\":\"tool\",\"tool_call_id\":");
        writing_id(out, part);
        buf_put_text(out, ",\"content\":");
        buf_put_json_string(out, part->text);
        buf_put_char(out, '}');
    }
}

static void write_part(struct buf *out, const struct chat_part *part)
{
    if (part->kind == CHAT_IMAGE) {
        buf_put_text(out, "{\"type\":\"image_url\",\"image_url\":{\"url\":");
        buf_put_json_string(out, part->text);
        buf_put_text(out, "}}");
        return;
    }
    buf_put_text(out, "{\"type\":\"text\",\"text\":");
    buf_put_json_string(out, part->text);
    buf_put_char(out, '}');
}

static void write_message(struct buf *out, const struct chat_message *message)
{
    static const char *const roles[] = {
        [CHAT_SYSTEM] = "system", [CHAT_USER] = "user", [CHAT_MODEL] = "assistant"};
    size_t n = 0;
    if (message->n_parts > 0 && message->parts[0].kind == CHAT_TOOL_RESULT) {
        write_results(out, message);
        return;
    }
    while (n < message->n_parts && message->parts[n].kind != CHAT_TOOL_CALL)
        n++;
    buf_put_text(out, "{\"role\":\"");
    buf_put_text(out, roles[message->role]);
    buf_put_text(out, "\",\"content\":");
    /* One text goes as a plain string: small servers know no other form. */
    if (n == 1 && message->parts[0].kind == CHAT_TEXT) {
        buf_put_json_string(out, message->parts[0].text);
    } else {
        for (size_t i = 0; i < n; i++) {
            buf_put_char(out, i == 0 ? '[' : ',');
            write_part(out, &message->parts[i]);
        }
        buf_put_text(out, n == 0 ? "\"\"" : "]");
    }
    write_calls(out, message);
    buf_put_char(out, '}');
}

static void write_format(const struct dialect_request *request, struct buf *out)
{
    buf_put_text(out, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":");
    buf_put_json_string(out, dialect_answer_name(request->what));
    buf_put_char(out, ',');
    buf_put_span(out, request->schema);
    buf_put_text(out, "}}");
}

static void write_tools(const struct conversation *what, struct buf *out)
{
    for (size_t i = 0; i < what->n_tools; i++) {
        buf_put_text(out, i == 0 ? ",\"tools\":[" : ",");
        buf_put_text(out, "{\"type\":\"function\",\"function\":{\"name\":");
        buf_put_json_string(out, span_of(what->tools[i]->name));
        buf_put_text(out, ",\"description\":");
        buf_put_json_string(out, span_of(what->tools[i]->description));
        buf_put_text(out, ",\"parameters\":");
        buf_put_text(out, what->tools[i]->schema);
        buf_put_text(out, "}}");
    }
    if (what->n_tools > 0)
        buf_put_char(out, ']');
}

void openai_write(const struct dialect_request *request, struct buf *out)
{
    const struct conversation *what = request->what;
    buf_put_text(out, "{\"model\":");
    buf_put_json_string(out, request->model);
    buf_put_text(out, ",\"messages\":[");
    for (size_t i = 0; i < what->n_messages; i++) {
        if (i > 0)
            buf_put_char(out, ',');
        write_message(out, &what->messages[i]);
    }
    buf_put_char(out, ']');
    if (what->temperature >= 0)
        buf_printf(out, ",\"temperature\":%.6g", what->temperature);
    if (what->max_output_tokens > 0)
        buf_printf(out, ",\"max_tokens\":%ld", what->max_output_tokens);
    if (what->n_stop > 0) {
        buf_put_text(out, ",\"stop\":");
        writing_stop(what, out);
    }
    if (request->schema.len > 0)
        write_format(request, out);
    write_tools(what, out);
    if (what->stream)
        buf_put_text(out, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    buf_put_char(out, '}');
}

static void write_path(struct span model, bool stream, struct buf *out)
{
    (void)model;
    (void)stream;
    buf_put_text(out, "/chat/completions");
}

const struct dialect dialect_openai = {.name = "openai",
                                       .usual_url = "https://api.openai.com/v1",
                                       .usual_model = "gpt-4o-mini",
                                       .key_header = "Authorization: Bearer ",
                                       .write_path = write_path,
                                       .write_schema = openai_write_schema,
                                       .write = openai_write,
                                       .read = openai_read,
                                       .read_event = openai_read_event};
