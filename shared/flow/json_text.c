/* A tokenizer that knows just enough of JSON to count, to rewrite long integers and to say what
 * path a byte offset belongs to; whether the text is JSON is jansson's to say. */
#include "shared/flow/json_text.h"

#include "shared/base/json_escape.h"
#include "shared/base/utf8.h"
#include "shared/flow/path.h"

enum token_kind { TOKEN_END, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_SEPARATOR, TOKEN_STRING, TOKEN_WORD };

struct token {
    enum token_kind kind;
    struct span text; /* a string with its quotes */
    bool has_nul;     /* a string with \u0000 in it */
    bool closed;      /* a string that has its end quote */
};

/* Integers of fewer digits fit in jansson's 64 bits signed. */
enum { LONG_DIGITS = 19 };
static const char mark[] = "\"\\u0000"; /* how a long integer begins in the rewritten text */
enum { MARK_BYTES = sizeof mark - 1 };

static void take_string(const char *at, const char *end, struct token *token)
{
    const char *from = at++;
    while (at < end && *at != '"') {
        if (*at == '\\') {
            token->has_nul |= end - at >= 6 && memcmp(at, "\\u0000", 6) == 0;
            at++;
        }
        if (at < end)
            at++;
    }
    token->kind = TOKEN_STRING;
    token->closed = at < end;
    token->text = span_make(from, (size_t)(at - from) + (at < end));
}

static bool ends_word(char c)
{
    return memchr(" \t\r\n{}[],:\"", c, 11) != NULL;
}

/* The token at or after `at`. */
static struct token next_token(const char *at, const char *end)
{
    struct token token = {.kind = TOKEN_END, .text = {at, 0}};
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
        at++;
    if (at == end)
        return token;
    token.text = span_make(at, 1);
    switch (*at) {
    case '{':
    case '[':
        token.kind = TOKEN_OPEN;
        break;
    case '}':
    case ']':
        token.kind = TOKEN_CLOSE;
        break;
    case ',':
    case ':':
        token.kind = TOKEN_SEPARATOR;
        break;
    case '"':
        take_string(at, end, &token);
        break;
    default: {
        const char *from = at;
        while (at < end && !ends_word(*at))
            at++;
        token.kind = TOKEN_WORD;
        token.text = span_make(from, (size_t)(at - from));
    }
    }
    return token;
}

static const char *token_end(struct token token)
{
    return token.text.at + token.text.len;
}

static bool is_long_integer(struct span word)
{
    size_t sign = word.len > 0 && word.at[0] == '-';
    if (word.len - sign < LONG_DIGITS || word.at[sign] == '0')
        return false;
    for (size_t i = sign; i < word.len; i++)
        if (word.at[i] < '0' || word.at[i] > '9')
            return false;
    return true;
}

/* --- what path an offset belongs to --- */

struct level {
    bool object;
    bool in_value;   /* object: past the colon */
    struct span key; /* without quotes, escapes as they are */
    size_t index;
};

static struct span level_path(const struct level *levels, size_t n, struct arena *arena)
{
    struct path steps[JSON_MOST_LEVELS + 1];
    const struct path *up = NULL;
    for (size_t i = 0; i < n; i++) {
        if (levels[i].object && levels[i].key.at == NULL)
            continue;
        steps[i] = levels[i].object
                       ? (struct path){.up = up, .kind = PATH_FIELD, .name = levels[i].key}
                       : path_item(up, levels[i].index);
        up = &steps[i];
    }
    return path_text(up, arena);
}

/* The path of the value or key that stands at `offset` or ends there; `text` is JSON up to it, and
 * not deeper than allowed. */
static struct span path_at(struct span text, size_t offset, struct arena *arena)
{
    struct level levels[JSON_MOST_LEVELS];
    size_t n = 0;
    const char *end = text.at + text.len, *stop = text.at + offset;
    struct token token = next_token(text.at, end);
    for (; token.kind != TOKEN_END && token.text.at < stop;
         token = next_token(token_end(token), end)) {
        struct level *level = n > 0 ? &levels[n - 1] : NULL;
        switch (token.kind) {
        case TOKEN_OPEN:
            if (n == JSON_MOST_LEVELS)
                return level_path(levels, n, arena);
            levels[n++] = (struct level){.object = token.text.at[0] == '{'};
            break;
        case TOKEN_CLOSE:
            n -= n > 0;
            break;
        case TOKEN_SEPARATOR:
            if (level != NULL && token.text.at[0] == ',')
                level->index++;
            if (level != NULL)
                level->in_value = token.text.at[0] == ':';
            break;
        case TOKEN_STRING:
            if (level != NULL && level->object && !level->in_value && token.closed)
                level->key = span_make(token.text.at + 1, token.text.len - 2);
            break;
        case TOKEN_WORD:
        case TOKEN_END:
            break;
        }
    }
    return level_path(levels, n, arena);
}

