#include "tests/unit/flow/prompt_kit.h"

#include "shared/base/buf.h"
#include "tests/support/exact.h"

#include <stdlib.h>

static const char *const role_names[] = {"system", "user", "model"};

void show(const struct conversation *what, char *out, size_t size)
{
    struct buf buf;
    buf_init(&buf, NULL, size - 1);
    for (size_t i = 0; i < what->n_messages; i++) {
        buf_put_text(&buf, i > 0 ? " | " : "");
        buf_put_text(&buf, role_names[what->messages[i].role]);
        buf_put_char(&buf, ':');
        for (size_t j = 0; j < what->messages[i].n_parts; j++) {
            const struct chat_part *part = &what->messages[i].parts[j];
            buf_put_text(&buf, part->kind == CHAT_IMAGE ? " <" : " ");
            buf_put_span(&buf, part->text);
            buf_put_text(&buf, part->kind == CHAT_IMAGE ? ">" : "");
        }
    }
    assert_false(buf.overflow);
    if (buf.len > 0)
        memcpy(out, buf.at, buf.len);
    out[buf.len] = '\0';
    buf_fini(&buf);
}

struct prompt *parse(struct span source, const struct contract_message *type,
                     struct prompt_error *error)
{
    struct span exact = exact_copy(source);
    struct prompt *prompt = prompt_parse(exact, type, error);
    exact_free(exact);
    return prompt;
}

void assert_renders(const Sample *sample, const char *source, const char *expected)
{
    struct prompt_error error = {0};
    struct conversation what = {0};
    struct arena arena;
    char shown[2048];
    arena_init(&arena, 0);
    struct prompt *prompt = parse(span_of(source), &sample_type, &error);
    if (prompt == NULL)
        fail_msg("%s: line %u: %s", source, error.line, error.message);
    assert_true(prompt_render(prompt, &sample->base, &arena, 4096, &what));
    prompt_free(prompt); /* the conversation must not depend on it */
    show(&what, shown, sizeof shown);
    if (strcmp(shown, expected) != 0)
        fail_msg("%s\n  gave     %s\n  expected %s", source, shown, expected);
    arena_fini(&arena);
}

void assert_refused(const char *source, unsigned line, const char *message)
{
    struct prompt_error error = {0};
    struct prompt *prompt = parse(span_of(source), &sample_type, &error);
    if (prompt != NULL)
        fail_msg("accepted: %s", source);
    if (error.line != line || strcmp(error.message, message) != 0)
        fail_msg("%s\n  gave     line %u: %s\n  expected line %u: %s", source, error.line,
                 error.message, line, message);
}

void assert_rows(const Sample *sample, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_renders(sample, rows[i].source, rows[i].expected);
}
