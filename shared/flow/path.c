#include "shared/flow/path.h"

#include "shared/base/buf.h"
#include "shared/base/utf8.h"

enum { MOST_BYTES = 1024, MOST_NAME_CHARACTERS = 64, MOST_STEPS = 80 };

static bool is_word(struct span name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-'))
            return false;
    }
    return name.len > 0;
}

static void put_step(struct buf *out, const struct path *step)
{
    struct span name = utf8_prefix(step->name, MOST_NAME_CHARACTERS);
    if (step->kind == PATH_ITEM) {
        buf_put_char(out, '[');
        buf_put_u64(out, step->index);
        buf_put_char(out, ']');
    } else if (step->kind == PATH_FIELD && is_word(name)) {
        if (out->len > 0)
            buf_put_char(out, '.');
        buf_put_span(out, name);
    } else {
        buf_put_char(out, '[');
        buf_put_json_string(out, name);
        buf_put_char(out, ']');
    }
}

struct span path_text(const struct path *path, struct arena *arena)
{
    const struct path *steps[MOST_STEPS];
    size_t n = 0;
    for (; path != NULL && n < MOST_STEPS; path = path->up)
        steps[n++] = path;
    struct buf out;
    buf_init(&out, arena, MOST_BYTES);
    while (n > 0)
        put_step(&out, steps[--n]);
    return buf_span(&out);
}
