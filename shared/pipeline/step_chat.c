/* Chat completions only: settles the model, and looks at what rules on fields cannot say. */
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

enum step_result step_chat(struct request *request, struct verdict *verdict)
{
    const struct core *core = request->worker->core;
    size_t upstream = 0;
    if (request->given.method->kind != CONTRACT_CHAT)
        return STEP_NEXT;
    Weir__V1__ChatRequest *chat = (Weir__V1__ChatRequest *)request->message;
    if (!chat_find_model(core->chat, span_of(chat->model), &upstream))
        return refuse(request, VERDICT_NO_MODEL,
                      (struct violation){span_of("model"), span_of("model_not_found"),
                                         span_of("there is no such model here")},
                      verdict);
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
