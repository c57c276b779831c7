/* Doubly linked rings: a member can leave whichever ring it is in without knowing which.
 *
 * A `struct link` is a member of the object that is listed; the rings own nothing. One thread. */
#ifndef WEIR_BASE_LIST_H
#define WEIR_BASE_LIST_H

#include <stdbool.h>

struct link {
    struct link *before;
    struct link *after;
};

/* Alone: an empty ring's head, or a member of no ring. */
static inline void link_init(struct link *link)
{
    link->before = link->after = link;
}

static inline bool link_is_alone(const struct link *link)
{
    return link->after == link;
}

/* Harmless when it is in no ring. */
static inline void link_remove(struct link *link)
{
    link->before->after = link->after;
    link->after->before = link->before;
    link_init(link);
}

/* Puts `link`, which must be alone, at the end of the ring of `head`. */
static inline void link_append(struct link *head, struct link *link)
{
    link->before = head->before;
    link->after = head;
    head->before->after = link;
    head->before = link;
}

/* Moves all members of `from` to the ring of `to`, which must be empty. */
static inline void link_move_all(struct link *from, struct link *to)
{
    if (link_is_alone(from))
        return;
    *to = *from;
    to->before->after = to;
    to->after->before = to;
    link_init(from);
}

#endif
