/* Checks that stay in every build.
 *
 * must(c): c is an invariant of ours. When it does not hold the process is in an unknown state and
 * dies at once with file and line. Never used on anything a peer, a file or a library may send:
 * that is an ordinary error.
 * MUST_USE: the caller has to look at the result. */
#ifndef WEIR_BASE_MUST_H
#define WEIR_BASE_MUST_H

#define MUST_USE __attribute__((warn_unused_result))

#define must(condition)                                                                            \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            must_fail(#condition, __FILE__, __LINE__);                                             \
    } while (0)

/* Writes the failed condition to standard error and aborts. Any thread. */
__attribute__((noreturn, cold)) void must_fail(const char *condition, const char *file, int line);

/* The object of type `type` whose member `member` is at `pointer`. */
#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
