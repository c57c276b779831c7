/* Prompts over the sample message: parsed, rendered and told as one line. */
#ifndef WEIR_TESTS_UNIT_FLOW_PROMPT_KIT_H
#define WEIR_TESTS_UNIT_FLOW_PROMPT_KIT_H

#include "shared/flow/prompt.h"
#include "tests/unit/flow/prompt_sample.h"

#include <stdint.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* An exact copy without a NUL, so that a sanitizer sees a read past the end. */
struct prompt *parse(struct span source, const struct contract_message *type,
                     struct prompt_error *error);

/* "user: text <image>", messages separated by " | ". */
void show(const struct conversation *what, char *out, size_t size);
/* What show makes of what it renders to. */
void assert_renders(const Sample *sample, const char *source, const char *expected);
/* In which line it is refused, and what is said. */
void assert_refused(const char *source, unsigned line, const char *message);

struct row {
    const char *source;
    const char *expected;
};

void assert_rows(const Sample *sample, const struct row *rows, size_t n);
#define ASSERT_ROWS(sample, ...)                                                                   \
    do {                                                                                           \
        static const struct row rows[] = {__VA_ARGS__};                                            \
        assert_rows(sample, rows, sizeof rows / sizeof rows[0]);                                   \
    } while (0)

#endif
