#include "shared/llm/writing.h"

#include <jansson.h>
#include <stdlib.h>

bool writing_data_url(struct span url, struct span *type, struct span *base64)
{
    static const char mark[] = ";base64,";
    if (!span_starts_with(url, "data:"))
        return false;
    struct span rest = span_from(url, 5);
    const char *at = rest.len > 0 ? memmem(rest.at, rest.len, mark, sizeof mark - 1) : NULL;
    if (at == NULL || memchr(rest.at, ',', (size_t)(at - rest.at)) != NULL)
        return false;
    *type = span_make(rest.at, (size_t)(at - rest.at));
    const char *parameter = type->len > 0 ? memchr(type->at, ';', type->len) : NULL;
    if (parameter != NULL)
        type->len = (size_t)(parameter - type->at);
    *base64 = span_from(rest, (size_t)(at - rest.at) + sizeof mark - 1);
    return type->len > 0 && base64->len > 0;
}

const char *writing_image_type(struct span url)
{
    static const struct {
        const char *ending, *type;
    } types[] = {{".png", "image/png"},   {".jpg", "image/jpeg"}, {".jpeg", "image/jpeg"},
                 {".webp", "image/webp"}, {".gif", "image/gif"},  {".heic", "image/heic"},
                 {".heif", "image/heif"}};
    size_t len = 0;
    while (len < url.len && url.at[len] != '?' && url.at[len] != '#')
        len++;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t n = strlen(types[i].ending);
        if (len > n && span_is_nocase(span_make(url.at + len - n, n), types[i].ending))
            return types[i].type;
    }
    return NULL;
}

bool writing_system(const struct conversation *what, struct buf *out)
{
    bool any = false;
    for (size_t i = 0; i < what->n_messages; i++) {
        const struct chat_message *message = &what->messages[i];
        bool first = true;
        for (size_t j = 0; message->role == CHAT_SYSTEM && j < message->n_parts; j++) {
            const struct chat_part *part = &message->parts[j];
            if (part->kind != CHAT_TEXT || part->text.len == 0)
                continue;
            if (any && first)
                buf_put_text(out, "\\n\\n");
            buf_put_json(out, part->text);
            any = true;
            first = false;
        }
    }
    return any;
}

void writing_parts(const struct chat_message *message,
                   void (*write)(struct buf *out, const struct chat_part *part), struct buf *out)
{
    bool first = true;
    for (size_t i = 0; i < message->n_parts; i++) {
        if (message->parts[i].text.len == 0)
            continue;
        if (!first)
            buf_put_char(out, ',');
        first = false;
        write(out, &message->parts[i]);
    }
}

static bool has_words(const struct chat_message *message)
{
    for (size_t i = 0; i < message->n_parts; i++)
        if (message->parts[i].text.len > 0)
            return true;
    return false;
}

bool writing_messages(const struct conversation *what,
                      void (*write)(struct buf *out, const struct chat_message *message),
                      struct buf *out)
{
    bool any = false;
    for (size_t i = 0; i < what->n_messages; i++) {
        const struct chat_message *message = &what->messages[i];
        if (message->role == CHAT_SYSTEM || !has_words(message))
            continue;
        if (any)
            buf_put_char(out, ',');
        any = true;
        write(out, message);
    }
    return any;
}

void writing_id(struct buf *out, const struct chat_part *part)
{
    buf_put_char(out, '"');
    if (part->id.len == 0) {
        buf_put_text(out, "call_");
        buf_put_json(out, part->name);
    }
    buf_put_json(out, part->id);
    buf_put_char(out, '"');
}

void writing_stop(const struct conversation *what, struct buf *out)
{
    for (size_t i = 0; i < what->n_stop; i++) {
        buf_put_char(out, i == 0 ? '[' : ',');
        buf_put_json_string(out, what->stop[i]);
    }
    buf_put_char(out, ']');
}

void writing_object(struct buf *out, struct span text)
{
    json_t *object = text.len > 0 ? json_loadb(text.at, text.len, 0, NULL) : NULL;
    char *json = json_is_object(object) ? json_dumps(object, JSON_COMPACT) : NULL;
    buf_put_text(out, json != NULL ? json : "{}");
    free(json);
    json_decref(object);
}

bool writing_has_members(const char *schema)
{
    json_t *parsed = json_loads(schema, 0, NULL);
    bool has = json_object_size(json_object_get(parsed, "properties")) > 0;
    json_decref(parsed);
    return has;
}
