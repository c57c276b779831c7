/* Where in a message something is: "issues[2].line", "counts[\"a\"]". Pure; any thread.
 *
 * A walker keeps one step a level on its own stack, each pointing to the one above; the text is
 * only made when there is an error to report. */
#ifndef WEIR_FLOW_PATH_H
#define WEIR_FLOW_PATH_H

#include "shared/base/arena.h"
#include "shared/base/must.h"
#include "shared/base/span.h"

enum path_kind { PATH_FIELD, PATH_ITEM, PATH_KEY };

struct path {
    const struct path *up; /* NULL: at the message itself */
    enum path_kind kind;
    struct span name; /* FIELD: its JSON name; KEY: the map's key. UTF-8; outlives the step */
    size_t index;     /* ITEM, from 0 */
};

static inline struct path path_field(const struct path *up, const char *name)
{
    return (struct path){.up = up, .kind = PATH_FIELD, .name = span_of(name)};
}

static inline struct path path_item(const struct path *up, size_t index)
{
    return (struct path){.up = up, .kind = PATH_ITEM, .index = index};
}

static inline struct path path_key(const struct path *up, struct span key)
{
    return (struct path){.up = up, .kind = PATH_KEY, .name = key};
}

/* The text, in `arena`; empty for NULL. Names that a caller made up are cut to 64 characters and
 * quoted unless they are plain words; the whole is at most 1,024 bytes. */
MUST_USE struct span path_text(const struct path *path, struct arena *arena);

#endif
