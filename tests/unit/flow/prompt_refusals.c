/* Prompt files: what the front matter may say, and what each mistake is told. */
#include "tests/unit/flow/prompt_kit.h"

#include <math.h>
#include <stdio.h>

static void the_front_matter_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *source, *model;
        double temperature;
        long tokens;
    } rows[] = {
        {"text", "", -1, 0},
        {"---\n---\ntext", "", -1, 0},
        {"---\nmodel: gpt-4o-mini\nconfig:\n  temperature: 0.7\n  maxOutputTokens: 512\n---\ntext",
         "gpt-4o-mini", 0.7, 512},
        {"---\r\n# note\r\n\r\nconfig:\r\n    temperature: 0\r\nmodel: \"a/b:c\" \r\n--- \r\ntext",
         "a/b:c", 0, 0},
        {"---\nconfig:\n  maxOutputTokens: 1\n  # note\n\n  temperature: 2\n---\ntext", "", 2, 1},
        {"---\nconfig:\n---\ntext", "", -1, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct prompt_error error = {0};
        struct conversation what = {.flow = "kept", .stream = true};
        struct arena arena;
        char shown[64];
        arena_init(&arena, 0);
        struct prompt *prompt = parse(span_of(rows[i].source), &sample_type, &error);
        if (prompt == NULL)
            fail_msg("%s: line %u: %s", rows[i].source, error.line, error.message);
        assert_true(prompt_render(prompt, &sample_full()->base, &arena, 100, &what));
        prompt_free(prompt);
        show(&what, shown, sizeof shown);
        assert_string_equal(shown, "user: text");
        assert_true(span_is(what.model, rows[i].model));
        assert_true(fabs(what.temperature - rows[i].temperature) < 1e-9);
        assert_int_equal(what.max_output_tokens, rows[i].tokens);
        assert_string_equal(what.flow, "kept");
        assert_true(what.stream);
        arena_fini(&arena);
    }
}

