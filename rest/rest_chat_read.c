/* OpenAI's request: one look at each member that weir knows. */
#include "rest/rest_chat.h"

#include "shared/flow/json_text.h"
#include "weir/v1/chat.pb-c.h"

#include <limits.h>

enum { PATH_BYTES = 512, SCHEMA_BYTES = 65536 };

struct reading {
    struct arena *arena;
    struct violation wrong; /* no rule: nothing is */
    bool memory;            /* there is not enough */
};

__attribute__((format(printf, 4, 5))) static bool wrong(struct reading *reading, const char *code,
                                                        const char *message, const char *path, ...)
{
    char text[PATH_BYTES];
    va_list arguments;
    va_start(arguments, path);
    (void)vsnprintf(text, sizeof text, path, arguments);
    va_end(arguments);
    reading->wrong = (struct violation){.path = span_of(arena_copy(reading->arena, span_of(text))),
                                        .rule = span_of(code),
                                        .message = span_of(message)};
    return false;
}

static void *take(struct reading *reading, size_t n, size_t size)
{
    void *at = arena_try(reading->arena, n * size);
    if (at == NULL)
        reading->memory = true;
    else
        memset(at, 0, n * size);
    return at;
}

static bool is_absent(const json_t *value)
{
    return value == NULL || json_is_null(value);
}

/* A string, not a long integer in disguise. */
static bool is_text(const json_t *value)
{
    struct span digits;
    return json_is_string(value) && !json_text_number(value, &digits);
}

static char *copy_text(struct reading *reading, const json_t *value)
{
    size_t len = json_string_length(value);
    char *copy = take(reading, len + 1, 1);
    if (copy != NULL && len > 0)
        memcpy(copy, json_string_value(value), len);
    return copy;
}

/* --- what is not supported --- */

enum neutral { NOTHING, ZERO, ONE, NO, EMPTY, FREE };

static const char no_tools[] = "tools are not supported here: the model is not offered any";

/* Members that would change the answer, and the value at which each does not. */
static const struct {
    const char *name;
    enum neutral neutral;
    const char *why; /* NULL: nothing more is to be said */
} unsupported[] = {
    {"tools", EMPTY, no_tools},
    {"tool_choice", FREE, no_tools},
    {"functions", EMPTY, no_tools},
    {"function_call", FREE, no_tools},
    {"n", ONE, NULL},
    {"top_p", ONE, NULL},
    {"frequency_penalty", ZERO, NULL},
    {"presence_penalty", ZERO, NULL},
    {"logprobs", NO, NULL},
    {"top_logprobs", ZERO, NULL},
    {"logit_bias", EMPTY, NULL},
    {"audio", NOTHING, NULL},
    {"prediction", NOTHING, NULL},
    {"web_search_options", NOTHING, NULL},
};

static bool is_neutral(const json_t *value, enum neutral neutral)
{
    switch (neutral) {
    case ZERO:
        return json_is_number(value) && json_number_value(value) == 0;
    case ONE:
        return json_is_number(value) && json_number_value(value) == 1;
    case NO:
        return json_is_false(value);
    case EMPTY:
        return (json_is_array(value) && json_array_size(value) == 0) ||
               (json_is_object(value) && json_object_size(value) == 0);
    case FREE:
        return is_text(value) && (strcmp(json_string_value(value), "auto") == 0 ||
                                  strcmp(json_string_value(value), "none") == 0);
    case NOTHING:
        break;
    }
    return false;
}

static bool check_modalities(struct reading *reading, const json_t *value)
{
    const json_t *only = json_array_get(value, 0);
    if (is_absent(value) || (json_array_size(value) == 1 && is_text(only) &&
                             strcmp(json_string_value(only), "text") == 0))
        return true;
    return wrong(reading, "unsupported_parameter", "only text is answered", "modalities");
}

static bool check_unsupported(struct reading *reading, const json_t *root)
{
    for (size_t i = 0; i < sizeof unsupported / sizeof unsupported[0]; i++) {
        const json_t *value = json_object_get(root, unsupported[i].name);
        if (!is_absent(value) && !is_neutral(value, unsupported[i].neutral))
            return wrong(reading, "unsupported_parameter",
                         unsupported[i].why != NULL
                             ? unsupported[i].why
                             : "this parameter, or this value of it, is not supported here",
                         "%s", unsupported[i].name);
    }
    return check_modalities(reading, json_object_get(root, "modalities"));
}

