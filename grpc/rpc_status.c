/* verdict -> grpc-message and grpc-status-details-bin. */
#include "grpc/rpc_status.h"

#include <google/protobuf/any.pb-c.h>
#include <google/protobuf/duration.pb-c.h>
#include <google/rpc/error_details.pb-c.h>
#include <google/rpc/status.pb-c.h>

static char bad_request_url[] = "type.googleapis.com/google.rpc.BadRequest";
static char retry_info_url[] = "type.googleapis.com/google.rpc.RetryInfo";

/* Room for the code, the frames and a RetryInfo around message and violations. */
enum { ENVELOPE_BYTES = 256 };

struct span rpc_status_message(const struct verdict *verdict)
{
    struct span text = verdict_detail(verdict);
    if (verdict->code == VERDICT_OK)
        return SPAN_EMPTY;
    if (text.len <= RPC_STATUS_MESSAGE_BYTES)
        return text;
    text.len = RPC_STATUS_MESSAGE_BYTES;
    while (text.len > 0 && ((unsigned char)text.at[text.len] & 0xc0) == 0x80)
        text.len--;
    return text;
}

static ProtobufCBinaryData pack(const ProtobufCMessage *message, struct arena *arena)
{
    ProtobufCBinaryData data = {.len = protobuf_c_message_get_packed_size(message)};
    data.data = arena_alloc(arena, data.len);
    (void)protobuf_c_message_pack(message, data.data);
    return data;
}

static Google__Protobuf__Any *wrap(const ProtobufCMessage *message, char *type_url,
                                   struct arena *arena)
{
    Google__Protobuf__Any *any = arena_alloc(arena, sizeof *any);
    google__protobuf__any__init(any);
    any->type_url = type_url;
    any->value = pack(message, arena);
    return any;
}

static Google__Protobuf__Any *bad_request(const struct verdict *verdict, size_t room,
                                          struct arena *arena)
{
    typedef Google__Rpc__BadRequest__FieldViolation field_violation;
    Google__Rpc__BadRequest body = GOOGLE__RPC__BAD_REQUEST__INIT;
    size_t used = 0;
    /* A violation takes at least its frames, so no more than this many can fit. */
    size_t most = verdict->n_violations < room / 8 ? verdict->n_violations : room / 8;
    body.field_violations = arena_alloc(arena, most * sizeof *body.field_violations);
    for (size_t i = 0; i < most; i++) {
        const struct violation *from = &verdict->violations[i];
        /* Two texts, each with a tag and a length of at most two bytes, in a frame of the same. */
        used += from->path.len + from->message.len + 9;
        if (used > room)
            break;
        field_violation *to = arena_alloc(arena, sizeof *to);
        google__rpc__bad_request__field_violation__init(to);
        to->field = arena_copy(arena, from->path);
        to->description = arena_copy(arena, from->message);
        body.field_violations[body.n_field_violations++] = to;
    }
    return wrap(&body.base, bad_request_url, arena);
}

static Google__Protobuf__Any *retry_info(uint64_t after_ms, struct arena *arena)
{
    Google__Rpc__RetryInfo body = GOOGLE__RPC__RETRY_INFO__INIT;
    Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
    delay.seconds = (int64_t)(after_ms / 1000);
    delay.nanos = (int32_t)(after_ms % 1000) * 1000000;
    body.retry_delay = &delay;
    return wrap(&body.base, retry_info_url, arena);
}

struct span rpc_status_details(const struct verdict *verdict, struct arena *arena)
{
    Google__Rpc__Status status;
    Google__Protobuf__Any *details[2];
    struct span message = rpc_status_message(verdict);
    google__rpc__status__init(&status);
    if (verdict->n_violations > 0) {
        size_t room = RPC_STATUS_DETAILS_BYTES - ENVELOPE_BYTES - message.len;
        details[status.n_details++] = bad_request(verdict, room, arena);
    }
    if (verdict->retry_after_ms > 0)
        details[status.n_details++] = retry_info(verdict->retry_after_ms, arena);
    if (status.n_details == 0)
        return SPAN_EMPTY;
    status.code = (int32_t)verdict_row(verdict->code)->grpc_code;
    status.message = arena_copy(arena, message);
    status.details = details;
    ProtobufCBinaryData data = pack(&status.base, arena);
    return span_make((const char *)data.data, data.len);
}
