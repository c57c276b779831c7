#include "shared/pipeline/dialogue.h"

#include "shared/base/buf.h"
#include "shared/base/utf8.h"

/* A bad answer is shown to its author up to here; what is wrong is named anyway. */
enum { SHOWN_CHARACTERS = 32 * 1024, OBJECTION_BYTES = 32 * 1024 };

void dialogue_init(struct dialogue *dialogue, const struct conversation *first, struct arena *arena)
{
    size_t room = first->n_messages + 2 * (DIALOGUE_ROUNDS + DIALOGUE_RETRIES);
    *dialogue = (struct dialogue){.arena = arena, .what = *first, .room = room};
    dialogue->what.messages = arena_alloc(arena, room * sizeof *first->messages);
    if (first->n_messages > 0)
        memcpy(dialogue->what.messages, first->messages,
               first->n_messages * sizeof *first->messages);
}

static struct span copy(struct dialogue *dialogue, struct span text)
{
    return text.len > 0 ? span_make(arena_copy(dialogue->arena, text), text.len) : SPAN_EMPTY;
}

static struct chat_message *add_message(struct dialogue *dialogue, enum chat_role role, size_t room)
{
    must(dialogue->what.n_messages < dialogue->room);
    struct chat_message *message = &dialogue->what.messages[dialogue->what.n_messages++];
    *message = (struct chat_message){
        .role = role, .parts = arena_zero(dialogue->arena, room * sizeof *message->parts)};
    return message;
}

static void add_text(struct chat_message *message, struct span text)
{
    if (text.len > 0)
        message->parts[message->n_parts++] = (struct chat_part){.kind = CHAT_TEXT, .text = text};
}

/* --- tools --- */

static struct span answer_call(struct dialogue *dialogue, const struct chat_part *call,
                               const struct tool_scope *scope, bool *failed)
{
    struct buf result;
    buf_init(&result, dialogue->arena, 2 * TOOL_BYTES);
    *failed = !tools_answer(dialogue->what.tools, dialogue->what.n_tools, call, scope, &result);
    must(!result.overflow);
    return buf_span(&result);
}

bool dialogue_answer_tools(struct dialogue *dialogue, struct span text,
                           const struct chat_part *calls, size_t n_calls,
                           const struct tool_scope *scope)
{
    must(n_calls > 0);
    if (dialogue->tool_rounds == DIALOGUE_ROUNDS || n_calls > DIALOGUE_CALLS)
        return false;
    for (size_t i = 0; i < n_calls; i++)
        if (calls[i].text.len > TOOL_BYTES)
            return false;
    dialogue->tool_rounds++;
    struct chat_message *said = add_message(dialogue, CHAT_MODEL, 1 + n_calls);
    struct chat_message *results = add_message(dialogue, CHAT_USER, n_calls);
    add_text(said, copy(dialogue, text));
    for (size_t i = 0; i < n_calls; i++) {
        struct chat_part call = {.kind = CHAT_TOOL_CALL,
                                 .text = copy(dialogue, calls[i].text),
                                 .name = copy(dialogue, calls[i].name),
                                 .id = copy(dialogue, calls[i].id),
                                 .echo = copy(dialogue, calls[i].echo)};
        struct chat_part result = {
            .kind = CHAT_TOOL_RESULT, .name = call.name, .id = call.id, .echo = SPAN_EMPTY};
        result.text = answer_call(dialogue, &call, scope, &result.failed);
        dialogue->tool_failures += result.failed;
        said->parts[said->n_parts++] = call;
        results->parts[results->n_parts++] = result;
    }
    return true;
}

/* --- objections --- */

static struct span write_objection(struct arena *arena, const struct violation *violations,
                                   size_t n)
{
    struct buf out;
    buf_init(&out, arena, OBJECTION_BYTES);
    buf_put_text(&out, "That answer cannot be used:\n");
    for (size_t i = 0; i < n; i++) {
        struct span path = violations[i].path;
        buf_put_text(&out, "- ");
        buf_put_span(&out, path.len > 0 ? path : span_of("the answer as a whole"));
        buf_put_text(&out, ": ");
        buf_put_span(&out, violations[i].message);
        buf_put_text(&out, "\n");
    }
    buf_put_text(&out, "Give the whole answer again, as JSON that keeps these rules, and nothing "
                       "else.");
    /* Names that the model made up can be long: then the plain demand has to do. */
    return out.overflow ? span_of("That answer cannot be used. Give the whole answer again, as "
                                  "JSON that fits the schema, and nothing else.")
                        : buf_span(&out);
}

bool dialogue_object(struct dialogue *dialogue, struct span text,
                     const struct violation *violations, size_t n_violations)
{
    if (dialogue->retries == DIALOGUE_RETRIES)
        return false;
    dialogue->retries++;
    text = span_trim(text);
    if (!utf8_valid(text) || (text.len > 0 && memchr(text.at, '\0', text.len) != NULL))
        text = SPAN_EMPTY;
    text = utf8_prefix(text, SHOWN_CHARACTERS);
    if (text.len > 0) /* providers refuse empty ones */
        add_text(add_message(dialogue, CHAT_MODEL, 1), copy(dialogue, text));
    add_text(add_message(dialogue, CHAT_USER, 1),
             write_objection(dialogue->arena, violations, n_violations));
    return true;
}
