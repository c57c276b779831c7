/* Names in a template -> fields of the contract. All look-ups happen here, when the prompt is read.
 */
#include "shared/flow/prompt_internal.h"

#include <stdio.h>
#include <stdlib.h>

struct resolver {
    struct prompt *prompt;
    struct span text; /* the whole path, for messages */
    unsigned line;
    struct prompt_error *error;
};

static bool is_name(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return text.len > 0;
}

static bool fail_unknown(const struct resolver *resolver, const struct contract_message *type,
                         struct span owner)
{
    char room[48], owner_room[48];
    char names[sizeof resolver->error->message]; /* what does not fit would be cut anyway */
    size_t at = 0;
    for (size_t i = 0; i < type->pb->n_fields && at < sizeof names; i++) {
        int n = snprintf(names + at, sizeof names - at, "%s%s", i > 0 ? ", " : "",
                         type->pb->fields[i].name);
        at += n > 0 ? (size_t)n : 0;
    }
    return prompt_fail(resolver->error, resolver->line, "unknown variable \"%s\": %s has %s",
                       prompt_quote(resolver->text, room),
                       owner.len > 0 ? prompt_quote(owner, owner_room) : "the request",
                       type->pb->n_fields > 0 ? names : "no fields");
}

static void add_step(struct prompt *prompt, struct prompt_path *path, struct prompt_step step)
{
    if (prompt->n_steps == prompt->cap_steps) {
        prompt->cap_steps = prompt->cap_steps == 0 ? 32 : prompt->cap_steps * 2;
        prompt->steps = realloc(prompt->steps, prompt->cap_steps * sizeof *prompt->steps);
        must(prompt->steps != NULL);
    }
    prompt->steps[prompt->n_steps++] = step;
    path->n++;
}

/* Follows the names that begin at byte `from` of the path, starting in a message of `type`. */
static bool follow(const struct resolver *resolver, size_t from,
                   const struct contract_message *type, struct prompt_path *path,
                   struct prompt_place *place)
{
    char room[48];
    struct span text = resolver->text;
    while (from < text.len) {
        const char *dot = memchr(text.at + from, '.', text.len - from);
        size_t end = dot != NULL ? (size_t)(dot - text.at) : text.len;
        struct span owner = span_make(text.at, from > 0 ? from - 1 : 0);
        char name[128];
        size_t index = SIZE_MAX;
        if (type == NULL)
            return prompt_fail(resolver->error, resolver->line,
                               "\"%s\" has no fields: it is not a single message",
                               prompt_quote(owner, room));
        if (path->n == PROMPT_MOST_NESTING)
            return prompt_fail(resolver->error, resolver->line, "more than %d names in a row",
                               PROMPT_MOST_NESTING);
        if (end - from < sizeof name) {
            memcpy(name, text.at + from, end - from);
            name[end - from] = '\0';
            index = contract_field_find(type, name);
        }
        if (index == SIZE_MAX)
            return fail_unknown(resolver, type, owner);
        place->at = (struct prompt_step){&type->pb->fields[index], &type->fields[index]};
        place->is_list = place->at.pb->label == PROTOBUF_C_LABEL_REPEATED;
        if (place->at.row->is_map)
            return prompt_fail(resolver->error, resolver->line,
                               "\"%s\" is a map, which a prompt cannot use",
                               prompt_quote(span_make(text.at, end), room));
        add_step(resolver->prompt, path, place->at);
        type = place->is_list ? NULL : place->at.row->message;
        from = end + 1;
    }
    return true;
}

static bool check_form(const struct resolver *resolver)
{
    char room[48];
    struct span rest = resolver->text;
    for (;;) {
        const char *dot = rest.len > 0 ? memchr(rest.at, '.', rest.len) : NULL;
        size_t len = dot != NULL ? (size_t)(dot - rest.at) : rest.len;
        if (!is_name(span_make(rest.at, len)))
            return prompt_fail(resolver->error, resolver->line, "cannot read \"%s\"",
                               prompt_quote(resolver->text, room));
        if (dot == NULL)
            return true;
        rest = span_from(rest, len + 1);
    }
}

bool prompt_path_resolve(struct prompt *prompt, struct span text, unsigned line,
                         const struct prompt_step *item, struct prompt_path *path,
                         struct prompt_place *place, struct prompt_error *error)
{
    const struct resolver resolver = {prompt, text, line, error};
    bool is_this = span_is(text, "this") || span_starts_with(text, "this.");
    *path = (struct prompt_path){.first = prompt->n_steps};
    *place = (struct prompt_place){.is_index = span_is(text, "@index")};
    if (!place->is_index && !check_form(&resolver))
        return false;
    if ((is_this || place->is_index) && item == NULL)
        return prompt_fail(error, line, "%s has a meaning only inside {{#each}}",
                           is_this ? "this" : "@index");
    if (place->is_index) {
        path->scope = PROMPT_INDEX;
        return true;
    }
    if (is_this)
        path->scope = PROMPT_FROM_ITEM;
    if (prompt->request == NULL)
        return true;
    if (!is_this)
        return follow(&resolver, 0, prompt->request, path, place);
    place->at = *item;
    return follow(&resolver, sizeof "this", item->row->message, path, place);
}
