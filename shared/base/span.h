/* A view of bytes that somebody else owns: a pointer and a length, not NUL-terminated. It lives as
 * long as what it points into; each function that returns or keeps one says what that is. Pure. */
#ifndef WEIR_BASE_SPAN_H
#define WEIR_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct span {
    const char *at; /* may be NULL when len is 0 */
    size_t len;     /* bytes */
};

#define SPAN_EMPTY ((struct span){NULL, 0})
/* A span over a string literal, usable in static initialisers. */
#define SPAN_LITERAL(text)                                                                         \
    {                                                                                              \
        ("" text), sizeof(text) - 1                                                                \
    }

static inline struct span span_of(const char *text)
{
    return (struct span){text, text != NULL ? strlen(text) : 0};
}

static inline struct span span_make(const char *at, size_t len)
{
    return (struct span){at, len};
}

static inline bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool span_is(struct span a, const char *text)
{
    return span_equal(a, span_of(text));
}

/* ASCII case is ignored; for header names and the like. */
static inline bool span_is_nocase(struct span a, const char *text)
{
    return a.len == strlen(text) && (a.len == 0 || strncasecmp(a.at, text, a.len) == 0);
}

static inline bool span_starts_with(struct span a, const char *text)
{
    size_t n = strlen(text);
    return a.len >= n && (n == 0 || memcmp(a.at, text, n) == 0);
}

/* The part of `a` from byte `from` (at most a.len) to its end. */
static inline struct span span_from(struct span a, size_t from)
{
    return from == 0 ? a : (struct span){a.at + from, a.len - from};
}

/* Without the spaces, tabs and line ends at both ends. */
static inline struct span span_trim(struct span a)
{
    while (a.len > 0 && strchr(" \t\r\n", a.at[0]) != NULL && a.at[0] != '\0') {
        a.at++;
        a.len--;
    }
    while (a.len > 0 && strchr(" \t\r\n", a.at[a.len - 1]) != NULL && a.at[a.len - 1] != '\0')
        a.len--;
    return a;
}

/* The item of a comma-separated list at the front of *list, trimmed; *list is moved behind it.
 * False: the list is over. Items may be empty. */
static inline bool span_next_item(struct span *list, struct span *item)
{
    if (list->at == NULL)
        return false;
    const char *comma = (const char *)memchr(list->at, ',', list->len);
    size_t len = comma != NULL ? (size_t)(comma - list->at) : list->len;
    *item = span_trim(span_make(list->at, len));
    *list = comma != NULL ? span_from(*list, len + 1) : SPAN_EMPTY;
    return true;
}

#endif
