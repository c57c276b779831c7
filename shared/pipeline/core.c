#include "shared/pipeline/core.h"

#include "shared/base/tick.h"
#include "shared/flow/tools.h"
#include "shared/flow/validate.h"
#include "shared/policy/authenticator.h"

#include <stdio.h>
#include <stdlib.h>

/* Verified tokens; at most 1.2 KiB each. */
enum { REMEMBERED_TOKENS = 16384 };

/* What the compiler of the contract and the table of tools have seen to. */
static bool check_methods(const struct contract *contract, char error[256])
{
    for (size_t i = 0; i < contract->n_methods; i++) {
        const struct contract_method *method = &contract->methods[i];
        if (method->kind == CONTRACT_CHAT || method->kind == CONTRACT_MODELS) {
            must(method->prompt == NULL);
            continue;
        }
        must(method->prompt != NULL || method->kind == CONTRACT_HEALTH);
        must(!method->streams || (method->text_field != SIZE_MAX && method->stream_result != NULL));
        must(method->kind != CONTRACT_STRUCTURED || method->response->answer_schema != NULL);
        for (size_t j = 0; j < method->n_tools; j++) {
            if (tools_find(span_of(method->tools[j])) != NULL)
                continue;
            (void)snprintf(error, 256, "flow %s: there is no tool %s", method->flow,
                           method->tools[j]);
            return false;
        }
    }
    return true;
}

static bool read_prompts(struct core *core, char error[256])
{
    struct prompt_set_error wrong;
    if (core_load_prompts(core, &wrong))
        return true;
    if (wrong.prompt.line > 0)
        (void)snprintf(error, 256, "prompt %.100s, line %u: %.120s", wrong.file, wrong.prompt.line,
                       wrong.prompt.message);
    else
        (void)snprintf(error, 256, "prompt %.100s: %.140s", wrong.file, wrong.prompt.message);
    return false;
}

bool core_load_prompts(struct core *core, struct prompt_set_error *error)
{
    struct prompt_set *set = prompt_set_new(core->contract, core->prompts_dir, error);
    if (set == NULL)
        return false;
    if (core->prompts != NULL) {
        prompt_shelf_put(core->prompts, set);
        return true;
    }
    core->prompts = malloc(sizeof *core->prompts);
    must(core->prompts != NULL);
    prompt_shelf_init(core->prompts, set);
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
    if (check_methods(contract, error) && read_prompts(core, error))
        return true;
    core_fini(core);
    return false;
}

void core_fini(struct core *core)
{
    if (core->prompts != NULL)
        prompt_shelf_fini(core->prompts);
    free(core->prompts);
    core->prompts = NULL;
    if (core->authenticator != NULL)
        authenticator_fini(core->authenticator);
    free(core->authenticator);
    core->authenticator = NULL;
    validate_shutdown();
}
