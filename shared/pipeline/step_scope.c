/* May this caller ask for this flow (I5)? A caller that was let in as nobody has no scopes to look
 * at; that nobody is let in where somebody is required was settled one step before. */
#include "shared/pipeline/step.h"

#include "shared/policy/authenticator.h"
#include "shared/policy/scope.h"

enum step_result step_scope(struct request *request, struct verdict *verdict)
{
    const struct contract_method *method = request->given.method;
    struct buf challenge;
    if (method->kind == CONTRACT_HEALTH)
        return STEP_NEXT;
    if (!identity_is_known(&request->identity)) {
        must(!request->worker->core->authenticator->required);
        return STEP_NEXT;
    }
    if (scope_allows(request->identity.scopes, method->scope))
        return STEP_NEXT;
    buf_init(&challenge, &request->arena, 256);
    buf_put_text(&challenge, "Bearer realm=\"weir\", error=\"insufficient_scope\", scope=\"flow:");
    buf_put_text(&challenge, method->scope);
    buf_put_char(&challenge, '"');
    request_note(request, "www-authenticate", buf_span(&challenge));
    *verdict = verdict_of(VERDICT_FORBIDDEN_SCOPE);
    return STEP_END;
}