/* --- plain members --- */

static bool read_flag(struct reading *reading, const json_t *object, const char *name, bool *flag)
{
    const json_t *value = json_object_get(object, name);
    *flag = json_is_true(value);
    return is_absent(value) || json_is_boolean(value) ||
           wrong(reading, "invalid_type", "must be a boolean", "%s", name);
}

static bool read_model(struct reading *reading, const json_t *root, Weir__V1__ChatRequest *chat)
{
    const json_t *value = json_object_get(root, "model");
    if (is_absent(value) || (is_text(value) && json_string_length(value) == 0))
        return wrong(reading, "missing_required_parameter", "name a model", "model");
    if (!is_text(value))
        return wrong(reading, "invalid_type", "must be a string", "model");
    chat->model = copy_text(reading, value);
    return chat->model != NULL;
}

static bool read_temperature(struct reading *reading, const json_t *root,
                             Weir__V1__ChatRequest *chat)
{
    const json_t *value = json_object_get(root, "temperature");
    if (is_absent(value))
        return true;
    if (!json_is_number(value))
        return wrong(reading, "invalid_type", "must be a number", "temperature");
    chat->sampling_case = WEIR__V1__CHAT_REQUEST__SAMPLING_TEMPERATURE;
    chat->temperature = json_number_value(value);
    return true;
}

static bool read_tokens(struct reading *reading, const json_t *root, const char *name,
                        Weir__V1__ChatRequest *chat)
{
    const json_t *value = json_object_get(root, name);
    if (is_absent(value))
        return true;
    if (!json_is_integer(value))
        return wrong(reading, "invalid_type", "must be an integer", "%s", name);
    json_int_t tokens = json_integer_value(value);
    if (tokens < 1 || tokens > INT32_MAX)
        return wrong(reading, "invalid_value", "must be a positive integer of 32 bits", "%s", name);
    chat->max_completion_tokens = (int32_t)tokens;
    return true;
}

static bool read_stop(struct reading *reading, const json_t *root, Weir__V1__ChatRequest *chat)
{
    const json_t *value = json_object_get(root, "stop");
    bool alone = is_text(value);
    if (is_absent(value))
        return true;
    if (!alone && !json_is_array(value))
        return wrong(reading, "invalid_type", "must be a string or an array of strings", "stop");
    size_t n = alone ? 1 : json_array_size(value);
    chat->stop = take(reading, n, sizeof *chat->stop);
    for (size_t i = 0; i < n && chat->stop != NULL; i++) {
        const json_t *one = alone ? value : json_array_get(value, i);
        if (!is_text(one))
            return wrong(reading, "invalid_type", "must be a string", "stop[%zu]", i);
        chat->stop[i] = copy_text(reading, one);
        if (chat->stop[i] == NULL)
            return false;
        chat->n_stop = i + 1;
    }
    return chat->stop != NULL;
}

static bool read_stream(struct reading *reading, const json_t *root, struct rest_chat_form *form)
{
    const json_t *options = json_object_get(root, "stream_options");
    if (!read_flag(reading, root, "stream", &form->stream))
        return false;
    if (is_absent(options))
        return true;
    if (!json_is_object(options))
        return wrong(reading, "invalid_type", "must be an object", "stream_options");
    return read_flag(reading, options, "include_usage", &form->include_usage);
}

/* --- the answer's form --- */

static bool read_schema(struct reading *reading, const json_t *format, Weir__V1__ChatRequest *chat)
{
    const json_t *wanted = json_object_get(format, "json_schema");
    const json_t *name = json_object_get(wanted, "name");
    const json_t *schema = json_object_get(wanted, "schema");
    static const char at[] = "response_format.json_schema";
    if (!json_is_object(wanted))
        return wrong(reading, "missing_required_parameter", "must be an object", "%s", at);
    if (!is_text(name) || json_string_length(name) == 0)
        return wrong(reading, "missing_required_parameter", "must be a string", "%s.name", at);
    if (!json_is_object(schema))
        return wrong(reading, "missing_required_parameter", "must be an object", "%s.schema", at);
    chat->schema_name = copy_text(reading, name);
    size_t len = json_dumpb(schema, NULL, 0, JSON_COMPACT);
    if (len > SCHEMA_BYTES)
        return wrong(reading, "invalid_value", "is too large", "%s.schema", at);
    chat->schema = chat->schema_name != NULL ? take(reading, len + 1, 1) : NULL;
    if (chat->schema == NULL)
        return false;
    (void)json_dumpb(schema, chat->schema, len, JSON_COMPACT);
    /* Such a number is a text in disguise by now. */
    if (strstr(chat->schema, "\"\\u0000") != NULL)
        return wrong(reading, "invalid_value", "has a number of 19 digits or more", "%s.schema",
                     at);
    return true;
}

