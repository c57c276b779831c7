#include "shared/pipeline/core.h"

#include "shared/base/tick.h"
#include "shared/flow/validate.h"
#include "shared/policy/authenticator.h"

#include <stdio.h>
#include <stdlib.h>

/* Verified tokens; at most 1.2 KiB each. */
enum { REMEMBERED_TOKENS = 16384 };

static bool parse_prompts(struct core *core, char error[256])
{
    const struct contract *contract = core->contract;
    core->prompts = calloc(contract->n_methods, sizeof(struct prompt *));
    must(core->prompts != NULL);
    for (size_t i = 0; i < contract->n_methods; i++) {
        const struct contract_method *method = &contract->methods[i];
        struct prompt_error wrong = {0};
        if (method->prompt == NULL) {
            must(method->kind == CONTRACT_HEALTH ||
                 method->kind == CONTRACT_CHAT); /* the compiler of the contract sees to it */
            continue;
        }
        must(!method->streams || (method->text_field != SIZE_MAX && method->stream_result != NULL));
        must(method->kind != CONTRACT_STRUCTURED || method->response->answer_schema != NULL);
        const struct contract_prompt *source = contract_prompt_find(contract, method->prompt);
        if (source == NULL) {
            (void)snprintf(error, 256, "prompt %s: there is no such file", method->prompt);
            return false;
        }
        core->prompts[i] = prompt_parse(source->source, method->request, &wrong);
        if (core->prompts[i] == NULL) {
            (void)snprintf(error, 256, "prompt %s, line %u: %s", method->prompt, wrong.line,
                           wrong.message);
            return false;
        }
    }
    return true;
}

static int64_t wall_s(void)
{
    return (int64_t)(tick_wall_ns() / 1000000000U);
}

bool core_init(struct core *core, const struct contract *contract, struct readiness *readiness,
               char error[256])
{
    const char *bad_pattern = NULL;
    core->contract = contract;
    core->readiness = readiness;
    core->now_ns = tick_now_ns;
    core->now_s = wall_s;
    if (!validate_prepare(contract, &bad_pattern)) {
        (void)snprintf(error, 256, "the contract has a pattern that does not compile: %s",
                       bad_pattern);
        return false;
    }
    core->authenticator = malloc(sizeof *core->authenticator);
    must(core->authenticator != NULL);
    authenticator_init(core->authenticator, REMEMBERED_TOKENS);
    if (parse_prompts(core, error))
        return true;
    core_fini(core);
    return false;
}

void core_fini(struct core *core)
{
    if (core->prompts != NULL)
        for (size_t i = 0; i < core->contract->n_methods; i++)
            core->prompts[i] = prompt_free(core->prompts[i]);
    free(core->prompts);
    core->prompts = NULL;
    if (core->authenticator != NULL)
        authenticator_fini(core->authenticator);
    free(core->authenticator);
    core->authenticator = NULL;
    validate_shutdown();
}