/* --- the look before jansson --- */

static enum json_result fail(struct json_error *error, enum json_result result, const char *rule,
                             const char *message)
{
    error->rule = span_of(rule);
    error->message = span_of(message);
    return result;
}

static enum json_result survey(struct span text, struct arena *arena, size_t *long_integers,
                               struct json_error *error)
{
    size_t good = utf8_valid_bytes(text);
    if (good < text.len) {
        error->offset = good;
        return fail(error, JSON_SYNTAX, "utf8", "The text is not UTF-8.");
    }
    size_t levels = 0, tokens = 0;
    const char *end = text.at + text.len;
    for (struct token token = next_token(text.at, end); token.kind != TOKEN_END;
         token = next_token(token_end(token), end)) {
        if (++tokens > JSON_MOST_TOKENS)
            return fail(error, JSON_MEMORY, "size", "The text holds too many values.");
        if (token.has_nul) {
            error->path = path_at(text, (size_t)(token_end(token) - text.at), arena);
            return fail(error, JSON_SHAPE, "utf8", "The text must not contain the NUL character.");
        }
        *long_integers += token.kind == TOKEN_WORD && is_long_integer(token.text);
        levels -= token.kind == TOKEN_CLOSE && levels > 0;
        levels += token.kind == TOKEN_OPEN;
        if (levels > JSON_MOST_LEVELS) {
            error->path = path_at(text, (size_t)(token.text.at - text.at), arena);
            return fail(error, JSON_SHAPE, "depth",
                        "The value is nested more than 32 levels deep.");
        }
    }
    return JSON_FINE;
}

/* The same text with each long integer as a marked string; SPAN_EMPTY when there is no memory. */
static struct span rewrite(struct span text, size_t long_integers, struct arena *scratch)
{
    char *copy = arena_try(scratch, text.len + long_integers * (MARK_BYTES + 1));
    if (copy == NULL)
        return SPAN_EMPTY;
    char *to = copy;
    const char *from = text.at, *end = text.at + text.len;
    for (struct token token = next_token(from, end); token.kind != TOKEN_END;
         token = next_token(token_end(token), end)) {
        if (token.kind != TOKEN_WORD || !is_long_integer(token.text))
            continue;
        to = mempcpy(to, from, (size_t)(token.text.at - from));
        to = mempcpy(to, mark, MARK_BYTES);
        to = mempcpy(to, token.text.at, token.text.len);
        *to++ = '"';
        from = token_end(token);
    }
    to = mempcpy(to, from, (size_t)(end - from));
    return span_make(copy, (size_t)(to - copy));
}

/* An offset in the rewritten text as one in the text that the caller sent. */
static size_t original_offset(struct span rewritten, size_t offset)
{
    size_t added = 0;
    const char *end = rewritten.at + rewritten.len;
    for (struct token token = next_token(rewritten.at, end); token.kind != TOKEN_END;
         token = next_token(token_end(token), end)) {
        size_t from = (size_t)(token.text.at - rewritten.at);
        if (from + MARK_BYTES > offset)
            break;
        if (token.has_nul)
            added += from + token.text.len <= offset ? MARK_BYTES + 1 : MARK_BYTES;
    }
    return offset - added;
}

/* --- jansson's errors --- */

/* The first byte of a string (from its quote on) that no string may hold: a control character, the
 * backslash of a bad escape, the end of the text; NULL when the string is a proper one. */
static const char *string_fault(const char *from, const char *end)
{
    const char *at = from + 1;
    uint32_t c;
    while (at < end && *at != '"') {
        size_t step = *at == '\\' ? json_escape(at, end, &c) : (unsigned char)*at >= 0x20;
        if (step == 0)
            return at;
        at += step;
    }
    return at < end ? NULL : end;
}

