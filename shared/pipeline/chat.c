#include "shared/pipeline/chat.h"

#include "shared/base/buf.h"

#include "weir/v1/chat.pb-c.h"

static const Weir__V1__ChatRequest *chat_of(const ProtobufCMessage *message)
{
    must(message->descriptor == &weir__v1__chat_request__descriptor);
    return (const Weir__V1__ChatRequest *)message;
}

bool chat_find_model(const struct chat_models *models, struct span name, size_t *upstream)
{
    *upstream = 0;
    if (name.len == 0)
        return true;
    for (size_t i = 0; models != NULL && i < models->count; i++) {
        *upstream = models->list[i].upstream;
        if (span_is(name, models->list[i].name))
            return true;
    }
    *upstream = 0;
    return models != NULL && span_is(name, models->usual);
}

bool chat_is_kept(const ProtobufCMessage *request)
{
    const Weir__V1__ChatRequest *chat = chat_of(request);
    bool said = chat->sampling_case == WEIR__V1__CHAT_REQUEST__SAMPLING_TEMPERATURE;
    return chat->cache || (said && chat->temperature == 0);
}

static bool make_part(const Weir__V1__ChatPart *from, struct chat_part *to)
{
    switch (from->part_case) {
    case WEIR__V1__CHAT_PART__PART_TEXT:
        *to = (struct chat_part){.kind = CHAT_TEXT, .text = span_of(from->text)};
        return true;
    case WEIR__V1__CHAT_PART__PART_IMAGE_URL:
        *to = (struct chat_part){.kind = CHAT_IMAGE, .text = span_of(from->image_url)};
        return true;
    case WEIR__V1__CHAT_PART__PART_IMAGE_DATA:
        *to = (struct chat_part){.kind = CHAT_IMAGE, .text = span_of(from->image_data)};
        return true;
    default:
        return false;
    }
}

static enum chat_role role_of(const char *name)
{
    if (strcmp(name, "system") == 0)
        return CHAT_SYSTEM;
    return strcmp(name, "assistant") == 0 ? CHAT_MODEL : CHAT_USER;
}

/* Where an image is in the request, for those who are told that it is of no use. */
static struct span path_of(struct arena *arena, size_t turn, size_t part)
{
    struct buf path;
    buf_init(&path, arena, 128);
    buf_printf(&path, "messages[%zu].content[%zu].image_url", turn, part);
    return buf_span(&path);
}

static void make_turn(const Weir__V1__ChatTurn *from, size_t turn, struct arena *arena,
                      struct chat_message *to)
{
    *to = (struct chat_message){.role = role_of(from->role),
                                .parts = arena_alloc(arena, from->n_content * sizeof *to->parts)};
    for (size_t i = 0; i < from->n_content; i++) {
        struct chat_part *part = &to->parts[to->n_parts];
        if (!make_part(from->content[i], part))
            continue;
        if (part->kind == CHAT_IMAGE)
            part->name = path_of(arena, turn, i);
        to->n_parts++;
    }
}

void chat_conversation(const struct chat_models *models, const ProtobufCMessage *request,
                       struct arena *arena, struct conversation *what)
{
    const Weir__V1__ChatRequest *chat = chat_of(request);
    must(chat_find_model(models, span_of(chat->model), &what->upstream));
    what->messages = arena_alloc(arena, chat->n_messages * sizeof *what->messages);
    what->n_messages = chat->n_messages;
    for (size_t i = 0; i < chat->n_messages; i++)
        make_turn(chat->messages[i], i, arena, &what->messages[i]);
    if (chat->sampling_case == WEIR__V1__CHAT_REQUEST__SAMPLING_TEMPERATURE)
        what->temperature = chat->temperature;
    what->max_output_tokens = chat->max_completion_tokens;
    struct span *stop = arena_alloc(arena, chat->n_stop * sizeof *stop);
    for (size_t i = 0; i < chat->n_stop; i++)
        stop[i] = span_of(chat->stop[i]);
    what->stop = stop;
    what->n_stop = chat->n_stop;
    if (chat->schema[0] == '\0')
        return;
    what->schema = chat->schema;
    if (chat->schema_name[0] != '\0')
        what->schema_name = chat->schema_name;
}

