#include "server/chat_list.h"

#include <stdio.h>

static bool refuse(char error[200], const char *what, struct span part)
{
    (void)snprintf(error, 200, "%s, not \"%.*s\"", what, (int)(part.len < 80 ? part.len : 80),
                   part.len > 0 ? part.at : "");
    return false;
}

static bool is_visible(struct span name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] <= ' ' || name.at[i] > '~')
            return false;
    return name.len > 0;
}

static bool is_known(const struct chat_list *list, struct span name)
{
    for (size_t i = 0; i < list->count; i++)
        if (span_is(name, list->list[i].name))
            return true;
    return false;
}

static bool parse_one(struct span part, struct chat_list *list, char error[200])
{
    const char *mark = part.len > 0 ? memchr(part.at, '=', part.len) : NULL;
    struct chat_place *place = &list->list[list->count];
    if (mark == NULL)
        return refuse(error, "name=provider:model is expected", part);
    struct span name = span_trim(span_make(part.at, (size_t)(mark - part.at)));
    if (!is_visible(name) || name.len >= sizeof place->name)
        return refuse(error, "a name of up to 100 visible characters is expected", part);
    if (is_known(list, name))
        return refuse(error, "each name once is expected", part);
    memcpy(place->name, name.at, name.len);
    place->name[name.len] = '\0';
    list->count++;
    return fallback_parse(span_trim(span_from(part, (size_t)(mark - part.at) + 1)), &place->place,
                          error);
}

bool chat_list_parse(const char *text, struct chat_list *list, char error[200])
{
    struct span rest = span_trim(span_of(text)), part;
    list->count = 0;
    if (rest.len == 0)
        return true;
    while (span_next_item(&rest, &part)) {
        if (list->count == CHAT_LIST_MOST)
            return refuse(error, "eight models at most are expected", part);
        if (!parse_one(part, list, error))
            return false;
    }
    return true;
}
