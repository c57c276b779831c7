/* The template language -> instructions, in one pass. Blocks that stand open are kept on a small
 * stack; each knows the jump that its end fills in. White space follows Handlebars: a block, role
 * or comment that is alone on its line takes the line with it. */
#include "shared/flow/prompt_internal.h"

#include <stdlib.h>

enum block_kind { BLOCK_IF, BLOCK_UNLESS, BLOCK_EACH };

static const char *const block_names[] = {"if", "unless", "each"};

struct block {
    enum block_kind kind;
    unsigned line;
    size_t start; /* the op that opened it */
    size_t skip;  /* its {{else}}: the jump over the rest */
    bool has_else;
    struct prompt_step item; /* BLOCK_EACH: the list */
};

struct compiler {
    struct prompt *prompt;
    struct prompt_error *error;
    struct span text;
    size_t plain; /* where the text begins that is not yet in an op */
    size_t counted;
    unsigned line; /* of text.at[counted] */
    struct block blocks[PROMPT_MOST_NESTING];
    size_t depth;
};

/* A tag as it stands in the text: [start, end) with its braces. */
struct tag {
    size_t start, end;
    struct span inside; /* trimmed */
};

static struct prompt_op *add_op(struct compiler *c, enum prompt_op_kind kind)
{
    struct prompt *prompt = c->prompt;
    if (prompt->n_ops == PROMPT_MOST_OPS) {
        (void)prompt_fail(c->error, c->line, "more than %d tags and texts", PROMPT_MOST_OPS);
        return NULL;
    }
    if (prompt->n_ops == prompt->cap_ops) {
        prompt->cap_ops = prompt->cap_ops == 0 ? 32 : prompt->cap_ops * 2;
        prompt->ops = realloc(prompt->ops, prompt->cap_ops * sizeof *prompt->ops);
        must(prompt->ops != NULL);
    }
    struct prompt_op *op = &prompt->ops[prompt->n_ops++];
    *op = (struct prompt_op){.kind = kind};
    return op;
}

static bool add_text(struct compiler *c, size_t end)
{
    if (end <= c->plain)
        return true;
    struct prompt_op *op = add_op(c, PROMPT_TEXT);
    if (op == NULL)
        return false;
    op->text = span_make(c->text.at + c->plain, end - c->plain);
    return true;
}

static bool add_jump(struct compiler *c, enum prompt_op_kind kind, size_t target)
{
    struct prompt_op *op = add_op(c, kind);
    if (op != NULL)
        op->target = target;
    return op != NULL;
}

/* The list that `this` is an item of; NULL outside of every {{#each}} (its {{else}} is outside). */
static const struct prompt_step *current_item(const struct compiler *c)
{
    for (size_t i = c->depth; i > 0; i--)
        if (c->blocks[i - 1].kind == BLOCK_EACH && !c->blocks[i - 1].has_else)
            return &c->blocks[i - 1].item;
    return NULL;
}

static bool resolve(struct compiler *c, struct span text, struct prompt_path *path,
                    struct prompt_place *place)
{
    return prompt_path_resolve(c->prompt, text, c->line, current_item(c), path, place, c->error);
}

static bool fail_at(struct compiler *c, struct span name, const char *what)
{
    char room[48];
    return prompt_fail(c->error, c->line, "\"%s\" %s", prompt_quote(name, room), what);
}

static bool on_value(struct compiler *c, struct span name)
{
    struct prompt_path path;
    struct prompt_place place;
    if (!resolve(c, name, &path, &place))
        return false;
    if (place.is_list)
        return fail_at(c, name, "is a list: go through it with {{#each}}");
    if (place.at.pb != NULL && place.at.pb->type == PROTOBUF_C_TYPE_MESSAGE)
        return fail_at(c, name, "is a message: name one of its fields");
    if (place.at.pb != NULL && place.at.pb->type == PROTOBUF_C_TYPE_BYTES)
        return fail_at(c, name, "holds bytes, which cannot be inserted");
    struct prompt_op *op = add_op(c, PROMPT_VALUE);
    if (op == NULL)
        return false;
    op->path = path;
    return true;
}

static bool on_media(struct compiler *c, struct span arguments)
{
    struct prompt_path path;
    struct prompt_place place;
    if (!span_starts_with(arguments, "url="))
        return prompt_fail(c->error, c->line, "{{media}} is written {{media url=field}}");
    struct span name = span_from(arguments, 4);
    if (!resolve(c, name, &path, &place))
        return false;
    if (place.is_index || place.is_list ||
        (place.at.pb != NULL && place.at.pb->type != PROTOBUF_C_TYPE_STRING))
        return fail_at(c, name, "is not a single string, which {{media}} needs");
    struct prompt_op *op = add_op(c, PROMPT_MEDIA);
    if (op == NULL)
        return false;
    op->path = path;
    return true;
}

