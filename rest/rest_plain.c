/* Plain REST: JSON, problem details (H8), server-sent events (F6). */
#include "rest/rest_internal.h"
#include "rest/rest_problem.h"

static struct span plain_answer(struct rest_call *call)
{
    struct buf body;
    if (call->answer.json.len > 0)
        return call->answer.json;
    buf_init(&body, &call->request.arena, REST_ANSWER_BYTES);
    rest_speech_put(&body, NULL, &call->answer);
    return buf_span(&body);
}

static struct rest_refusal plain_refuse(struct buf *out, const struct web_type *type,
                                        struct request *request, const struct verdict *verdict)
{
    (void)type;
    rest_problem_write(out, verdict, request->given.path, request->id);
    return (struct rest_refusal){verdict_row(verdict->code)->http_status,
                                 "application/problem+json"};
}

static void plain_piece(struct buf *out, struct rest_call *call, const struct message_view *piece)
{
    (void)call;
    buf_put_text(out, "data: {\"chunk\":");
    buf_put_json_string(out, piece->text);
    buf_put_text(out, "}\n\n");
}

static void plain_whole(struct buf *out, struct rest_call *call, const struct message_view *last)
{
    buf_put_text(out, "data: {\"done\":true,");
    buf_put_json_string(out, span_of(call->request.given.method->stream_result));
    buf_put_char(out, ':');
    buf_put_json_string(out, last->text);
    buf_put_text(out, "}\n\n");
}

static void plain_end(struct buf *out, struct rest_call *call, const struct verdict *verdict)
{
    if (verdict->code == VERDICT_OK || verdict->code == VERDICT_CANCELLED)
        return;
    buf_put_text(out, "event: error\ndata: ");
    rest_problem_write(out, verdict, call->request.given.path, call->request.id);
    buf_put_text(out, "\n\n");
}

const struct rest_dialect rest_plain = {
    .protocol = "rest",
    .notes_in_headers = true,
    .silence = ":\n\n",
    .answer = plain_answer,
    .refuse = plain_refuse,
    .piece = plain_piece,
    .whole = plain_whole,
    .end = plain_end,
};