static void mistakes_in_the_front_matter_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        unsigned line;
        const char *message;
    } rows[] = {
        {"---\nmodel: a\n", 1, "the front matter is never closed by ---"},
        {"---", 1, "the front matter is never closed by ---"},
        {"---\nmodel: a\n\nmodle: b\n---\n", 4,
         "unknown key \"modle\": there are model and config"},
        {"---\ntools: [a]\n---", 2, "unknown key \"tools\": there are model and config"},
        {"---\nconfig:\n  topK: 1\n---", 3,
         "unknown key \"topK\": config has temperature and maxOutputTokens"},
        {"---\nmodel: a\nmodel: b\n---", 3, "model is given twice"},
        {"---\nconfig:\nconfig:\n---", 3, "config is given twice"},
        {"---\nconfig:\n temperature: 1\n temperature: 1\n---", 4, "temperature is given twice"},
        {"---\nconfig:\n maxOutputTokens: 1\n maxOutputTokens: 1\n---", 4,
         "maxOutputTokens is given twice"},
        {"---\nconfig: 7\n---", 2, "the settings of config stand below it, indented"},
        {"---\n  temperature: 1\n---", 2, "only what is in config is indented"},
        {"---\nconfig:\nmodel: a\n temperature: 1\n---", 4, "only what is in config is indented"},
        {"---\ntemperature: 1\n---", 2, "unknown key \"temperature\": there are model and config"},
        {"---\nmodel gpt\n---", 2, "this is not \"key: value\""},
        {"---\nmodel:gpt\n---", 2, "this is not \"key: value\""},
        {"---\nconfig:\n\ttemperature: 1\n---", 3, "this is not \"key: value\""},
        {"---\n: a\n---", 2, "this is not \"key: value\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_refused(rows[i].source, rows[i].line, rows[i].message);
    static const char *const bad_settings[] = {
        "model:",
        "model: a b",
        "model: a # b",
        "model: \"\"",
        "model: \"a",
        "model: caf\xc3\xa9",
        "config:\n  temperature: -1",
        "config:\n  temperature: 2.1",
        "config:\n  temperature: .5",
        "config:\n  temperature: 1.",
        "config:\n  temperature: 1e1",
        "config:\n  temperature: nan",
        "config:\n  temperature: 0x1",
        "config:\n  temperature:",
        "config:\n  temperature: 0.00000000000000001",
        "config:\n  maxOutputTokens: 0",
        "config:\n  maxOutputTokens: 1.5",
        "config:\n  maxOutputTokens: -1",
        "config:\n  maxOutputTokens: 1000001",
        "config:\n  maxOutputTokens: 99999999999999999999",
    };
    for (size_t i = 0; i < sizeof bad_settings / sizeof bad_settings[0]; i++) {
        char source[128];
        struct prompt_error error = {0};
        (void)snprintf(source, sizeof source, "---\n%s\n---\n", bad_settings[i]);
        if (parse(span_of(source), &sample_type, &error) != NULL)
            fail_msg("accepted: %s", source);
        assert_int_equal(error.line, bad_settings[i][0] == 'm' ? 2 : 3);
    }
}

static void mistakes_in_the_template_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        unsigned line;
        const char *message;
    } rows[] = {
        {"---\nmodel: a\n---\n\n{{nmae}}", 5,
         "unknown variable \"nmae\": the request has name, text, small, large, unsigned_large, "
         "wide, narrow, flag, color, blob, words, numbers, item, items, map, choice"},
        {"\n{{item.nmae}}", 2, "unknown variable \"item.nmae\": item has label, tags, inner"},
        {"{{#each items}}\n{{this.inner.x}}{{/each}}", 2,
         "unknown variable \"this.inner.x\": this.inner has label, tags, inner"},
        {"{{#each items}}{{label}}{{/each}}", 1,
         "unknown variable \"label\": the request has name, text, small, large, unsigned_large, "
         "wide, narrow, flag, color, blob, words, numbers, item, items, map, choice"},
        {"{{name.x}}", 1, "\"name\" has no fields: it is not a single message"},
        {"{{items.label}}", 1, "\"items\" has no fields: it is not a single message"},
        {"{{#each words}}{{this.x}}{{/each}}", 1,
         "\"this\" has no fields: it is not a single message"},
        {"{{words}}", 1, "\"words\" is a list: go through it with {{#each}}"},
        {"{{item}}", 1, "\"item\" is a message: name one of its fields"},
        {"{{#each items}}{{this}}{{/each}}", 1, "\"this\" is a message: name one of its fields"},
        {"{{blob}}", 1, "\"blob\" holds bytes, which cannot be inserted"},
        {"{{map}}", 1, "\"map\" is a map, which a prompt cannot use"},
        {"{{#if map}}{{/if}}", 1, "\"map\" is a map, which a prompt cannot use"},
        {"{{#each map}}{{/each}}", 1, "\"map\" is a map, which a prompt cannot use"},
        {"{{#each name}}{{/each}}", 1, "\"name\" is not a list"},
        {"{{#each words}}{{#each this}}{{/each}}{{/each}}", 1, "\"this\" is not a list"},
        {"{{this}}", 1, "this has a meaning only inside {{#each}}"},
        {"{{#if name}}{{@index}}{{/if}}", 1, "@index has a meaning only inside {{#each}}"},
        {"{{#each words}}{{else}}{{this}}{{/each}}", 1, "this has a meaning only inside {{#each}}"},
        {"a\nb {{#if name}}\n{{/if}}\n{{#each words}}\n{{#if name}}\n", 5,
         "{{#if}} is never closed"},
        {"{{/if}}", 1, "{{/if}} closes nothing"},
        {"{{#if name}}\n{{/each}}", 2, "{{/each}} comes where {{/if}} is due, for line 1"},
        {"{{#if name}}{{else}}\n{{else}}{{/if}}", 2,
         "a second {{else}} for {{#if}}, opened in line 1"},
        {"{{else}}", 1, "{{else}} has no block that it belongs to"},
        {"{{#with item}}{{/with}}", 1,
         "unknown block {{#with item}}: there are if, unless and each"},
        {"{{#iff name}}", 1, "unknown block {{#iff name}}: there are if, unless and each"},
        {"{{#if}}{{/if}}", 1, "cannot read \"\""},
        {"{{#if name flag}}{{/if}}", 1, "cannot read \"name flag\""},
        {"{{a..b}}", 1, "cannot read \"a..b\""},
        {"{{.}}", 1, "cannot read \".\""},
        {"{{name.}}", 1, "cannot read \"name.\""},
        {"{{>part}}", 1, "cannot read \">part\""},
        {"{{~name}}", 1, "cannot read \"~name\""},
        {"{{\"caf\xc3\xa9\"}}", 1, "cannot read \"\"caf??\"\""},
        {"{{1}}", 1, "cannot read \"1\""},
        {"{{}}", 1, "an empty tag; \\{{ stands for two plain braces"},
        {"{{{name}}}", 1, "{{{ means nothing here; \\{{ stands for two braces"},
        {"\n{{name", 2, "this tag is never closed by }}"},
        {"{{name\n}}", 1, "this tag is never closed by }}"},
        {"{{!-- a }}", 1, "this tag is never closed by --}}"},
        {"{{", 1, "this tag is never closed by }}"},
        {"{{role \"assistant\"}}", 1, "a role is \"system\", \"user\" or \"model\""},
        {"{{role system}}", 1, "a role is \"system\", \"user\" or \"model\""},
        {"{{#if name}}\n{{role \"user\"}}{{/if}}", 2,
         "{{role}} cannot stand inside {{#if}}, opened in line 1"},
        {"{{media name}}", 1, "{{media}} is written {{media url=field}}"},
        {"{{media url=\"x\"}}", 1, "cannot read \"\"x\"\""},
        {"{{media url=small}}", 1, "\"small\" is not a single string, which {{media}} needs"},
        {"{{media url=words}}", 1, "\"words\" is not a single string, which {{media}} needs"},
        {"{{#each words}}{{media url=@index}}{{/each}}", 1,
         "\"@index\" is not a single string, which {{media}} needs"},
        {"{{aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}}",
         1,
         "unknown variable \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\": the request has "
         "name, text, small, large, unsigned_large, wide, narrow, flag, color, blo..."},
        {"a\n\xff", 2, "this is not UTF-8"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_refused(rows[i].source, rows[i].line, rows[i].message);
    struct prompt_error error = {0};
    assert_null(parse(span_make("a\nb\0c", 5), &sample_type, &error));
    assert_int_equal(error.line, 2);
    assert_string_equal(error.message, "a NUL character has no place here");
}

static void without_a_request_only_the_form_is_checked(void **state)
{
    (void)state;
    static const char *const fine[] = {"{{anything.goes}}", "{{#each a.b}}{{this.c}}{{/each}}",
                                       "{{media url=a}}{{#if b}}{{/if}}"};
    static const char *const wrong[] = {"{{a b}}", "{{this}}", "{{#each a}}", "{{@index}}"};
    struct prompt_error error = {0};
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        struct prompt *prompt = parse(span_of(fine[i]), NULL, &error);
        assert_non_null(prompt);
        prompt_free(prompt);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_null(parse(span_of(wrong[i]), NULL, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_front_matter_is_read),
        cmocka_unit_test(mistakes_in_the_front_matter_are_named),
        cmocka_unit_test(mistakes_in_the_template_are_named),
        cmocka_unit_test(without_a_request_only_the_form_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