static bool on_role(struct compiler *c, struct span argument)
{
    static const char *const roles[] = {
        [CHAT_SYSTEM] = "\"system\"", [CHAT_USER] = "\"user\"", [CHAT_MODEL] = "\"model\""};
    if (c->depth > 0)
        return prompt_fail(c->error, c->line,
                           "{{role}} cannot stand inside {{#%s}}, opened in line %u",
                           block_names[c->blocks[c->depth - 1].kind], c->blocks[c->depth - 1].line);
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (!span_is(argument, roles[i]))
            continue;
        struct prompt_op *op = add_op(c, PROMPT_ROLE);
        if (op == NULL)
            return false;
        op->role = (enum chat_role)i;
        c->prompt->n_roles++;
        return true;
    }
    return prompt_fail(c->error, c->line, "a role is \"system\", \"user\" or \"model\"");
}

static bool on_open(struct compiler *c, enum block_kind kind, struct span name)
{
    struct prompt_path path;
    struct prompt_place place;
    if (c->depth == PROMPT_MOST_NESTING)
        return prompt_fail(c->error, c->line, "blocks stand in blocks more than %d deep",
                           PROMPT_MOST_NESTING);
    if (!resolve(c, name, &path, &place))
        return false;
    if (kind == BLOCK_EACH && (place.is_index || (place.at.pb != NULL && !place.is_list)))
        return fail_at(c, name, "is not a list");
    struct block *block = &c->blocks[c->depth];
    *block =
        (struct block){.kind = kind, .line = c->line, .start = c->prompt->n_ops, .item = place.at};
    struct prompt_op *op = add_op(c, kind == BLOCK_EACH ? PROMPT_EACH : PROMPT_TEST);
    if (op == NULL)
        return false;
    op->path = path;
    op->wanted = kind == BLOCK_IF;
    c->depth++;
    return true;
}

/* The first part of the block ends here: what skips it comes to the next op. */
static bool end_part(struct compiler *c, struct block *block, bool with_else)
{
    if (block->kind == BLOCK_EACH && !add_jump(c, PROMPT_NEXT, block->start + 1))
        return false;
    block->skip = c->prompt->n_ops;
    if (with_else && !add_jump(c, PROMPT_JUMP, 0))
        return false;
    c->prompt->ops[block->start].target = c->prompt->n_ops;
    return true;
}

static bool on_else(struct compiler *c)
{
    struct block *block = c->depth > 0 ? &c->blocks[c->depth - 1] : NULL;
    if (block == NULL)
        return prompt_fail(c->error, c->line, "{{else}} has no block that it belongs to");
    if (block->has_else)
        return prompt_fail(c->error, c->line, "a second {{else}} for {{#%s}}, opened in line %u",
                           block_names[block->kind], block->line);
    block->has_else = true;
    return end_part(c, block, true);
}

static bool on_close(struct compiler *c, struct span name)
{
    char room[48];
    struct block *block = c->depth > 0 ? &c->blocks[c->depth - 1] : NULL;
    if (block == NULL)
        return prompt_fail(c->error, c->line, "{{/%s}} closes nothing", prompt_quote(name, room));
    if (!span_is(name, block_names[block->kind]))
        return prompt_fail(c->error, c->line, "{{/%s}} comes where {{/%s}} is due, for line %u",
                           prompt_quote(name, room), block_names[block->kind], block->line);
    c->depth--;
    if (!block->has_else)
        return end_part(c, block, false);
    c->prompt->ops[block->skip].target = c->prompt->n_ops;
    return true;
}

/* If `text` is `word` and then white space or nothing: true, with *rest what follows. */
static bool begins_with_word(struct span text, const char *word, struct span *rest)
{
    if (!span_starts_with(text, word))
        return false;
    *rest = span_from(text, strlen(word));
    if (rest->len > 0 && rest->at[0] != ' ' && rest->at[0] != '\t')
        return false;
    *rest = span_trim(*rest);
    return true;
}

static bool on_block(struct compiler *c, struct span inside)
{
    char room[48];
    struct span rest;
    for (size_t i = 0; i < sizeof block_names / sizeof block_names[0]; i++)
        if (begins_with_word(inside, block_names[i], &rest))
            return on_open(c, (enum block_kind)i, rest);
    return prompt_fail(c->error, c->line, "unknown block {{#%s}}: there are if, unless and each",
                       prompt_quote(inside, room));
}

