#include "server/fallbacks.h"

#include <stdio.h>

static bool refuse(char error[200], const char *what, struct span part)
{
    (void)snprintf(error, 200, "%s, not \"%.*s\"", what, (int)(part.len < 80 ? part.len : 80),
                   part.at);
    return false;
}

static bool copy(char *to, size_t size, struct span text)
{
    if (text.len == 0 || text.len >= size)
        return false;
    memcpy(to, text.at, text.len);
    to[text.len] = '\0';
    return true;
}

bool fallback_parse(struct span part, struct fallback *fallback, char error[200])
{
    static const char mark[] = "@http";
    const char *colon = part.len > 0 ? memchr(part.at, ':', part.len) : NULL;
    size_t len = colon != NULL ? (size_t)(colon - part.at) : 0;
    *fallback = (struct fallback){.dialect = dialect_find(span_make(part.at, len))};
    if (fallback->dialect == NULL)
        return refuse(error, "openai:, gemini: or anthropic: and a model is expected", part);
    struct span model = span_from(part, len + 1), url = SPAN_EMPTY;
    const char *at = model.len > 0 ? memmem(model.at, model.len, mark, sizeof mark - 1) : NULL;
    if (at != NULL) {
        url = span_from(model, (size_t)(at - model.at) + 1);
        model.len = (size_t)(at - model.at);
        while (url.len > 0 && url.at[url.len - 1] == '/')
            url.len--;
    }
    if (!copy(fallback->model, sizeof fallback->model, model))
        return refuse(error, "a model of up to 199 characters is expected behind the colon", part);
    if (at != NULL && !copy(fallback->url, sizeof fallback->url, url))
        return refuse(error, "a shorter URL is expected", part);
    return true;
}

bool fallbacks_parse(const char *text, struct fallbacks *fallbacks, char error[200])
{
    fallbacks->count = 0;
    if (span_trim(span_of(text)).len == 0)
        return true;
    for (const char *at = text; at != NULL;) {
        const char *comma = strchr(at, ',');
        struct span part = comma != NULL ? span_make(at, (size_t)(comma - at)) : span_of(at);
        if (fallbacks->count == FALLBACKS_MOST)
            return refuse(error, "seven fallbacks at most are expected", span_trim(part));
        if (!fallback_parse(span_trim(part), &fallbacks->list[fallbacks->count++], error))
            return false;
        at = comma != NULL ? comma + 1 : NULL;
    }
    return true;
}
