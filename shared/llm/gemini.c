/* Gemini's generateContent: writing requests. */
#include "shared/llm/gemini.h"

#include "shared/llm/writing.h"

static void write_image(struct buf *out, struct span url)
{
    struct span type, base64;
    if (writing_data_url(url, &type, &base64)) {
        buf_put_text(out, "{\"inlineData\":{\"mimeType\":");
        buf_put_json_string(out, type);
        buf_put_text(out, ",\"data\":");
        buf_put_json_string(out, base64);
        buf_put_text(out, "}}");
        return;
    }
    const char *promised = writing_image_type(url);
    buf_put_text(out, "{\"fileData\":{");
    if (promised != NULL)
        buf_printf(out, "\"mimeType\":\"%s\",", promised);
    buf_put_text(out, "\"fileUri\":");
    buf_put_json_string(out, url);
    buf_put_text(out, "}}");
}

static void write_call(struct buf *out, const struct chat_part *part)
{
    buf_put_text(out, "{\"functionCall\":{\"name\":");
    buf_put_json_string(out, part->name);
    buf_put_text(out, ",\"args\":");
    writing_object(out, part->text);
    buf_put_char(out, '}');
    if (part->echo.len > 0) {
        buf_put_text(out, ",\"thoughtSignature\":");
        buf_put_json_string(out, part->echo);
    }
    buf_put_char(out, '}');
}

static void write_result(struct buf *out, const struct chat_part *part)
{
    buf_put_text(out, "{\"functionResponse\":{\"name\":");
    buf_put_json_string(out, part->name);
    buf_put_text(out, ",\"response\":");
    writing_object(out, part->text);
    buf_put_text(out, "}}");
}

static void write_part(struct buf *out, const struct chat_part *part)
{
    switch (part->kind) {
    case CHAT_TEXT:
        buf_put_text(out, "{\"text\":");
        buf_put_json_string(out, part->text);
        buf_put_char(out, '}');
        return;
    case CHAT_IMAGE:
        write_image(out, part->text);
        return;
    case CHAT_TOOL_CALL:
        write_call(out, part);
        return;
    case CHAT_TOOL_RESULT:
        write_result(out, part);
        return;
    }
}

static void write_message(struct buf *out, const struct chat_message *message)
{
    buf_put_text(out, message->role == CHAT_MODEL ? "{\"role\":\"model\",\"parts\":["
                                                  : "{\"role\":\"user\",\"parts\":[");
    writing_parts(message, write_part, out);
    buf_put_text(out, "]}");
}

/* It takes a schema only where it can express it, and where there are no tools beside it. */
static bool takes_schema(const struct dialect_request *request)
{
    return request->schema.len > 0 && request->what->n_tools == 0;
}

/* The rules and, where the provider cannot take the schema, the schema in words. */
static void write_system(const struct dialect_request *request, struct buf *out)
{
    const struct conversation *what = request->what;
    size_t begin = out->len;
    buf_put_text(out, "\"systemInstruction\":{\"parts\":[{\"text\":\"");
    bool any = writing_system(what, out);
    if (what->schema != NULL && !takes_schema(request)) {
        buf_put_text(out, any ? "\\n\\n" : "");
        buf_put_text(out, "Answer with one JSON value that fits this JSON Schema, and with nothing "
                          "else:\\n");
        buf_put_json(out, span_of(what->schema));
        any = true;
    }
    buf_put_text(out, "\"}]},");
    if (!any && !out->overflow)
        out->len = begin;
}

static void write_config(const struct dialect_request *request, struct buf *out)
{
    const struct conversation *what = request->what;
    const char *comma = "";
    bool json = what->schema != NULL && what->n_tools == 0;
    if (what->temperature < 0 && what->max_output_tokens <= 0 && !json && what->n_stop == 0)
        return;
    buf_put_text(out, ",\"generationConfig\":{");
    if (what->temperature >= 0) {
        buf_printf(out, "\"temperature\":%.6g", what->temperature);
        comma = ",";
    }
    if (what->max_output_tokens > 0) {
        buf_printf(out, "%s\"maxOutputTokens\":%ld", comma, what->max_output_tokens);
        comma = ",";
    }
    if (what->n_stop > 0) {
        buf_printf(out, "%s\"stopSequences\":", comma);
        writing_stop(what, out);
        comma = ",";
    }
    if (json)
        buf_printf(out, "%s\"responseMimeType\":\"application/json\"", comma);
    if (takes_schema(request)) {
        buf_put_text(out, ",\"responseSchema\":");
        buf_put_span(out, request->schema);
    }
    buf_put_char(out, '}');
}

static void write_tools(const struct conversation *what, struct buf *out)
{
    for (size_t i = 0; i < what->n_tools; i++) {
        const struct chat_tool *tool = what->tools[i];
        buf_put_text(out, i == 0 ? ",\"tools\":[{\"functionDeclarations\":[" : ",");
        buf_put_text(out, "{\"name\":");
        buf_put_json_string(out, span_of(tool->name));
        buf_put_text(out, ",\"description\":");
        buf_put_json_string(out, span_of(tool->description));
        if (writing_has_members(tool->schema)) { /* an object without members is refused there */
            buf_put_text(out, ",\"parameters\":");
            gemini_write_schema(tool->schema, out);
        }
        buf_put_char(out, '}');
    }
    if (what->n_tools > 0)
        buf_put_text(out, "]}]");
}

void gemini_write(const struct dialect_request *request, struct buf *out)
{
    const struct conversation *what = request->what;
    buf_put_char(out, '{');
    write_system(request, out);
    buf_put_text(out, "\"contents\":[");
    if (!writing_messages(what, write_message, out)) /* it wants one */
        buf_put_text(out, "{\"role\":\"user\",\"parts\":[{\"text\":\"Go ahead.\"}]}");
    buf_put_char(out, ']');
    write_tools(what, out);
    write_config(request, out);
    buf_put_char(out, '}');
}

/* "gemini-2.5-flash", or a resource's whole name such as "tunedModels/mine". */
static void write_path(struct span model, bool stream, struct buf *out)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    bool whole = model.len > 0 && memchr(model.at, '/', model.len) != NULL;
    buf_put_text(out, whole ? "/" : "/models/");
    for (size_t i = 0; i < model.len; i++) {
        char c = model.at[i];
        if (c != '\0' && strchr(plain, c) != NULL)
            buf_put_char(out, c);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)c);
    }
    buf_put_text(out, stream ? ":streamGenerateContent?alt=sse" : ":generateContent");
}

const struct dialect dialect_gemini = {.name = "gemini",
                                       .usual_url =
                                           "https://generativelanguage.googleapis.com/v1beta",
                                       .usual_model = "gemini-2.5-flash",
                                       .key_header = "x-goog-api-key: ",
                                       .write_path = write_path,
                                       .write_schema = gemini_write_schema,
                                       .write = gemini_write,
                                       .read = gemini_read,
                                       .read_event = gemini_read_event};
