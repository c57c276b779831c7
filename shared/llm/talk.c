#include "shared/llm/talk.h"

/* Some 250 tokens: a small image at most providers. */
enum { IMAGE_BYTES = 1000 };

static struct span copy_text(struct span text, struct arena *arena)
{
    return text.len > 0 ? span_make(arena_copy(arena, text), text.len) : SPAN_EMPTY;
}

struct conversation *talk_copy(const struct conversation *what, struct arena *arena)
{
    struct conversation *copy = arena_alloc(arena, sizeof *copy);
    *copy = *what;
    copy->model = copy_text(what->model, arena);
    if (what->request_id != NULL)
        copy->request_id = arena_copy(arena, span_of(what->request_id));
    struct span *stop = arena_alloc(arena, what->n_stop * sizeof *stop);
    for (size_t i = 0; i < what->n_stop; i++)
        stop[i] = copy_text(what->stop[i], arena);
    copy->stop = stop;
    const struct chat_tool **tools = arena_alloc(arena, what->n_tools * sizeof(struct chat_tool *));
    for (size_t i = 0; i < what->n_tools; i++)
        tools[i] = what->tools[i];
    copy->tools = tools;
    copy->messages = arena_alloc(arena, what->n_messages * sizeof *copy->messages);
    for (size_t i = 0; i < what->n_messages; i++) {
        const struct chat_message *from = &what->messages[i];
        struct chat_message *to = &copy->messages[i];
        *to = *from;
        to->parts = arena_alloc(arena, from->n_parts * sizeof *to->parts);
        for (size_t j = 0; j < from->n_parts; j++) {
            to->parts[j] = from->parts[j];
            to->parts[j].text = copy_text(from->parts[j].text, arena);
            to->parts[j].name = copy_text(from->parts[j].name, arena);
            to->parts[j].id = copy_text(from->parts[j].id, arena);
            to->parts[j].echo = copy_text(from->parts[j].echo, arena);
        }
    }
    return copy;
}

size_t talk_bytes(const struct conversation *what)
{
    size_t bytes = 0;
    for (size_t i = 0; i < what->n_messages; i++) {
        const struct chat_message *message = &what->messages[i];
        for (size_t j = 0; j < message->n_parts; j++)
            bytes += message->parts[j].kind == CHAT_IMAGE ? (size_t)IMAGE_BYTES
                                                          : message->parts[j].text.len;
    }
    return bytes;
}
