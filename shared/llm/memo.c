/* Texts made of schemas, found by the schema's address and proved by its content. */
#include "shared/llm/memo.h"

#include "shared/base/must.h"

#include <stdlib.h>

void memo_init(struct memo *memo, void (*make)(const char *schema, struct buf *out))
{
    *memo = (struct memo){.make = make};
}

static void clear_place(struct memo_place *place)
{
    free(place->schema);
    buf_fini(&place->made);
    *place = (struct memo_place){0};
}

void memo_fini(struct memo *memo)
{
    for (size_t i = 0; i < MEMO_PLACES; i++)
        clear_place(&memo->places[i]);
}

struct span memo_find(struct memo *memo, const char *schema)
{
    for (size_t i = 0; i < MEMO_PLACES && memo->places[i].key != NULL; i++) {
        struct memo_place *place = &memo->places[i];
        if (place->key == schema && strcmp(place->schema, schema) == 0)
            return buf_span(&place->made);
    }
    struct memo_place *place = &memo->places[memo->next];
    memo->next = (memo->next + 1) % MEMO_PLACES;
    clear_place(place);
    place->key = schema;
    place->schema = strdup(schema);
    must(place->schema != NULL);
    buf_init(&place->made, NULL, MEMO_BYTES);
    memo->make(schema, &place->made);
    if (place->made.overflow)
        buf_clear(&place->made);
    return buf_span(&place->made);
}
