/* Chat completions and their models only: settles the model, and looks at what rules on fields
 * cannot say. */
#include "shared/pipeline/chat.h"
#include "shared/pipeline/step.h"

#include "shared/flow/json_text.h"
#include "weir/v1/chat.pb-c.h"

static enum step_result refuse(struct request *request, enum verdict_code code,
                               struct violation wrong, struct verdict *verdict)
{
    struct violation *violation = arena_alloc(&request->arena, sizeof *violation);
    *violation = wrong;
    *verdict = (struct verdict){.code = code, .violations = violation, .n_violations = 1};
    return STEP_END;
}

static enum step_result find_model(struct request *request, struct span name,
                                   struct verdict *verdict)
{
    size_t upstream;
    if (chat_find_model(request->worker->core->chat, name, &upstream))
        return STEP_NEXT;
    return refuse(request, VERDICT_NO_MODEL,
                  (struct violation){span_of("model"), span_of("model_not_found"),
                                     span_of("there is no such model here")},
                  verdict);
}

static enum step_result settle_chat(struct request *request, struct verdict *verdict)
{
    const struct core *core = request->worker->core;
    Weir__V1__ChatRequest *chat = (Weir__V1__ChatRequest *)request->message;
    if (find_model(request, span_of(chat->model), verdict) == STEP_END)
        return STEP_END;
    if (chat->schema[0] != '\0' && !json_text_is_object(span_of(chat->schema), &request->arena))
        return refuse(request, VERDICT_INVALID,
                      (struct violation){span_of("schema"), span_of("json"),
                                         span_of("must be a JSON Schema, an object")},
                      verdict);
    /* So that one question has one key, and the answer says who was asked. */
    if (chat->model[0] == '\0' && core->chat != NULL)
        chat->model = arena_copy(&request->arena, span_of(core->chat->usual));
    return STEP_NEXT;
}

enum step_result step_chat(struct request *request, struct verdict *verdict)
{
    struct span name;
    if (request->given.method->kind == CONTRACT_CHAT)
        return settle_chat(request, verdict);
    if (request->given.method->kind == CONTRACT_MODELS &&
        chat_asks_for_model(request->message, &name))
        return find_model(request, name, verdict);
    return STEP_NEXT;
}
