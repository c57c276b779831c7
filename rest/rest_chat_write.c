/* OpenAI's answers, chunks and errors. */
#include "rest/rest_chat.h"

#include "weir/v1/chat.pb-c.h"

#include <ctype.h>

static void put_head(struct buf *out, const struct rest_chat_head *head, const char *object)
{
    buf_put_text(out, "{\"id\":");
    struct span id = span_of(head->request_id);
    buf_put_text(out, "\"chatcmpl-");
    buf_put_json(out, id);
    buf_printf(out, "\",\"object\":\"%s\",\"created\":%lld,\"model\":", object, head->created_s);
    buf_put_json_string(out, head->model);
}

static void put_usage(struct buf *out, const Weir__V1__ChatUsage *usage)
{
    static const Weir__V1__ChatUsage none = WEIR__V1__CHAT_USAGE__INIT;
    if (usage == NULL)
        usage = &none;
    buf_put_text(out, ",\"usage\":{\"prompt_tokens\":");
    buf_put_u64(out, usage->prompt_tokens);
    buf_put_text(out, ",\"completion_tokens\":");
    buf_put_u64(out, usage->completion_tokens);
    buf_put_text(out, ",\"total_tokens\":");
    buf_put_u64(out, usage->prompt_tokens + usage->completion_tokens);
    buf_put_char(out, '}');
}

void rest_chat_write(struct buf *out, const struct rest_chat_head *head,
                     const Weir__V1__ChatResponse *answer)
{
    put_head(out, head, "chat.completion");
    buf_put_text(out,
                 ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
    buf_put_json_string(out, span_of(answer->content));
    buf_put_text(out, ",\"refusal\":null},\"logprobs\":null,\"finish_reason\":");
    buf_put_json_string(out, span_of(answer->finish_reason));
    buf_put_text(out, "}]");
    put_usage(out, answer->usage);
    buf_put_char(out, '}');
}

void rest_chat_write_chunk_head(struct buf *out, const struct rest_chat_head *head)
{
    buf_put_text(out, "data: ");
    put_head(out, head, "chat.completion.chunk");
    buf_put_text(out, ",\"choices\":[");
}

void rest_chat_write_begin(struct buf *out, struct span chunk_head)
{
    buf_put_span(out, chunk_head);
    buf_put_text(out, "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
                      "\"finish_reason\":null}]}\n\n");
}

void rest_chat_write_piece(struct buf *out, struct span chunk_head, struct span text)
{
    buf_put_span(out, chunk_head);
    buf_put_text(out, "{\"index\":0,\"delta\":{\"content\":");
    buf_put_json_string(out, text);
    buf_put_text(out, "},\"finish_reason\":null}]}\n\n");
}

void rest_chat_write_end(struct buf *out, struct span chunk_head, const Weir__V1__ChatChunk *last,
                         bool include_usage)
{
    buf_put_span(out, chunk_head);
    buf_put_text(out, "{\"index\":0,\"delta\":{},\"finish_reason\":");
    buf_put_json_string(out, span_of(last->finish_reason));
    buf_put_text(out, "}]}\n\n");
    if (include_usage) {
        buf_put_span(out, chunk_head);
        buf_put_char(out, ']');
        put_usage(out, last->usage);
        buf_put_text(out, "}\n\n");
    }
    buf_put_text(out, "data: [DONE]\n\n");
}

/* --- errors --- */

/* Where OpenAI has a code of its own; else it is the verdict's name in lower case. */
static const char *code_of(enum verdict_code code)
{
    switch (code) {
    case VERDICT_UNAUTHENTICATED:
        return "invalid_api_key";
    case VERDICT_RATE_LIMITED:
        return "rate_limit_exceeded";
    case VERDICT_CONTENT_REFUSED:
    case VERDICT_UPSTREAM_FILTERED:
        return "content_filter";
    case VERDICT_INVALID:
        return "invalid_value";
    case VERDICT_IMAGE_UNAVAILABLE:
        return "invalid_image_url";
    case VERDICT_NO_MODEL:
        return "model_not_found";
    case VERDICT_NO_ROUTE:
        return "unknown_url";
    case VERDICT_BAD_HTTP_METHOD:
        return "method_not_supported";
    case VERDICT_BAD_MEDIA_TYPE:
        return "unsupported_content_type";
    default:
        return NULL;
    }
}

int rest_chat_status(const struct verdict *verdict)
{
    int status = verdict_row(verdict->code)->http_status;
    return status == 422 ? 400 : status;
}

static const char *type_of(int status)
{
    if (status >= 500)
        return "server_error";
    return status == 429 ? "rate_limit_error" : "invalid_request_error";
}

static void put_code(struct buf *out, const struct verdict *verdict)
{
    const char *code = code_of(verdict->code);
    if (code == NULL && verdict->n_violations > 0) {
        buf_put_json_string(out, verdict->violations[0].rule);
        return;
    }
    buf_put_char(out, '"');
    for (const char *at = code != NULL ? code : verdict_row(verdict->code)->name; *at != '\0'; at++)
        buf_put_char(out, (char)tolower((unsigned char)*at));
    buf_put_char(out, '"');
}

/* Where the field is in OpenAI's JSON. */
static struct span param_of(struct span path)
{
    if (span_is(path, "schema"))
        return span_of("response_format.json_schema.schema");
    return span_is(path, "schema_name") ? span_of("response_format.json_schema.name") : path;
}

/* "temperature: must be at most 2" */
static void put_message(struct buf *out, const struct verdict *verdict)
{
    const struct violation *wrong = verdict->violations;
    buf_put_char(out, '"');
    if (verdict->n_violations == 0) {
        buf_put_json(out, verdict_detail(verdict));
    } else {
        buf_put_json(out, param_of(wrong->path));
        if (wrong->path.len > 0)
            buf_put_text(out, ": ");
        buf_put_json(out, wrong->message);
    }
    buf_put_char(out, '"');
}

void rest_chat_write_error(struct buf *out, const struct verdict *verdict)
{
    buf_put_text(out, "{\"error\":{\"message\":");
    put_message(out, verdict);
    buf_printf(out, ",\"type\":\"%s\",\"param\":", type_of(rest_chat_status(verdict)));
    if (verdict->n_violations > 0 && verdict->violations[0].path.len > 0)
        buf_put_json_string(out, param_of(verdict->violations[0].path));
    else
        buf_put_text(out, "null");
    buf_put_text(out, ",\"code\":");
    put_code(out, verdict);
    buf_put_text(out, "}}");
}