static bool on_tag(struct compiler *c, const struct tag *tag)
{
    struct span rest, inside = tag->inside;
    if (inside.len == 0)
        return prompt_fail(c->error, c->line, "an empty tag; \\{{ stands for two plain braces");
    if (inside.at[0] == '!')
        return true;
    if (inside.at[0] == '#')
        return on_block(c, span_from(inside, 1));
    if (inside.at[0] == '/')
        return on_close(c, span_from(inside, 1));
    if (span_is(inside, "else"))
        return on_else(c);
    if (begins_with_word(inside, "role", &rest))
        return on_role(c, rest);
    if (begins_with_word(inside, "media", &rest))
        return on_media(c, rest);
    return on_value(c, inside);
}

/* Index of `what` in the text at or after `from`; SIZE_MAX when it is not there. */
static size_t find(struct span text, size_t from, const char *what)
{
    if (from >= text.len)
        return SIZE_MAX;
    const char *at = memmem(text.at + from, text.len - from, what, strlen(what));
    return at != NULL ? (size_t)(at - text.at) : SIZE_MAX;
}

static bool read_tag(struct compiler *c, size_t start, struct tag *tag)
{
    struct span after = span_from(c->text, start + 2);
    bool comment = span_starts_with(after, "!");
    const char *close = span_starts_with(after, "!--") ? "--}}" : "}}";
    if (span_starts_with(after, "{"))
        return prompt_fail(c->error, c->line, "{{{ means nothing here; \\{{ stands for two braces");
    size_t end = find(c->text, start + 2, close);
    /* A comment may span lines. For the rest, a line's end means that the closing was forgotten. */
    if (end == SIZE_MAX || (!comment && memchr(c->text.at + start, '\n', end - start) != NULL))
        return prompt_fail(c->error, c->line, "this tag is never closed by %s", close);
    *tag = (struct tag){.start = start, .end = end + strlen(close)};
    tag->inside = span_trim(span_make(after.at, end - start - 2));
    return true;
}

static bool takes_its_line(struct span inside)
{
    struct span rest;
    return inside.len > 0 && (strchr("!#/", inside.at[0]) != NULL || span_is(inside, "else") ||
                              begins_with_word(inside, "role", &rest));
}

/* Widens a tag that is alone on its line to the whole line. */
static void take_line(const struct compiler *c, struct tag *tag)
{
    size_t start = tag->start, end = tag->end;
    while (start > 0 && (c->text.at[start - 1] == ' ' || c->text.at[start - 1] == '\t'))
        start--;
    while (end < c->text.len && (c->text.at[end] == ' ' || c->text.at[end] == '\t'))
        end++;
    if (end + 1 < c->text.len && c->text.at[end] == '\r' && c->text.at[end + 1] == '\n')
        end++;
    bool begins = start == 0 || c->text.at[start - 1] == '\n';
    bool ends = end == c->text.len || c->text.at[end] == '\n';
    if (!begins || !ends)
        return;
    tag->start = start;
    tag->end = end < c->text.len ? end + 1 : end;
}

/* Handles what opens at `open`: a tag, or braces behind a backslash. *next is where to go on. */
static bool on_braces(struct compiler *c, size_t open, size_t *next)
{
    struct tag tag = {0};
    size_t slashes = 0;
    while (slashes < 2 && open - slashes > c->plain && c->text.at[open - slashes - 1] == '\\')
        slashes++;
    if (slashes == 1) { /* plain braces: the text goes on with them */
        bool added = add_text(c, open - 1);
        c->plain = open;
        *next = open + 2;
        return added;
    }
    if (!read_tag(c, open, &tag))
        return false;
    if (takes_its_line(tag.inside))
        take_line(c, &tag);
    /* Two backslashes before a tag are one backslash and the tag. */
    if (!add_text(c, slashes == 2 ? open - 1 : tag.start) || !on_tag(c, &tag))
        return false;
    c->plain = *next = tag.end;
    return true;
}

bool prompt_compile(struct prompt *prompt, struct span text, unsigned line,
                    struct prompt_error *error)
{
    struct compiler c = {.prompt = prompt, .error = error, .text = text, .line = line};
    size_t next = 0;
    for (size_t open = find(text, 0, "{{"); open != SIZE_MAX; open = find(text, next, "{{")) {
        for (; c.counted < open; c.counted++)
            c.line += text.at[c.counted] == '\n';
        if (!on_braces(&c, open, &next))
            return false;
    }
    if (c.depth > 0) {
        const struct block *block = &c.blocks[c.depth - 1];
        return prompt_fail(error, block->line, "{{#%s}} is never closed", block_names[block->kind]);
    }
    return add_text(&c, text.len);
}
