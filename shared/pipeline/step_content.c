/* The content rules over the text fields of a decoded message (L7): URLs and telephone numbers in
 * all of them together, and the length of those whose contract names none. */
#include "shared/base/utf8.h"
#include "shared/flow/path.h"
#include "shared/pipeline/limits.h"
#include "shared/pipeline/step.h"
#include "shared/policy/content.h"

#include <stdarg.h>
#include <stdio.h>

enum { MOST_CHARACTERS = 8192 };

struct reading {
    const struct limits_settings *settings;
    struct arena *arena;
    struct content_counts counts;
    struct violation broken; /* the first rule that broke; no path: none did */
    const char *rule;
};

__attribute__((format(printf, 4, 5))) static void
breaks(struct reading *reading, const struct path *at, const char *rule, const char *format, ...)
{
    char text[160];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    reading->rule = rule;
    reading->broken =
        (struct violation){.path = path_text(at, reading->arena),
                           .rule = span_of(rule),
                           .message = span_of(arena_copy(reading->arena, span_of(text)))};
}

static void read_text(struct reading *reading, const struct contract_field *field, struct span text,
                      const struct path *at)
{
    const struct limits_settings *settings = reading->settings;
    if (field->rules.max_len == 0 && text.len > MOST_CHARACTERS &&
        utf8_length(text) > MOST_CHARACTERS) {
        breaks(reading, at, "content.max_len", "must be at most %d characters long",
               MOST_CHARACTERS);
        return;
    }
    if (field->rules.uri) /* is one, and nothing else */
        return;
    content_count(text, &reading->counts);
    if (reading->counts.urls > settings->most_urls)
        breaks(reading, at, "content.urls", "the text fields may hold %zu URL%s at most",
               settings->most_urls, settings->most_urls == 1 ? "" : "s");
    else if (reading->counts.phones > settings->most_phones)
        breaks(reading, at, "content.phones", "the text fields may hold %zu phone number%s at most",
               settings->most_phones, settings->most_phones == 1 ? "" : "s");
}

static void read_message(struct reading *reading, const struct contract_message *type,
                         const ProtobufCMessage *message, const struct path *up);

static void read_value(struct reading *reading, const struct contract_field *field,
                       ProtobufCType type, const void *at, const struct path *path)
{
    if (type == PROTOBUF_C_TYPE_STRING)
        read_text(reading, field, span_of(*(const char *const *)at), path);
    else if (type == PROTOBUF_C_TYPE_MESSAGE)
        read_message(reading, field->message, *(const ProtobufCMessage *const *)at, path);
}

/* Keys are text that a caller chose, too. */
static void read_entry(struct reading *reading, const struct contract_message *type,
                       const ProtobufCMessage *entry, const struct path *map)
{
    const ProtobufCFieldDescriptor *key = &type->pb->fields[0], *value = &type->pb->fields[1];
    struct path at = *map;
    if (key->type == PROTOBUF_C_TYPE_STRING) {
        at = path_key(map, contract_string(entry, key));
        read_text(reading, &type->fields[0], contract_string(entry, key), &at);
    }
    if (reading->rule == NULL && contract_count(entry, value) > 0)
        read_value(reading, &type->fields[1], value->type, contract_at(entry, value), &at);
}

static void read_field(struct reading *reading, const struct contract_field *field,
                       const ProtobufCFieldDescriptor *pb, const ProtobufCMessage *message,
                       const struct path *up)
{
    struct path here = path_field(up, field->json_name);
    bool repeated = pb->label == PROTOBUF_C_LABEL_REPEATED;
    size_t n = contract_count(message, pb);
    const char *at = contract_at(message, pb);
    if (pb->type != PROTOBUF_C_TYPE_STRING && pb->type != PROTOBUF_C_TYPE_MESSAGE)
        return;
    if (repeated)
        memcpy(&at, at, sizeof(char *));
    for (size_t i = 0; i < n && reading->rule == NULL; i++, at += sizeof(void *)) {
        struct path item = path_item(&here, i);
        if (field->is_map)
            read_entry(reading, field->message, *(const ProtobufCMessage *const *)at, &here);
        else
            read_value(reading, field, pb->type, at, repeated ? &item : &here);
    }
}

static void read_message(struct reading *reading, const struct contract_message *type,
                         const ProtobufCMessage *message, const struct path *up)
{
    for (size_t i = 0; i < type->pb->n_fields && reading->rule == NULL; i++)
        read_field(reading, &type->fields[i], &type->pb->fields[i], message, up);
}

enum step_result step_content(struct request *request, struct verdict *verdict)
{
    const struct limits *limits = request->worker->core->limits;
    const struct contract_method *method = request->given.method;
    if (limits == NULL || method->limit == CONTRACT_LIMIT_EXEMPT)
        return STEP_NEXT;
    struct reading reading = {.settings = &limits->settings, .arena = &request->arena};
    read_message(&reading, method->request, request->message, NULL);
    if (reading.rule == NULL)
        return STEP_NEXT;
    limits_violation(request, reading.rule);
    struct violation *violation = arena_alloc(&request->arena, sizeof *violation);
    *violation = reading.broken;
    *verdict = (struct verdict){
        .code = VERDICT_CONTENT_REFUSED, .violations = violation, .n_violations = 1};
    return STEP_END;
}
