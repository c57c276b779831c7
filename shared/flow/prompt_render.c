/* Instructions and a request -> a conversation. One loop over the instructions; the only stack is
 * that of the lists being gone through, whose depth the template fixed. */
#include "shared/flow/prompt_internal.h"

#include "shared/base/buf.h"
#include "shared/base/utf8.h"
#include "shared/flow/field.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Lists in lists multiply what the caller sent, also where nothing of it is inserted: this bounds
 * the work. An op costs 1, and a string that it looks at 1 for each 16 bytes. */
enum { RENDER_MOST_WORK = 1000000, RENDER_BYTES_A_UNIT = 16 };

enum { RENDER_MOST_PARTS = 1024, NAME_BYTES = 256 };

/* A value in place, in the request. */
struct value {
    const void *at; /* NULL: absent. Of the field's C type, for lists that of an item */
    struct prompt_step field;
    size_t index; /* PROMPT_INDEX: the value itself */
    size_t count; /* lists: of items; others: 1 */
    bool is_index;
    bool is_list;
};

/* A list being gone through. */
struct frame {
    struct prompt_step field;
    const char *items;
    size_t count;
    size_t index;
};

struct renderer {
    const struct prompt *prompt;
    const ProtobufCMessage *request;
    struct arena *arena;
    struct frame frames[PROMPT_MOST_NESTING];
    size_t depth;
    size_t work;       /* done so far */
    size_t left_bytes; /* for `text` and all after it */
    struct buf text;   /* the part being written */
    struct chat_message *messages;
    size_t n_messages; /* the one being written not counted */
    size_t cap_parts;  /* of the message being written */
    size_t n_parts;    /* of all */
};

/* The message that a value of a MESSAGE field is; NULL when it is absent. */
static const ProtobufCMessage *message_at(const void *at)
{
    return at != NULL ? *(ProtobufCMessage *const *)at : NULL;
}

static struct value find(const struct renderer *r, const struct prompt_path *path)
{
    struct value value = {0};
    const ProtobufCMessage *owner = r->request;
    if (path->scope != PROMPT_FROM_REQUEST) {
        must(r->depth > 0);
        const struct frame *frame = &r->frames[r->depth - 1];
        value.is_index = path->scope == PROMPT_INDEX;
        value.index = frame->index;
        value.field = frame->field;
        value.at = frame->items + frame->index * field_item_bytes(frame->field.pb->type);
        owner = path->n > 0 ? message_at(value.at) : NULL;
    }
    for (size_t i = 0; i < path->n; i++) {
        const struct prompt_step *step = &r->prompt->steps[path->first + i];
        value.count = owner != NULL ? contract_count(owner, step->pb) : 0;
        value.field = *step;
        value.is_list = step->pb->label == PROTOBUF_C_LABEL_REPEATED;
        value.at = value.count > 0 ? contract_at(owner, step->pb) : NULL;
        owner = i + 1 < path->n ? message_at(value.at) : NULL;
    }
    return value;
}

/* A string as it is inserted: trimmed and cut as the contract has it (V5). */
static struct span string_of(struct renderer *r, const struct value *value)
{
    const struct contract_field *row = value->field.row;
    struct span text = value->at != NULL ? span_of(*(const char *const *)value->at) : SPAN_EMPTY;
    r->work += text.len / RENDER_BYTES_A_UNIT;
    if (row->prompt_trim)
        text = span_trim(text);
    return row->prompt_max_len > 0 ? utf8_prefix(text, row->prompt_max_len) : text;
}

static int64_t signed_of(const struct value *value)
{
    switch (value->field.pb->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return *(const int64_t *)value->at;
    default:
        return *(const int32_t *)value->at;
    }
}

static uint64_t unsigned_of(const struct value *value)
{
    return value->field.pb->type == PROTOBUF_C_TYPE_UINT64 ||
                   value->field.pb->type == PROTOBUF_C_TYPE_FIXED64
               ? *(const uint64_t *)value->at
               : *(const uint32_t *)value->at;
}

static double real_of(const struct value *value)
{
    return value->field.pb->type == PROTOBUF_C_TYPE_DOUBLE ? *(const double *)value->at
                                                           : (double)*(const float *)value->at;
}

