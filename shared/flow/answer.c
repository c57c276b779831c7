/* Fills in a response: what the model said, what the request said, what the contract says. */
#include "shared/flow/answer.h"

#include "shared/base/buf.h"
#include "shared/base/utf8.h"
#include "shared/flow/field.h"
#include "shared/flow/json.h"
#include "shared/flow/path.h"
#include "shared/flow/validate.h"

/* What a model's answer may take once it is a message: a constant, and so many times its size. */
enum { ANSWER_BASE_BYTES = 64 * 1024, ANSWER_FACTOR = 16 };

struct violations {
    struct violation *at;
    size_t n;
};

static bool refuse(struct arena *arena, struct violations *violations, struct span path,
                   const char *rule, struct span message)
{
    violations->at = arena_alloc(arena, sizeof *violations->at);
    *violations->at = (struct violation){path, span_of(rule), message};
    violations->n = 1;
    return false;
}

static void set_text(ProtobufCMessage *message, const ProtobufCFieldDescriptor *pb,
                     const char *text)
{
    must(pb->type == PROTOBUF_C_TYPE_STRING && pb->label != PROTOBUF_C_LABEL_REPEATED &&
         !field_is_oneof(pb));
    *(const char **)contract_at(message, pb) = text;
}

static ProtobufCMessage *new_response(const struct contract_method *method, struct arena *arena)
{
    ProtobufCMessage *response = arena_alloc(arena, method->response->pb->sizeof_message);
    protobuf_c_message_init(method->response->pb, response);
    return response;
}

/* --- the model's part --- */

/* Without the Markdown fence around it: "```json\n...\n```". */
static struct span unfence(struct span text)
{
    static const char fence[] = "```";
    text = span_trim(text);
    size_t n = sizeof fence - 1;
    if (!span_starts_with(text, fence) || text.len < 2 * n ||
        memcmp(text.at + text.len - n, fence, n) != 0)
        return text;
    const char *line_end = memchr(text.at, '\n', text.len);
    if (line_end == NULL || line_end >= text.at + text.len - n)
        return text;
    return span_trim(span_make(line_end, (size_t)(text.at + text.len - n - line_end)));
}

static bool read_structured(const struct contract_method *method, struct span text,
                            struct arena *arena, ProtobufCMessage **response,
                            struct violations *violations)
{
    struct json_error error;
    text = unfence(text);
    if (text.len == 0)
        return refuse(arena, violations, SPAN_EMPTY, "syntax", span_of("The answer is empty."));
    enum json_result result = json_read_lenient(text, method->response, arena, response, &error);
    if (result == JSON_FINE)
        return true;
    violations->at = arena_alloc(arena, sizeof *violations->at);
    *violations->at = (struct violation){error.path, error.rule, error.message};
    violations->n = 1;
    return false;
}

static bool read_plain(const struct contract_method *method, struct span text, struct arena *arena,
                       ProtobufCMessage **response, struct violations *violations)
{
    *response = new_response(method, arena);
    if (method->text_field == SIZE_MAX)
        return true;
    if (span_trim(text).len == 0)
        return refuse(arena, violations,
                      span_of(method->response->fields[method->text_field].json_name), "required",
                      span_of("The answer is empty."));
    set_text(*response, &method->response->pb->fields[method->text_field], arena_copy(arena, text));
    return true;
}

/* --- the rest --- */

/* The value is shared with the request, not copied. */
static void copy_from_request(const struct contract_message *type, size_t index,
                              const struct contract_message *request_type,
                              const ProtobufCMessage *request, ProtobufCMessage *response)
{
    size_t source = contract_field_find(request_type, type->fields[index].source_request);
    must(source != SIZE_MAX);
    const ProtobufCFieldDescriptor *from = &request_type->pb->fields[source];
    const ProtobufCFieldDescriptor *to = &type->pb->fields[index];
    must(from->type == to->type && from->descriptor == to->descriptor && !field_is_oneof(to));
    must((from->label == PROTOBUF_C_LABEL_REPEATED) == (to->label == PROTOBUF_C_LABEL_REPEATED));
    size_t n = contract_count(request, from);
    if (to->label == PROTOBUF_C_LABEL_REPEATED)
        field_set_items(response, to, field_items(request, from), n);
    else if (n > 0)
        memcpy(contract_at(response, to), contract_at(request, from), field_item_bytes(to->type));
}

static void fill_in(const struct contract_method *method, const ProtobufCMessage *request,
                    ProtobufCMessage *response)
{
    const struct contract_message *type = method->response;
    for (size_t i = 0; i < type->pb->n_fields; i++) {
        if (type->fields[i].source == CONTRACT_FROM_REQUEST)
            copy_from_request(type, i, method->request, request, response);
        else if (type->fields[i].source == CONTRACT_FROM_CONSTANT)
            set_text(response, &type->pb->fields[i], type->fields[i].source_constant);
    }
}

/* Once the rest is there. These fields are grpc_only, so that the text does not hold itself. */
static void fill_in_json(const struct contract_message *type, struct arena *arena,
                         ProtobufCMessage *response)
{
    for (size_t i = 0; i < type->pb->n_fields; i++) {
        if (type->fields[i].source != CONTRACT_FROM_JSON)
            continue;
        struct buf json;
        must(type->fields[i].grpc_only);
        buf_init(&json, arena, SIZE_MAX / 4);
        json_write(&json, type, response);
        buf_put_char(&json, '\0');
        set_text(response, &type->pb->fields[i], json.at);
    }
}

static bool build(const struct contract_method *method, const ProtobufCMessage *request,
                  struct span text, struct arena *arena, ProtobufCMessage **response,
                  struct violations *violations)
{
    if (!utf8_valid(text) || (text.len > 0 && memchr(text.at, '\0', text.len) != NULL))
        return refuse(arena, violations, SPAN_EMPTY, "utf8",
                      span_of("The answer is not UTF-8, or holds a NUL character."));
    bool read = method->kind == CONTRACT_STRUCTURED
                    ? read_structured(method, text, arena, response, violations)
                    : read_plain(method, text, arena, response, violations);
    if (!read)
        return false;
    fill_in(method, request, *response);
    violations->n = validate_message(method->response, *response, arena, &violations->at);
    if (violations->n > 0)
        return false;
    fill_in_json(method->response, arena, *response);
    return true;
}

bool answer_build(const struct contract_method *method, const ProtobufCMessage *request,
                  struct span text, struct arena *arena, ProtobufCMessage **response,
                  struct violation **violations, size_t *n_violations)
{
    struct violations found = {NULL, 0};
    *response = NULL;
    /* The arena's budget was set for what the caller sent; the model's answer has one of its own.
     */
    size_t budget = arena->budget_bytes;
    arena->budget_bytes = arena->used_bytes + ANSWER_BASE_BYTES + ANSWER_FACTOR * text.len;
    bool fine = build(method, request, text, arena, response, &found);
    arena->budget_bytes = budget;
    if (!fine)
        *response = NULL;
    *violations = found.at;
    *n_violations = found.n;
    return fine;
}

ProtobufCMessage *answer_piece(const struct contract_method *method, const char *text,
                               struct arena *arena)
{
    ProtobufCMessage *response = new_response(method, arena);
    must(method->text_field != SIZE_MAX);
    set_text(response, &method->response->pb->fields[method->text_field], text);
    return response;
}