/* The first byte of the token that holds the byte before `offset`. */
static size_t token_start(struct span text, size_t offset)
{
    const char *end = text.at + text.len, *stop = text.at + offset;
    struct token token = next_token(text.at, end);
    while (token.kind != TOKEN_END && token_end(token) < stop)
        token = next_token(token_end(token), end);
    return token.text.at < stop ? (size_t)(token.text.at - text.at) : offset;
}

/* jansson counts the token it dislikes as read, and says "... near 'x'" where that is short, or
 * "... near end of file". The caller knows the text, so a quoted token is left out, and the
 * offset is moved to the token's first byte or, inside a string, to the byte that broke it. */
static void say_syntax(const json_error_t *from, struct span text, struct arena *arena,
                       struct json_error *error)
{
    static const char near[] = " near '", near_end[] = " near end of file";
    struct span sentence = span_of(from->text);
    const char *at = strstr(from->text, near);
    if (at != NULL) {
        size_t token = strlen(at + sizeof near - 1);
        token -= token > 0;
        error->offset -= token < error->offset ? token : error->offset;
        sentence.len = (size_t)(at - from->text);
    } else if (strstr(from->text, near_end) == NULL) {
        error->offset = token_start(text, error->offset);
    }
    if (error->offset < text.len && text.at[error->offset] == '"') {
        const char *fault = string_fault(text.at + error->offset, text.at + text.len);
        error->offset = fault != NULL ? (size_t)(fault - text.at) : error->offset;
    }
    char *message = arena_alloc(arena, sentence.len + 2);
    memcpy(message, sentence.at, sentence.len);
    if (sentence.len > 0 && message[0] >= 'a' && message[0] <= 'z')
        message[0] = (char)(message[0] - 'a' + 'A');
    message[sentence.len] = '.';
    error->message = span_make(message, sentence.len + 1);
    error->rule = span_of("syntax");
}

static enum json_result explain(const json_error_t *from, struct span text, struct span parsed,
                                struct arena *arena, struct json_error *error)
{
    size_t offset = from->position > 0 ? (size_t)from->position : 0;
    offset = offset < parsed.len ? offset : parsed.len;
    error->offset = text.at == parsed.at ? offset : original_offset(parsed, offset);
    enum json_error_code code = json_error_code(from);
    if (code == json_error_out_of_memory)
        return fail(error, JSON_MEMORY, "size", "There is no memory for the text.");
    if (code != json_error_duplicate_key && code != json_error_numeric_overflow) {
        say_syntax(from, text, arena, error);
        return JSON_SYNTAX;
    }
    error->path = path_at(text, error->offset, arena);
    if (code == json_error_duplicate_key)
        return fail(error, JSON_SHAPE, "duplicate_field", "The member is given twice.");
    return fail(error, JSON_SHAPE, "range", "The number is out of range.");
}

enum json_result json_text_load(struct span text, struct arena *scratch, json_t **tree,
                                struct json_error *error)
{
    size_t long_integers = 0;
    *tree = NULL;
    enum json_result result = survey(text, scratch, &long_integers, error);
    if (result != JSON_FINE)
        return result;
    struct span parsed = text;
    if (long_integers > 0) {
        parsed = rewrite(text, long_integers, scratch);
        if (parsed.at == NULL)
            return fail(error, JSON_MEMORY, "size", "There is no memory for the text.");
    }
    json_error_t from;
    *tree = json_loadb(parsed.at, parsed.len,
                       JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &from);
    return *tree != NULL ? JSON_FINE : explain(&from, text, parsed, scratch, error);
}

bool json_text_number(const json_t *value, struct span *digits)
{
    if (!json_is_string(value) || json_string_length(value) < 1 + LONG_DIGITS ||
        json_string_value(value)[0] != '\0')
        return false;
    *digits = span_make(json_string_value(value) + 1, json_string_length(value) - 1);
    return true;
}

bool json_text_is_object(struct span text, struct arena *scratch)
{
    json_t *tree = NULL;
    struct json_error error;
    bool is = json_text_load(text, scratch, &tree, &error) == JSON_FINE && json_is_object(tree);
    json_decref(tree);
    return is;
}
