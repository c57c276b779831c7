#include "shared/flow/tools.h"

#include "shared/flow/tool_schema.h"

#include <time.h>

struct tool {
    struct chat_tool offer;
    /* Appends one JSON object. False: `out` holds why not, in words for the model. */
    bool (*run)(const json_t *arguments, const struct tool_scope *scope, struct buf *out);
};

static bool get_current_time(const json_t *arguments, const struct tool_scope *scope,
                             struct buf *out)
{
    time_t now = (time_t)scope->unix_s;
    struct tm utc;
    char text[32];
    (void)arguments;
    if (gmtime_r(&now, &utc) == NULL ||
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0) {
        buf_put_text(out, "the time is not known");
        return false;
    }
    buf_printf(out, "{\"time\":\"%s\"}", text);
    return true;
}

static const struct tool table[] = {
    {{.name = "get_current_time",
      .description = "Tells the current date and time in UTC, as RFC 3339 has it.",
      .schema = "{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}"},
     get_current_time},
};

static const struct tool *find(struct span name)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (span_is(name, table[i].offer.name))
            return &table[i];
    return NULL;
}

const struct chat_tool *tools_find(struct span name)
{
    const struct tool *tool = find(name);
    return tool != NULL ? &tool->offer : NULL;
}

static bool run(const struct tool *tool, struct span text, const struct tool_scope *scope,
                struct buf *out)
{
    json_t *schema = json_loads(tool->offer.schema, 0, NULL);
    bool fine = false;
    must(schema != NULL);
    text = span_trim(text);
    if (text.len == 0) /* what some models write for no arguments */
        text = span_of("{}");
    json_t *arguments =
        text.len <= TOOL_BYTES ? json_loadb(text.at, text.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (arguments == NULL)
        buf_put_text(out, "the arguments are not valid JSON, or too long");
    else if (tool_schema_fits(schema, arguments, out))
        fine = tool->run(arguments, scope, out);
    json_decref(arguments);
    json_decref(schema);
    return fine;
}

bool tools_answer(const struct chat_tool *const *offered, size_t n_offered,
                  const struct chat_part *call, const struct tool_scope *scope, struct buf *out)
{
    struct buf made;
    bool fine = false;
    buf_init(&made, NULL, TOOL_BYTES);
    const struct tool *tool = find(call->name);
    bool on_offer = false;
    for (size_t i = 0; tool != NULL && i < n_offered; i++)
        on_offer = on_offer || offered[i] == &tool->offer;
    if (on_offer)
        fine = run(tool, call->text, scope, &made);
    else
        buf_put_text(&made, "there is no tool of this name");
    if (made.overflow) {
        fine = false;
        buf_clear(&made);
        buf_put_text(&made, "the result is too long");
    }
    if (fine) {
        buf_put_span(out, buf_span(&made));
    } else {
        buf_put_text(out, "{\"error\":");
        buf_put_json_string(out, buf_span(&made));
        buf_put_char(out, '}');
    }
    buf_fini(&made);
    return fine;
}