static bool read_format(struct reading *reading, const json_t *root, Weir__V1__ChatRequest *chat)
{
    static char any_object[] = "{\"type\":\"object\"}";
    const json_t *format = json_object_get(root, "response_format");
    const json_t *type = json_object_get(format, "type");
    if (is_absent(format))
        return true;
    const char *word = is_text(type) ? json_string_value(type) : "";
    if (strcmp(word, "json_schema") == 0)
        return read_schema(reading, format, chat);
    if (strcmp(word, "json_object") == 0)
        chat->schema = any_object;
    else if (strcmp(word, "text") != 0)
        return wrong(reading, "invalid_value", "must be text, json_object or json_schema",
                     "response_format.type");
    return true;
}

/* --- messages --- */

struct place {
    size_t message, part;
};

static bool read_image(struct reading *reading, const json_t *from, struct place at,
                       Weir__V1__ChatPart *part)
{
    const json_t *url = json_object_get(json_object_get(from, "image_url"), "url");
    if (!is_text(url))
        return wrong(reading, "missing_required_parameter", "must be a string",
                     "messages[%zu].content[%zu].image_url.url", at.message, at.part);
    char *text = copy_text(reading, url);
    bool data = strncmp(json_string_value(url), "data:", 5) == 0;
    part->part_case =
        data ? WEIR__V1__CHAT_PART__PART_IMAGE_DATA : WEIR__V1__CHAT_PART__PART_IMAGE_URL;
    if (data)
        part->image_data = text;
    else
        part->image_url = text;
    return text != NULL;
}

static bool read_part(struct reading *reading, const json_t *from, struct place at,
                      Weir__V1__ChatPart *part)
{
    const json_t *type = json_object_get(from, "type");
    const char *word = is_text(type) ? json_string_value(type) : "";
    weir__v1__chat_part__init(part);
    if (strcmp(word, "image_url") == 0)
        return read_image(reading, from, at, part);
    if (strcmp(word, "text") != 0 && strcmp(word, "refusal") != 0)
        return wrong(reading, "unsupported_value", "must be text or image_url",
                     "messages[%zu].content[%zu].type", at.message, at.part);
    const json_t *text = json_object_get(from, word);
    if (!is_text(text))
        return wrong(reading, "invalid_type", "must be a string", "messages[%zu].content[%zu].%s",
                     at.message, at.part, word);
    part->part_case = WEIR__V1__CHAT_PART__PART_TEXT;
    part->text = copy_text(reading, text);
    return part->text != NULL;
}

/* The whole content is one text. */
static bool read_text(struct reading *reading, const json_t *text, Weir__V1__ChatPart *part)
{
    weir__v1__chat_part__init(part);
    part->part_case = WEIR__V1__CHAT_PART__PART_TEXT;
    part->text = copy_text(reading, text);
    return part->text != NULL;
}

static bool read_content(struct reading *reading, const json_t *from, size_t message,
                         Weir__V1__ChatTurn *turn)
{
    const json_t *content = json_object_get(from, "content");
    bool alone = is_text(content);
    if (is_absent(content) && strcmp(turn->role, "assistant") == 0)
        return true;
    if (!alone && !json_is_array(content))
        return wrong(reading, "invalid_type", "must be a string or an array of parts",
                     "messages[%zu].content", message);
    size_t n = alone ? 1 : json_array_size(content);
    turn->content = take(reading, n, sizeof *turn->content);
    Weir__V1__ChatPart *parts = take(reading, n, sizeof *parts);
    for (size_t i = 0; i < n && parts != NULL && turn->content != NULL; i++) {
        turn->content[i] = &parts[i];
        turn->n_content = i + 1;
        const struct place at = {message, i};
        if (!(alone ? read_text(reading, content, &parts[i])
                    : read_part(reading, json_array_get(content, i), at, &parts[i])))
            return false;
    }
    return !reading->memory;
}

