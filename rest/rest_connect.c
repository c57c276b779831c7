/* Connect: a unary call is an exchange of HTTP, with statuses of its own for errors; a stream is
 * frames behind a 200, and its last frame tells how it ended. */
#include "rest/rest_internal.h"

static struct span unary_answer(struct rest_call *call)
{
    struct buf body;
    buf_init(&body, &call->request.arena, REST_ANSWER_BYTES);
    rest_speech_put(&body, call->speech.type, &call->answer);
    return buf_span(&body);
}

static struct rest_refusal unary_refuse(struct buf *out, const struct web_type *type,
                                        struct request *request, const struct verdict *verdict)
{
    (void)type;
    web_put_error(out, verdict, &request->arena);
    return (struct rest_refusal){web_http_status(verdict), "application/json"};
}

static void put_notes(struct buf *out, const struct request *request)
{
    buf_put_text(out, "\"metadata\":{");
    for (size_t i = 0; i < request->n_notes; i++) {
        /* Of a name that comes twice, both values go into one list; such notes follow each other.
         */
        bool again = i > 0 && strcmp(request->notes[i].name, request->notes[i - 1].name) == 0;
        if (again) {
            buf_put_char(out, ',');
        } else {
            if (i > 0)
                buf_put_text(out, "],");
            buf_put_json_string(out, span_of(request->notes[i].name));
            buf_put_text(out, ":[");
        }
        buf_put_json_string(out, request->notes[i].value);
    }
    buf_put_text(out, request->n_notes > 0 ? "]}" : "}");
}

static void put_end(struct buf *out, struct request *request, const struct verdict *verdict)
{
    size_t frame = web_frame_begin(out, WEB_END);
    buf_put_char(out, '{');
    if (verdict->code != VERDICT_OK) {
        buf_put_text(out, "\"error\":");
        web_put_error(out, verdict, &request->arena);
        buf_put_char(out, ',');
    }
    put_notes(out, request);
    buf_put_char(out, '}');
    web_frame_end(out, frame);
}

static struct rest_refusal stream_refuse(struct buf *out, const struct web_type *type,
                                         struct request *request, const struct verdict *verdict)
{
    put_end(out, request, verdict);
    return (struct rest_refusal){200, type->name};
}

static void stream_piece(struct buf *out, struct rest_call *call, const struct message_view *piece)
{
    size_t frame = web_frame_begin(out, WEB_MESSAGE);
    rest_speech_put(out, call->speech.type, piece);
    web_frame_end(out, frame);
}

static void stream_end(struct buf *out, struct rest_call *call, const struct verdict *verdict)
{
    put_end(out, &call->request, verdict);
}

const struct rest_dialect rest_connect = {
    .protocol = "connect",
    .status = web_http_status,
    .notes_in_headers = true,
    .answer = unary_answer,
    .refuse = unary_refuse,
};

const struct rest_dialect rest_connect_stream = {
    .protocol = "connect",
    .refuse = stream_refuse,
    .piece = stream_piece,
    .end = stream_end,
};