/* The fewest digits that read back as the same number of the field's own width. */
static void put_real(struct buf *out, const struct value *value)
{
    double real = real_of(value);
    bool wide = value->field.pb->type == PROTOBUF_C_TYPE_DOUBLE;
    char text[32];
    if (isnan(real)) {
        buf_put_text(out, "NaN");
        return;
    }
    if (isinf(real)) {
        buf_put_text(out, real > 0 ? "Infinity" : "-Infinity");
        return;
    }
    for (int digits = wide ? 15 : 6; digits <= (wide ? 17 : 9); digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, real);
        double back = wide ? strtod(text, NULL) : (double)strtof(text, NULL);
        if (!(back < real) && !(back > real))
            break;
    }
    buf_put_text(out, text);
}

static void put_enum(struct buf *out, const struct value *value)
{
    int number = *(const int *)value->at;
    const ProtobufCEnumValue *named =
        protobuf_c_enum_descriptor_get_value(value->field.pb->descriptor, number);
    if (named != NULL)
        buf_put_text(out, named->name);
    else
        buf_put_i64(out, number);
}

static void put_value(struct renderer *r, const struct value *value)
{
    struct buf *out = &r->text;
    if (value->is_index)
        buf_put_u64(out, value->index);
    if (value->is_index || value->at == NULL)
        return;
    switch (value->field.pb->type) {
    case PROTOBUF_C_TYPE_STRING:
        buf_put_span(out, string_of(r, value));
        return;
    case PROTOBUF_C_TYPE_BOOL:
        buf_put_text(out, *(const protobuf_c_boolean *)value->at ? "true" : "false");
        return;
    case PROTOBUF_C_TYPE_ENUM:
        put_enum(out, value);
        return;
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        put_real(out, value);
        return;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        buf_put_u64(out, unsigned_of(value));
        return;
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        must(false); /* refused when the template was read */
        return;
    default:
        buf_put_i64(out, signed_of(value));
        return;
    }
}

static bool is_true(struct renderer *r, const struct value *value)
{
    if (value->is_index)
        return value->index > 0;
    if (value->at == NULL)
        return false;
    if (value->is_list)
        return true;
    switch (value->field.pb->type) {
    case PROTOBUF_C_TYPE_STRING:
        return string_of(r, value).len > 0;
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)value->at)->len > 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return message_at(value->at) != NULL;
    case PROTOBUF_C_TYPE_BOOL:
        return *(const protobuf_c_boolean *)value->at != 0;
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        return real_of(value) < 0 || real_of(value) > 0;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return unsigned_of(value) != 0;
    default:
        return signed_of(value) != 0;
    }
}

static bool add_part(struct renderer *r, enum chat_part_kind kind, struct span text,
                     struct span name)
{
    struct chat_message *message = &r->messages[r->n_messages];
    if (r->n_parts == RENDER_MOST_PARTS)
        return false;
    if (message->n_parts == r->cap_parts) {
        r->cap_parts = r->cap_parts == 0 ? 2 : r->cap_parts * 2;
        struct chat_part *parts = arena_alloc(r->arena, r->cap_parts * sizeof *parts);
        if (message->n_parts > 0)
            memcpy(parts, message->parts, message->n_parts * sizeof *parts);
        message->parts = parts;
    }
    message->parts[message->n_parts++] =
        (struct chat_part){.kind = kind, .text = text, .name = name};
    r->n_parts++;
    return true;
}

/* The text so far becomes a part; one without content is dropped. */
static bool end_text(struct renderer *r)
{
    struct span text = span_trim(buf_span(&r->text));
    r->left_bytes -= r->text.len; /* with what is trimmed off: the arena holds it all the same */
    if (text.len > 0 && !add_part(r, CHAT_TEXT, text, SPAN_EMPTY))
        return false;
    buf_init(&r->text, r->arena, r->left_bytes);
    return true;
}

/* The message so far is complete; one without parts is dropped. The next is said in `role`. */
static bool end_message(struct renderer *r, enum chat_role role)
{
    if (!end_text(r))
        return false;
    if (r->messages[r->n_messages].n_parts > 0)
        r->n_messages++;
    r->messages[r->n_messages] = (struct chat_message){.role = role};
    r->cap_parts = 0;
    return true;
}

