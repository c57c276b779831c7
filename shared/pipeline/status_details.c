#include "shared/pipeline/status_details.h"

#include <google/protobuf/any.pb-c.h>
#include <google/protobuf/duration.pb-c.h>
#include <google/rpc/error_details.pb-c.h>
#include <google/rpc/status.pb-c.h>

/* Room for the code, the frames and a RetryInfo around message and violations. */
enum { ENVELOPE_BYTES = 256 };

struct span status_message(const struct verdict *verdict)
{
    struct span text = verdict_detail(verdict);
    if (verdict->code == VERDICT_OK)
        return SPAN_EMPTY;
    if (text.len <= STATUS_MESSAGE_BYTES)
        return text;
    text.len = STATUS_MESSAGE_BYTES;
    while (text.len > 0 && ((unsigned char)text.at[text.len] & 0xc0) == 0x80)
        text.len--;
    return text;
}

static struct span pack(const ProtobufCMessage *message, struct arena *arena)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = arena_alloc(arena, len);
    (void)protobuf_c_message_pack(message, bytes);
    return span_make((const char *)bytes, len);
}

static struct span bad_request(const struct verdict *verdict, size_t room, struct arena *arena)
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
    return pack(&body.base, arena);
}

static struct span retry_info(uint64_t after_ms, struct arena *arena)
{
    Google__Rpc__RetryInfo body = GOOGLE__RPC__RETRY_INFO__INIT;
    Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
    delay.seconds = (int64_t)(after_ms / 1000);
    delay.nanos = (int32_t)(after_ms % 1000) * 1000000;
    body.retry_delay = &delay;
    return pack(&body.base, arena);
}

size_t status_details(const struct verdict *verdict, struct arena *arena,
                      struct status_detail details[STATUS_DETAILS])
{
    size_t n = 0;
    if (verdict->n_violations > 0) {
        size_t room = STATUS_DETAILS_BYTES - ENVELOPE_BYTES - status_message(verdict).len;
        details[n++] =
            (struct status_detail){"google.rpc.BadRequest", bad_request(verdict, room, arena)};
    }
    if (verdict->retry_after_ms > 0)
        details[n++] = (struct status_detail){"google.rpc.RetryInfo",
                                              retry_info(verdict->retry_after_ms, arena)};
    return n;
}

static Google__Protobuf__Any *wrap(const struct status_detail *detail, struct arena *arena)
{
    static const char prefix[] = "type.googleapis.com/";
    size_t len = strlen(detail->type) + 1;
    char *url = arena_alloc(arena, sizeof prefix - 1 + len);
    memcpy(url, prefix, sizeof prefix - 1);
    memcpy(url + sizeof prefix - 1, detail->type, len);
    Google__Protobuf__Any *any = arena_alloc(arena, sizeof *any);
    google__protobuf__any__init(any);
    any->type_url = url;
    any->value.len = detail->value.len;
    any->value.data = (uint8_t *)(uintptr_t)detail->value.at;
    return any;
}

struct span status_details_pack(const struct verdict *verdict, struct arena *arena)
{
    struct status_detail details[STATUS_DETAILS];
    Google__Protobuf__Any *wrapped[STATUS_DETAILS];
    Google__Rpc__Status status;
    size_t n = status_details(verdict, arena, details);
    if (n == 0)
        return SPAN_EMPTY;
    google__rpc__status__init(&status);
    status.code = (int32_t)verdict_row(verdict->code)->grpc_code;
    status.message = arena_copy(arena, status_message(verdict));
    status.details = wrapped;
    for (; status.n_details < n; status.n_details++)
        wrapped[status.n_details] = wrap(&details[status.n_details], arena);
    return pack(&status.base, arena);
}
