/* Any bytes as a prompt file: read or refused, and what is read renders within its limit. */
#include "shared/base/utf8.h"
#include "shared/flow/prompt.h"
#include "tests/unit/flow/prompt_sample.h"

enum { LIMIT_BYTES = 2000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct conversation *what)
{
    size_t bytes = 0;
    for (size_t i = 0; i < what->n_messages; i++) {
        must(what->messages[i].n_parts > 0);
        for (size_t j = 0; j < what->messages[i].n_parts; j++) {
            struct span text = what->messages[i].parts[j].text;
            must(text.len > 0 && utf8_valid(text));
            bytes += text.len;
        }
    }
    must(bytes <= LIMIT_BYTES && what->temperature <= 2 && what->max_output_tokens >= 0);
}

static void render(const struct prompt *prompt, const Sample *sample)
{
    struct conversation what = {0};
    struct arena arena;
    arena_init(&arena, 0);
    if (prompt_render(prompt, &sample->base, &arena, LIMIT_BYTES, &what))
        check(&what);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span source = span_make((const char *)data, size);
    struct prompt_error error = {0};
    const Sample empty = sample_empty();
    struct prompt *prompt = prompt_parse(source, &sample_type, &error);
    must(prompt != NULL || (error.line > 0 && error.message[0] != '\0'));
    if (prompt != NULL) {
        render(prompt, sample_full());
        render(prompt, &empty);
        prompt_free(prompt);
    }
    /* Without the request's names more is accepted, never less. */
    struct prompt *unchecked = prompt_parse(source, NULL, &error);
    must(prompt == NULL || unchecked != NULL);
    prompt_free(unchecked);
    return 0;
}