/* The field as a caller knows it: "image_url", "pages[2].url". */
static struct span name_of(struct renderer *r, const struct prompt_path *path)
{
    struct buf name;
    buf_init(&name, r->arena, NAME_BYTES);
    if (path->scope != PROMPT_FROM_REQUEST) {
        const struct frame *frame = &r->frames[r->depth - 1];
        buf_put_text(&name, frame->field.row->json_name);
        buf_printf(&name, "[%zu]", frame->index);
    }
    for (size_t i = 0; i < path->n; i++) {
        if (name.len > 0)
            buf_put_char(&name, '.');
        buf_put_text(&name, r->prompt->steps[path->first + i].row->json_name);
    }
    return buf_span(&name);
}

static bool add_image(struct renderer *r, const struct prompt_path *path)
{
    struct value found = find(r, path), *value = &found;
    struct span url = string_of(r, value);
    if (url.len == 0)
        return true;
    if (!end_text(r) || url.len > r->left_bytes)
        return false;
    r->left_bytes -= url.len;
    buf_init(&r->text, r->arena, r->left_bytes);
    return add_part(r, CHAT_IMAGE, span_make(arena_copy(r->arena, url), url.len), name_of(r, path));
}

/* False when the list is empty. */
static bool enter_list(struct renderer *r, const struct prompt_path *path)
{
    struct value list = find(r, path);
    if (list.at == NULL)
        return false;
    must(list.is_list && r->depth < PROMPT_MOST_NESTING);
    r->frames[r->depth++] =
        (struct frame){.field = list.field, .items = *(char *const *)list.at, .count = list.count};
    return true;
}

/* False when the list is done; it is left then. */
static bool next_item(struct renderer *r)
{
    struct frame *frame = &r->frames[r->depth - 1];
    if (++frame->index < frame->count)
        return true;
    r->depth--;
    return false;
}

/* Does one op; *pc is the next. False: too large. */
static bool run(struct renderer *r, size_t *pc)
{
    const struct prompt_op *op = &r->prompt->ops[(*pc)++];
    struct value value = {0};
    switch (op->kind) {
    case PROMPT_TEXT:
        buf_put_span(&r->text, op->text);
        break;
    case PROMPT_VALUE:
        value = find(r, &op->path);
        put_value(r, &value);
        break;
    case PROMPT_TEST:
        value = find(r, &op->path);
        if (is_true(r, &value) != op->wanted)
            *pc = op->target;
        break;
    case PROMPT_JUMP:
        *pc = op->target;
        break;
    case PROMPT_EACH:
        if (!enter_list(r, &op->path))
            *pc = op->target;
        break;
    case PROMPT_NEXT:
        if (next_item(r))
            *pc = op->target;
        break;
    case PROMPT_ROLE:
        return end_message(r, op->role);
    case PROMPT_MEDIA:
        return add_image(r, &op->path);
    }
    return !r->text.overflow;
}

bool prompt_render(const struct prompt *prompt, const ProtobufCMessage *request,
                   struct arena *arena, size_t limit_bytes, struct conversation *conversation)
{
    must(prompt->request != NULL && request->descriptor == prompt->request->pb);
    struct renderer r = {
        .prompt = prompt, .request = request, .arena = arena, .left_bytes = limit_bytes};
    /* One a role, one before the first, and the empty one that the end begins. */
    r.messages = arena_alloc(arena, (prompt->n_roles + 2) * sizeof *r.messages);
    r.messages[0] = (struct chat_message){.role = CHAT_USER};
    buf_init(&r.text, arena, limit_bytes);
    for (size_t pc = 0; pc < prompt->n_ops;)
        if (r.work++ >= RENDER_MOST_WORK || !run(&r, &pc))
            return false;
    if (!end_message(&r, CHAT_USER))
        return false;
    conversation->messages = r.messages;
    conversation->n_messages = r.n_messages;
    conversation->model = span_make(prompt->model.len > 0 ? arena_copy(arena, prompt->model) : NULL,
                                    prompt->model.len);
    conversation->temperature = prompt->temperature;
    conversation->max_output_tokens = prompt->max_output_tokens;
    return true;
}
