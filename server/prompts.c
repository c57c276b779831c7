#include "server/prompts.h"

#include "shared/base/log.h"

static bool is_set(const struct core *core)
{
    return core->prompts_dir != NULL && core->prompts_dir[0] != '\0';
}

static void tell(const struct core *core, const char *event)
{
    struct prompt_set *set = prompt_shelf_take(core->prompts);
    struct log_line line;
    log_begin(&line, LOG_INFO, "lifecycle", event);
    log_text(&line, "folder", core->prompts_dir);
    log_u64(&line, "flows", prompt_set_overridden(set));
    log_end(&line);
    if (prompt_set_stray(set)[0] != '\0')
        log_event(LOG_WARNING, "lifecycle", "prompt_of_no_flow", "file", prompt_set_stray(set));
    (void)prompt_set_unref(set);
}

void prompts_announce(const struct core *core)
{
    if (is_set(core))
        tell(core, "prompts_from_folder");
}

void prompts_reload(struct core *core)
{
    struct prompt_set_error wrong;
    struct log_line line;
    if (!is_set(core))
        return;
    if (core_load_prompts(core, &wrong)) {
        tell(core, "prompts_reloaded");
        return;
    }
    log_begin(&line, LOG_ERROR, "lifecycle", "prompts_kept");
    log_text(&line, "file", wrong.file);
    if (wrong.prompt.line > 0)
        log_u64(&line, "line", wrong.prompt.line);
    log_text(&line, "reason", wrong.prompt.message);
    log_end(&line);
}
