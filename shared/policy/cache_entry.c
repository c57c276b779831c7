#include "shared/policy/cache_entry.h"

#include <stdlib.h>

static struct cache_entry *make(size_t room)
{
    struct cache_entry *entry = malloc(sizeof *entry + room);
    must(entry != NULL);
    *entry = (struct cache_entry){.bytes = sizeof *entry + room};
    atomic_init(&entry->refs, 1);
    return entry;
}

static struct span put(char *at, struct span text)
{
    if (text.len > 0)
        memcpy(at, text.at, text.len);
    return span_make(at, text.len);
}

struct cache_entry *cache_entry_new(struct span json, struct span wire)
{
    struct cache_entry *entry = make(json.len + wire.len);
    entry->json = put(entry->data, json);
    entry->wire = put(entry->data + json.len, wire);
    return entry;
}

struct cache_entry *cache_entry_new_stream(struct pieces *pieces, struct span whole,
                                           struct span wire)
{
    struct cache_entry *entry = make(whole.len + wire.len);
    entry->pieces = pieces_ref(pieces);
    entry->whole = put(entry->data, whole);
    entry->wire = put(entry->data + whole.len, wire);
    entry->bytes += pieces_memory_bytes(pieces);
    return entry;
}

struct cache_entry *cache_entry_ref(struct cache_entry *entry)
{
    must(atomic_fetch_add_explicit(&entry->refs, 1, memory_order_relaxed) > 0);
    return entry;
}

struct cache_entry *cache_entry_unref(struct cache_entry *entry)
{
    if (entry == NULL || atomic_fetch_sub_explicit(&entry->refs, 1, memory_order_acq_rel) > 1)
        return NULL;
    entry->pieces = pieces_unref(entry->pieces);
    free(entry);
    return NULL;
}
