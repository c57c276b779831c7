/* Views of JSON beside jansson's tree of the same bytes: both take the text or both refuse it, and
 * each value that one finds is the one that the other finds. (jansson overlooks a NUL byte behind a
 * number; the views do not.) */
#include "shared/base/json_view.h"

#include <jansson.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_COMPARED = 10000 };

static void check_string(const json_t *tree, struct json_view value)
{
    struct span want = span_make(json_string_value(tree), json_string_length(tree)), plain;
    struct buf got;
    must(json_view_is_string(value) && json_view_is(value, want));
    if (json_view_plain(value, &plain))
        must(span_equal(plain, want));
    buf_init(&got, NULL, want.len);
    json_view_put(value, &got);
    must(!got.overflow && span_equal(buf_span(&got), want));
    buf_fini(&got);
}

static void check(const json_t *tree, struct json_view value, size_t *left);

static void check_object(json_t *tree, struct json_view value, size_t *left)
{
    const char *name;
    json_t *member;
    must(json_view_is_object(value));
    json_object_foreach(tree, name, member)
    {
        struct json_member both[] = {{.name = SPAN_LITERAL("a")}, {.name = span_of(name)}};
        json_view_find(value, both, 2);
        must(span_equal(both[1].value.text, json_view_get(value, name).text));
        check(member, both[1].value, left);
    }
}

static void check_array(const json_t *tree, struct json_view value, size_t *left)
{
    const json_t *member;
    size_t i;
    struct json_view item = json_view_first(value);
    must(json_view_is_array(value));
    json_array_foreach(tree, i, member)
    {
        if (*left == 0)
            return;
        check(member, item, left);
        item = json_view_after(value, item);
    }
    must(!json_view_is_there(item));
}

static void check(const json_t *tree, struct json_view value, size_t *left)
{
    int64_t number = 0;
    if (*left == 0)
        return;
    --*left;
    bool integer = json_view_integer(value, &number);
    must(integer == json_is_integer(tree));
    must(json_view_is_null(value) == json_is_null(tree));
    if (integer)
        must(number == json_integer_value(tree));
    else if (json_is_object(tree))
        check_object((json_t *)(uintptr_t)tree, value, left);
    else if (json_is_array(tree))
        check_array(tree, value, left);
    else if (json_is_string(tree))
        check_string(tree, value);
    else
        must(json_view_is_there(value) && !json_view_is_string(value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t left = MOST_COMPARED;
    char *copy = malloc(size > 0 ? size : 1); /* alone on the heap, and not ended by a NUL */
    must(copy != NULL);
    memcpy(copy, data, size);
    json_t *tree = json_loadb(copy, size, 0, NULL);
    struct json_view value = json_view_parse(span_make(copy, size));
    bool has_nul = memchr(copy, '\0', size) != NULL;
    must((tree != NULL && !has_nul) == json_view_is_there(value));
    if (tree != NULL && !has_nul)
        check(tree, value, &left);
    json_decref(tree);
    free(copy);
    return 0;
}
