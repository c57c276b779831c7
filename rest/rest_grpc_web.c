/* gRPC-Web: frames behind a 200, the last of which holds the trailers that HTTP/1.1 and browsers
 * have no room for. The text form is each of them in base64, padded: readers take it piece by
 * piece. */
#include "rest/rest_internal.h"
#include "shared/flow/base64.h"

/* What is appended between begin and end goes to `out` as it is, or in base64 at the end. */
struct writer {
    struct buf *out;
    struct buf frames;
    bool text;
};

static struct buf *begin(struct writer *writer, struct buf *out, const struct web_type *type)
{
    *writer = (struct writer){.out = out, .text = type->protocol == WEB_GRPC_TEXT};
    if (!writer->text)
        return out;
    buf_init(&writer->frames, NULL, out->limit);
    return &writer->frames;
}

static void end(struct writer *writer)
{
    if (!writer->text)
        return;
    base64_encode(writer->out, (const uint8_t *)writer->frames.at, writer->frames.len);
    buf_fini(&writer->frames);
}

static void put_message(struct buf *out, const struct web_type *type,
                        const struct message_view *view)
{
    size_t frame = web_frame_begin(out, WEB_MESSAGE);
    rest_speech_put(out, type, view);
    web_frame_end(out, frame);
}

static void put_trailers(struct buf *out, struct request *request, const struct verdict *verdict)
{
    size_t frame = web_frame_begin(out, WEB_TRAILERS);
    web_put_status(out, verdict, &request->arena);
    for (size_t i = 0; i < request->n_notes; i++)
        web_put_trailer(out, request->notes[i].name, request->notes[i].value);
    web_frame_end(out, frame);
}

static struct span grpc_answer(struct rest_call *call)
{
    const struct verdict ok = verdict_of(VERDICT_OK);
    struct writer writer;
    struct buf body;
    buf_init(&body, &call->request.arena, REST_ANSWER_BYTES);
    struct buf *frames = begin(&writer, &body, call->speech.type);
    put_message(frames, call->speech.type, &call->answer);
    put_trailers(frames, &call->request, &ok);
    end(&writer);
    return buf_span(&body);
}

static struct rest_refusal grpc_refuse(struct buf *out, const struct web_type *type,
                                       struct request *request, const struct verdict *verdict)
{
    struct writer writer;
    put_trailers(begin(&writer, out, type), request, verdict);
    end(&writer);
    return (struct rest_refusal){200, type->name};
}

static void grpc_piece(struct buf *out, struct rest_call *call, const struct message_view *piece)
{
    struct writer writer;
    put_message(begin(&writer, out, call->speech.type), call->speech.type, piece);
    end(&writer);
}

static void grpc_end(struct buf *out, struct rest_call *call, const struct verdict *verdict)
{
    (void)grpc_refuse(out, call->speech.type, &call->request, verdict);
}

const struct rest_dialect rest_grpc_web = {
    .protocol = "grpc-web",
    .answer = grpc_answer,
    .refuse = grpc_refuse,
    .piece = grpc_piece,
    .end = grpc_end,
};