/* What protobuf-c's strings are: they are read, not written. */
static char *lend(const char *text)
{
    return (char *)(uintptr_t)text;
}

static Weir__V1__ChatUsage *make_usage(const struct llm_usage *usage, struct arena *arena)
{
    Weir__V1__ChatUsage *made = arena_alloc(arena, sizeof *made);
    weir__v1__chat_usage__init(made);
    made->prompt_tokens = usage->input_tokens;
    made->completion_tokens = usage->output_tokens;
    made->estimated = !usage->known;
    return made;
}

ProtobufCMessage *chat_answer(const struct contract_method *method, const ProtobufCMessage *request,
                              const struct llm_result *result, struct arena *arena)
{
    const Weir__V1__ChatRequest *chat = chat_of(request);
    char *reason = lend(result->stop == LLM_STOP_LENGTH ? "length" : "stop");
    Weir__V1__ChatUsage *usage = make_usage(&result->account.usage, arena);
    if (method->streams) {
        Weir__V1__ChatChunk *chunk = arena_alloc(arena, sizeof *chunk);
        weir__v1__chat_chunk__init(chunk);
        chunk->model = chat->model;
        chunk->finish_reason = reason;
        chunk->usage = usage;
        return &chunk->base;
    }
    Weir__V1__ChatResponse *answer = arena_alloc(arena, sizeof *answer);
    weir__v1__chat_response__init(answer);
    answer->model = chat->model;
    answer->content = arena_copy(arena, result->text);
    answer->finish_reason = reason;
    answer->usage = usage;
    return &answer->base;
}

/* --- the models themselves --- */

bool chat_asks_for_model(const ProtobufCMessage *request, struct span *name)
{
    if (request->descriptor != &weir__v1__get_model_request__descriptor)
        return false;
    *name = span_of(((const Weir__V1__GetModelRequest *)request)->model);
    return true;
}

static Weir__V1__ChatModel *make_model(const struct chat_models *models, struct span name,
                                       struct arena *arena)
{
    static char owner[] = "weir";
    Weir__V1__ChatModel *model = arena_alloc(arena, sizeof *model);
    weir__v1__chat_model__init(model);
    model->id = arena_copy(arena, name);
    model->created = models->since_s;
    model->owned_by = owner;
    return model;
}

static bool is_listed(const struct chat_models *models, const char *name)
{
    for (size_t i = 0; i < models->count; i++)
        if (strcmp(models->list[i].name, name) == 0)
            return true;
    return false;
}

static ProtobufCMessage *list_models(const struct chat_models *models, struct arena *arena)
{
    Weir__V1__ListModelsResponse *answer = arena_alloc(arena, sizeof *answer);
    weir__v1__list_models_response__init(answer);
    if (models == NULL)
        return &answer->base;
    answer->models = arena_alloc(arena, (models->count + 1) * sizeof *answer->models);
    if (!is_listed(models, models->usual)) /* else its name is another's */
        answer->models[answer->n_models++] = make_model(models, span_of(models->usual), arena);
    for (size_t i = 0; i < models->count; i++)
        answer->models[answer->n_models++] =
            make_model(models, span_of(models->list[i].name), arena);
    return &answer->base;
}

ProtobufCMessage *chat_tell_models(const struct chat_models *models,
                                   const ProtobufCMessage *request, struct arena *arena)
{
    struct span name;
    if (!chat_asks_for_model(request, &name)) {
        must(request->descriptor == &weir__v1__list_models_request__descriptor);
        return list_models(models, arena);
    }
    must(models != NULL);
    Weir__V1__GetModelResponse *answer = arena_alloc(arena, sizeof *answer);
    weir__v1__get_model_response__init(answer);
    answer->model = make_model(models, name, arena);
    return &answer->base;
}
