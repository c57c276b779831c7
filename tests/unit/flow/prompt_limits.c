/* Prompt files: how large they may be, what they may cost, and that none does harm. */
#include "tests/unit/flow/prompt_kit.h"

#include <stdio.h>
#include <stdlib.h>

/* `n` times `unit`, on the heap. */
static struct span repeat(const char *unit, size_t n)
{
    size_t len = strlen(unit);
    char *text = malloc(n * len + 1);
    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        memcpy(text + i * len, unit, len);
    return span_make(text, n * len);
}

static bool is_accepted(struct span source)
{
    struct prompt_error error = {0};
    struct prompt *prompt = parse(source, &sample_type, &error);
    bool accepted = prompt != NULL;
    assert_true(accepted || (error.line > 0 && error.message[0] != '\0'));
    prompt_free(prompt);
    return accepted;
}

static void a_template_has_its_limits(void **state)
{
    (void)state;
    const struct {
        const char *unit;
        size_t most;
    } rows[] = {{"a", 256 * 1024}, {"{{name}}", 4096}, {"{{#if name}}{{/if}}", 4096}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct span source = repeat(rows[i].unit, rows[i].most + 1);
        assert_true(is_accepted(span_make(source.at, source.len - strlen(rows[i].unit))));
        assert_false(is_accepted(source));
        free((char *)(uintptr_t)source.at);
    }
    char nested[1024];
    for (int depth = 16; depth <= 17; depth++) {
        struct span open = repeat("{{#each words}}", (size_t)depth);
        struct span close = repeat("{{/each}}", (size_t)depth);
        (void)snprintf(nested, sizeof nested, "%.*s%.*s", (int)open.len, open.at, (int)close.len,
                       close.at);
        assert_int_equal(is_accepted(span_of(nested)), depth == 16);
        free((char *)(uintptr_t)open.at);
        free((char *)(uintptr_t)close.at);
    }
    assert_true(is_accepted(span_of("{{item.inner.inner.inner.inner.inner.inner.inner.inner.inner."
                                    "inner.inner.inner.inner.inner.label}}")));
    assert_false(is_accepted(span_of("{{item.inner.inner.inner.inner.inner.inner.inner.inner.inner."
                                     "inner.inner.inner.inner.inner.inner.label}}")));
}

static bool fits(const char *source, const Sample *sample, size_t limit_bytes)
{
    struct prompt_error error = {0};
    struct conversation what = {0};
    struct arena arena;
    arena_init(&arena, 0);
    struct prompt *prompt = parse(span_of(source), &sample_type, &error);
    assert_non_null(prompt);
    bool fine = prompt_render(prompt, &sample->base, &arena, limit_bytes, &what);
    prompt_free(prompt);
    arena_fini(&arena);
    return fine;
}

static void a_rendering_has_its_limits(void **state)
{
    (void)state;
    Sample *sample = sample_full();
    assert_true(fits("abc", sample, 3));
    assert_false(fits("abcd", sample, 3));
    assert_true(fits("", sample, 0));
    assert_true(fits("{{name}}", sample, 3));
    assert_false(fits("{{name}}", sample, 2));
    assert_true(fits("{{role \"system\"}}ab{{role \"user\"}}{{media url=name}}cd", sample, 7));
    assert_false(fits("{{role \"system\"}}ab{{role \"user\"}}{{media url=name}}cd", sample, 6));
    assert_false(fits("ab{{media url=name}}", sample, 4));
    assert_false(fits("ab{{media url=name}}c", sample, 5));
    assert_true(fits("    {{media url=name}}", sample, 7));
    assert_false(fits("    {{media url=name}}", sample, 6));
    assert_false(fits("abcdef{{media url=name}}", sample, 5));
}

static void lists_in_lists_cannot_multiply_the_work(void **state)
{
    (void)state;
    enum { MANY = 2000 };
    Sample sample = sample_empty();
    static const char *words[MANY];
    for (size_t i = 0; i < MANY; i++)
        words[i] = "x";
    sample.n_words = MANY;
    sample.words = words;
    assert_true(fits("{{#each words}}{{#if flag}}a{{/if}}{{/each}}", &sample, 10));
    assert_false(fits("{{#each words}}{{#each words}}{{/each}}{{/each}}", &sample, 10));
    /* Nor can a long text that is looked at again and again and inserted never. */
    static char blank[1000001];
    memset(blank, ' ', sizeof blank - 1);
    sample.text = blank;
    assert_true(fits("{{#if text}}a{{/if}}", &sample, 10));
    assert_false(fits("{{#each words}}{{text}}{{/each}}", &sample, 10));
    /* Nor can there be images without end. */
    sample.n_words = 1024;
    assert_true(fits("{{#each words}}{{media url=this}}{{/each}}", &sample, 2000));
    sample.n_words = 1025;
    assert_false(fits("{{#each words}}{{media url=this}}{{/each}}", &sample, 2000));
}

static void the_version_tells_sources_apart(void **state)
{
    (void)state;
    struct prompt_error error = {0};
    struct prompt *a = parse(span_of("a"), NULL, &error);
    struct prompt *b = parse(span_of("a "), NULL, &error);
    struct prompt *again = parse(span_of("a"), &sample_type, &error);
    assert_string_equal(prompt_version(a), "af63dc4c8601ec8c"); /* the published value for "a" */
    assert_string_not_equal(prompt_version(a), prompt_version(b));
    assert_string_equal(prompt_version(a), prompt_version(again));
    prompt_free(a);
    prompt_free(b);
    assert_null(prompt_free(again));
    assert_null(prompt_free(NULL));
}

/* A file that was cut anywhere is read or refused, and what is read can be rendered. */
static void a_cut_source_does_no_harm(void **state)
{
    (void)state;
    const char *source = "---\nmodel: m\nconfig:\n  temperature: 0.5\n---\n{{role \"system\"}}\n"
                         "{{#each items}}\n{{@index}} {{this.label}}{{! c }}\n{{else}}none\n"
                         "{{/each}}\\{{ \\\\{{name}} {{media url=name}} {{!-- {{ --}}\n";
    for (size_t len = 0; len <= strlen(source); len++) {
        struct prompt_error error = {0};
        struct conversation what = {0};
        struct arena arena;
        arena_init(&arena, 0);
        struct prompt *prompt = parse(span_make(source, len), &sample_type, &error);
        if (prompt != NULL)
            assert_true(prompt_render(prompt, &sample_full()->base, &arena, 4096, &what));
        else
            assert_true(error.line > 0 && error.message[0] != '\0');
        prompt_free(prompt);
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_has_its_limits),
        cmocka_unit_test(a_rendering_has_its_limits),
        cmocka_unit_test(lists_in_lists_cannot_multiply_the_work),
        cmocka_unit_test(the_version_tells_sources_apart),
        cmocka_unit_test(a_cut_source_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