static bool read_turn(struct reading *reading, const json_t *from, size_t i,
                      Weir__V1__ChatTurn *turn)
{
    static char system[] = "system", user[] = "user", assistant[] = "assistant";
    const json_t *role = json_object_get(from, "role");
    const json_t *calls = json_object_get(from, "tool_calls");
    const char *word = is_text(role) ? json_string_value(role) : "";
    weir__v1__chat_turn__init(turn);
    if (strcmp(word, "system") == 0 || strcmp(word, "developer") == 0)
        turn->role = system;
    else if (strcmp(word, "user") == 0)
        turn->role = user;
    else if (strcmp(word, "assistant") == 0)
        turn->role = assistant;
    else
        return wrong(reading, "unsupported_value", "must be system, developer, user or assistant",
                     "messages[%zu].role", i);
    if (!is_absent(calls) && !is_neutral(calls, EMPTY))
        return wrong(reading, "unsupported_parameter", no_tools, "messages[%zu].tool_calls", i);
    return read_content(reading, from, i, turn);
}

static bool read_messages(struct reading *reading, const json_t *root, Weir__V1__ChatRequest *chat)
{
    const json_t *messages = json_object_get(root, "messages");
    size_t n = json_array_size(messages);
    if (is_absent(messages))
        return wrong(reading, "missing_required_parameter", "must be an array", "messages");
    if (!json_is_array(messages))
        return wrong(reading, "invalid_type", "must be an array", "messages");
    chat->messages = take(reading, n, sizeof *chat->messages);
    Weir__V1__ChatTurn *turns = take(reading, n, sizeof *turns);
    for (size_t i = 0; i < n && turns != NULL && chat->messages != NULL; i++) {
        chat->messages[i] = &turns[i];
        chat->n_messages = i + 1;
        if (!read_turn(reading, json_array_get(messages, i), i, &turns[i]))
            return false;
    }
    return !reading->memory;
}

/* --- the whole --- */

static bool read_all(struct reading *reading, const json_t *root, Weir__V1__ChatRequest *chat,
                     struct rest_chat_form *form)
{
    if (!json_is_object(root))
        return wrong(reading, "invalid_type", "the body must be a JSON object", "%s", "");
    return read_model(reading, root, chat) && read_messages(reading, root, chat) &&
           check_unsupported(reading, root) && read_temperature(reading, root, chat) &&
           read_tokens(reading, root, "max_tokens", chat) &&
           read_tokens(reading, root, "max_completion_tokens", chat) &&
           read_stop(reading, root, chat) && read_stream(reading, root, form) &&
           read_format(reading, root, chat);
}

static enum verdict_code refuse_text(struct arena *arena, const struct json_error *error,
                                     enum json_result result, struct verdict *verdict)
{
    struct violation *violation = arena_alloc(arena, sizeof *violation);
    *verdict = verdict_of(result == JSON_SYNTAX ? VERDICT_BAD_JSON : VERDICT_BAD_MESSAGE);
    if (result == JSON_MEMORY)
        *verdict = verdict_of(VERDICT_TOO_LARGE);
    if (result != JSON_SHAPE)
        return verdict->code;
    *violation = (struct violation){error->path, error->rule, error->message};
    verdict->violations = violation;
    verdict->n_violations = 1;
    return verdict->code;
}

enum verdict_code rest_chat_read(struct span body, struct arena *arena,
                                 Weir__V1__ChatRequest **chat, struct rest_chat_form *form,
                                 struct verdict *verdict)
{
    struct reading reading = {.arena = arena};
    struct json_error error = {0};
    json_t *root = NULL;
    *form = (struct rest_chat_form){0};
    enum json_result result = json_text_load(body, arena, &root, &error);
    if (result != JSON_FINE)
        return refuse_text(arena, &error, result, verdict);
    *chat = arena_alloc(arena, sizeof **chat);
    weir__v1__chat_request__init(*chat);
    bool fine = read_all(&reading, root, *chat, form);
    json_decref(root);
    *verdict = verdict_of(VERDICT_OK);
    if (fine)
        return VERDICT_OK;
    *verdict = verdict_of(reading.memory ? VERDICT_TOO_LARGE : VERDICT_BAD_MESSAGE);
    if (!reading.memory) {
        struct violation *violation = arena_alloc(arena, sizeof *violation);
        *violation = reading.wrong;
        verdict->violations = violation;
        verdict->n_violations = 1;
    }
    return verdict->code;
}
