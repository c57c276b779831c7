/* A prompt as an object: made from a source, given back, and its version. */
#include "shared/flow/prompt_internal.h"

#include "shared/base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool prompt_fail(struct prompt_error *error, unsigned line, const char *format, ...)
{
    va_list arguments;
    error->line = line;
    va_start(arguments, format);
    int len = vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    must(len >= 0);
    if ((size_t)len >= sizeof error->message)
        memcpy(error->message + sizeof error->message - 4, "...", 4);
    return false;
}

const char *prompt_quote(struct span text, char room[48])
{
    size_t n = text.len < 44 ? text.len : 44;
    for (size_t i = 0; i < n; i++)
        room[i] = text.at[i] >= ' ' && text.at[i] <= '~' ? text.at[i] : '?';
    memcpy(room + n, n < text.len ? "..." : "", n < text.len ? 4 : 1);
    return room;
}

/* FNV-1a (Fowler, Noll, Vo), 64 bits. It tells revisions of one prompt apart, all written by the
 * operator: nobody gains by a collision, and one by chance is not expected in 2^32 revisions. */
static void write_version(char version[17], struct span source)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (size_t i = 0; i < source.len; i++)
        hash = (hash ^ (unsigned char)source.at[i]) * 0x100000001b3U;
    (void)snprintf(version, 17, "%016llx", (unsigned long long)hash);
}

/* A prompt goes into JSON as it is, so it must be text. Checked line by line, to name the line. */
static bool check_text(struct span source, struct prompt_error *error)
{
    if (source.len > PROMPT_SOURCE_BYTES)
        return prompt_fail(error, 1, "the file is larger than %d bytes", PROMPT_SOURCE_BYTES);
    unsigned line = 1;
    for (size_t at = 0; at < source.len; line++) {
        const char *end = memchr(source.at + at, '\n', source.len - at);
        size_t len = end != NULL ? (size_t)(end - source.at) - at : source.len - at;
        if (!utf8_valid(span_make(source.at + at, len)))
            return prompt_fail(error, line, "this is not UTF-8");
        if (memchr(source.at + at, '\0', len) != NULL)
            return prompt_fail(error, line, "a NUL character has no place here");
        at += len + 1;
    }
    return true;
}

struct prompt *prompt_parse(struct span source, const struct contract_message *request,
                            struct prompt_error *error)
{
    unsigned line = 1;
    if (!check_text(source, error))
        return NULL;
    struct prompt *prompt = calloc(1, sizeof *prompt);
    must(prompt != NULL);
    prompt->request = request;
    prompt->temperature = -1;
    prompt->source = malloc(source.len + 1);
    must(prompt->source != NULL);
    if (source.len > 0)
        memcpy(prompt->source, source.at, source.len);
    prompt->source[source.len] = '\0';
    write_version(prompt->version, source);
    struct span text = span_make(prompt->source, source.len);
    if (prompt_front_read(prompt, &text, &line, error) && prompt_compile(prompt, text, line, error))
        return prompt;
    return prompt_free(prompt);
}

struct prompt *prompt_free(struct prompt *prompt)
{
    if (prompt == NULL)
        return NULL;
    free(prompt->source);
    free(prompt->ops);
    free(prompt->steps);
    free(prompt);
    return NULL;
}

const char *prompt_version(const struct prompt *prompt)
{
    return prompt->version;
}
