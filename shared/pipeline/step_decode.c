/* Decode and validate: bytes of either protocol -> one message, defaults filled in, rules checked.
 */
#include "shared/pipeline/step.h"

#include "shared/flow/json.h"
#include "shared/flow/validate.h"
#include "shared/flow/wire.h"

/* What a decoded message may take: a constant for tiny ones, and so many times its own size. The
 * factor covers what honest messages need and stops the amplification of hostile ones. */
enum { DECODE_BASE_BYTES = 64 * 1024, DECODE_FACTOR = 16 };

static enum step_result refuse_shape(struct request *request, enum verdict_code code,
                                     struct span path, struct span rule, struct span message,
                                     struct verdict *verdict)
{
    struct violation *violation = arena_alloc(&request->arena, sizeof *violation);
    *violation = (struct violation){.path = path, .rule = rule, .message = message};
    *verdict = (struct verdict){.code = code, .violations = violation, .n_violations = 1};
    return STEP_END;
}

static enum step_result too_large(struct verdict *verdict)
{
    *verdict = (struct verdict){
        .code = VERDICT_TOO_LARGE,
        .detail = span_of("The message needs more memory than this service gives to one request.")};
    return STEP_END;
}

static enum step_result read_json(struct request *request, struct verdict *verdict)
{
    struct json_error error = {0};
    struct buf detail;
    switch (json_read(request->given.body, request->given.method->request, &request->arena,
                      &request->message, &error)) {
    case JSON_FINE:
        return STEP_NEXT;
    case JSON_SYNTAX:
        buf_init(&detail, &request->arena, 512);
        buf_put_span(&detail, error.message);
        buf_put_text(&detail, " (at byte ");
        buf_put_u64(&detail, error.offset);
        buf_put_text(&detail, ")");
        *verdict = (struct verdict){.code = VERDICT_BAD_JSON, .detail = buf_span(&detail)};
        return STEP_END;
    case JSON_SHAPE:
        return refuse_shape(request, VERDICT_BAD_MESSAGE, error.path, error.rule, error.message,
                            verdict);
    case JSON_MEMORY:
        break;
    }
    return too_large(verdict);
}

static enum step_result read_wire(struct request *request, struct verdict *verdict)
{
    struct wire_error error = {0};
    switch (wire_read(request->given.body, request->given.method->request, &request->arena,
                      &request->message, &error)) {
    case WIRE_FINE:
        return STEP_NEXT;
    case WIRE_MALFORMED:
        return refuse_shape(request, VERDICT_BAD_MESSAGE, error.path, span_of("malformed"),
                            error.message, verdict);
    case WIRE_TEXT:
        return refuse_shape(request, VERDICT_BAD_MESSAGE, error.path, span_of("utf8"),
                            error.message, verdict);
    case WIRE_DEPTH:
        return refuse_shape(request, VERDICT_BAD_MESSAGE, error.path, span_of("depth"),
                            error.message, verdict);
    case WIRE_MEMORY:
        break;
    }
    return too_large(verdict);
}

static enum step_result read_body(struct request *request, struct verdict *verdict)
{
    if (request->given.decode != NULL)
        return request->given.decode(request, verdict) == VERDICT_OK ? STEP_NEXT : STEP_END;
    return request->given.encoding == REQUEST_JSON ? read_json(request, verdict)
                                                   : read_wire(request, verdict);
}

enum step_result step_decode(struct request *request, struct verdict *verdict)
{
    const struct contract_message *type = request->given.method->request;
    if (request->given.body.len > request->worker->core->max_body_bytes) {
        *verdict = verdict_of(VERDICT_TOO_LARGE);
        return STEP_END;
    }
    request->arena.budget_bytes =
        request->arena.used_bytes + DECODE_BASE_BYTES + DECODE_FACTOR * request->given.body.len;
    enum step_result result = read_body(request, verdict);
    if (result != STEP_NEXT)
        return result;
    validate_defaults(type, request->message, request->identity.subject);
    struct violation *violations = NULL;
    size_t n = validate_message(type, request->message, &request->arena, &violations);
    if (n == 0)
        return STEP_NEXT;
    *verdict =
        (struct verdict){.code = VERDICT_INVALID, .violations = violations, .n_violations = n};
    return STEP_END;
}
