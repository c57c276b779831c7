/* Bodies of the OpenAI-shaped route, and names of models in paths. What is read can be packed and
 * unpacked, its strings are clean, and its memory is within the budget; what is refused says what
 * is wrong, and can be written. */
#include "rest/rest_chat.h"

#include "shared/base/utf8.h"
#include "weir/v1/chat.pb-c.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BASE_BYTES = 64 * 1024, FACTOR = 16, ERROR_BYTES = 64 * 1024 };

static void check_read(const Weir__V1__ChatRequest *chat)
{
    size_t len = weir__v1__chat_request__get_packed_size(chat);
    uint8_t *wire = malloc(len + 1);
    must(wire != NULL && weir__v1__chat_request__pack(chat, wire) == len);
    Weir__V1__ChatRequest *again = weir__v1__chat_request__unpack(NULL, len, wire);
    must(again != NULL && again->n_messages == chat->n_messages);
    must(utf8_valid(span_of(chat->model)) && chat->model[0] != '\0');
    must(utf8_valid(span_of(chat->schema)));
    for (size_t i = 0; i < chat->n_messages; i++)
        for (size_t j = 0; j < chat->messages[i]->n_content; j++)
            must(chat->messages[i]->content[j]->part_case != 0);
    weir__v1__chat_request__free_unpacked(again, NULL);
    free(wire);
}

static void check_refused(const struct verdict *verdict)
{
    struct buf out;
    must(verdict->code == VERDICT_BAD_JSON || verdict->code == VERDICT_BAD_MESSAGE ||
         verdict->code == VERDICT_TOO_LARGE);
    must((verdict->n_violations == 1) == (verdict->code == VERDICT_BAD_MESSAGE));
    buf_init(&out, NULL, ERROR_BYTES);
    rest_chat_write_error(&out, verdict);
    must(utf8_valid(buf_span(&out)));
    buf_fini(&out);
}

static void check_name(struct span path, struct arena *arena)
{
    char *name = NULL;
    if (!rest_chat_read_name(path, arena, &name))
        return;
    must(strlen(name) <= path.len && utf8_valid(span_of(name)));
    must(path.len == 0 || memchr(path.at, '%', path.len) != NULL || span_is(path, name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    Weir__V1__ChatRequest *chat = NULL;
    struct rest_chat_form form;
    struct verdict verdict;
    char *text = malloc(size + 1); /* so that reading past the end is seen */
    must(text != NULL);
    memcpy(text, data, size);
    arena_init(&arena, BASE_BYTES + FACTOR * size);
    if (rest_chat_read(span_make(text, size), &arena, &chat, &form, &verdict) == VERDICT_OK)
        check_read(chat);
    else
        check_refused(&verdict);
    check_name(span_make(text, size), &arena);
    arena_fini(&arena);
    free(text);
    return 0;
}
