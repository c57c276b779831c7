/* Reads values out of JSON text where they stand: the text is checked once, whole, and then looked
 * at through views; no tree is built, nothing is allocated. For documents of which a few members
 * are wanted.
 *
 * Strict, as RFC 8259 has it and as jansson reads it without flags: an object or an array, UTF-8
 * without NUL (nor \u0000), no lone surrogates, integers of 64 bits, reals that are finite, at most
 * JSON_VIEW_LEVELS levels; of members with the same name the last one counts. Pure.
 *
 * A view lives as long as the text. The empty view (zeroed) is no value: every question about it
 * has the answer "no", and so has one about a value of another kind; chains of look-ups need one
 * check, at their end. Each look-up walks over its object or array: linear in its text. */
#ifndef WEIR_BASE_JSON_VIEW_H
#define WEIR_BASE_JSON_VIEW_H

#include "shared/base/buf.h"
#include "shared/base/must.h"
#include "shared/base/span.h"

#include <stdint.h>

enum { JSON_VIEW_LEVELS = 2048 };

/* One value, without the space around it; made by the functions below only. */
struct json_view {
    struct span text;
};

/* The whole of `text` as one value; the empty view when it is not strict JSON. */
MUST_USE struct json_view json_view_parse(struct span text);

/* The member's value. `name` is ASCII. */
MUST_USE struct json_view json_view_get(struct json_view object, const char *name);
/* The same for several members, in one walk: fills in each value. */
struct json_member {
    struct span name;
    struct json_view value;
};
void json_view_find(struct json_view object, struct json_member *members, size_t n);
/* The first item of an array, and the one after `item`; empty at the end. */
MUST_USE struct json_view json_view_first(struct json_view array);
MUST_USE struct json_view json_view_after(struct json_view array, struct json_view item);

static inline bool json_view_is_there(struct json_view value)
{
    return value.text.len > 0;
}
static inline bool json_view_begins(struct json_view value, char c)
{
    return value.text.len > 0 && value.text.at[0] == c;
}
static inline bool json_view_is_object(struct json_view value)
{
    return json_view_begins(value, '{');
}
static inline bool json_view_is_array(struct json_view value)
{
    return json_view_begins(value, '[');
}
static inline bool json_view_is_string(struct json_view value)
{
    return json_view_begins(value, '"');
}
static inline bool json_view_is_null(struct json_view value)
{
    return json_view_begins(value, 'n');
}

/* False: it is no integer, and *number is left alone. */
bool json_view_integer(struct json_view value, int64_t *number);
/* The characters of a string that has no escapes, as they stand there. False: it has some, or is
 * none, and *text is left alone. */
MUST_USE bool json_view_plain(struct json_view value, struct span *text);
/* Is it a string of these characters? */
MUST_USE bool json_view_is(struct json_view value, struct span text);
/* Appends the characters of a string; nothing of another value. */
void json_view_put(struct json_view value, struct buf *out);

#endif
