/* Sets of prompts: compiled in, overridden from a folder, and kept by those who work with them. */
#include "shared/flow/prompt_set.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static const char *path_of(const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/weir-prompts-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"tell_joke.prompt", "tell_jok.prompt", "notes.txt"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)unlink(path_of(names[i]));
        (void)rmdir(path_of(names[i]));
    }
    return rmdir(folder);
}

static size_t method_of(const char *prompt)
{
    for (size_t i = 0; i < weir_contract.n_methods; i++)
        if (weir_contract.methods[i].prompt != NULL &&
            strcmp(weir_contract.methods[i].prompt, prompt) == 0)
            return i;
    fail_msg("no flow has the prompt %s", prompt);
    return 0;
}

static struct prompt_set *make(void)
{
    struct prompt_set_error error;
    struct prompt_set *set = prompt_set_new(&weir_contract, folder, &error);
    if (set == NULL)
        fail_msg("%s: %s", error.file, error.prompt.message);
    return set;
}

static void compiled_in(void **state)
{
    struct prompt_set_error error;
    (void)state;
    struct prompt_set *set = prompt_set_new(&weir_contract, NULL, &error);
    assert_non_null(set);
    assert_int_equal(prompt_set_overridden(set), 0);
    for (size_t i = 0; i < weir_contract.n_methods; i++)
        assert_int_equal(prompt_set_at(set, i) != NULL, weir_contract.methods[i].prompt != NULL);
    assert_null(prompt_set_unref(set));
    assert_null(prompt_set_unref(NULL));
    set = make(); /* an empty folder changes nothing */
    assert_int_equal(prompt_set_overridden(set), 0);
    assert_string_equal(prompt_set_stray(set), "");
    assert_null(prompt_set_unref(set));
    set = prompt_set_new(&weir_contract, "/nonexistent/weir", &error);
    assert_non_null(set);
    assert_null(prompt_set_unref(set));
}

static void overridden(void **state)
{
    (void)state;
    struct prompt_set *plain = make();
    write_file("tell_joke.prompt", "Say {{name}}.");
    write_file("notes.txt", "{{nothing}}");
    struct prompt_set *set = make();
    size_t joke = method_of("tell_joke"), story = method_of("tell_story");
    assert_int_equal(prompt_set_overridden(set), 2); /* the joke, and the joke as a stream */
    assert_string_equal(prompt_set_stray(set), "");
    assert_string_not_equal(prompt_version(prompt_set_at(set, joke)),
                            prompt_version(prompt_set_at(plain, joke)));
    assert_string_equal(prompt_version(prompt_set_at(set, story)),
                        prompt_version(prompt_set_at(plain, story)));
    write_file("tell_jok.prompt", "");
    struct prompt_set *misspelt = make();
    assert_string_equal(prompt_set_stray(misspelt), "tell_jok.prompt");
    assert_null(prompt_set_unref(misspelt));
    assert_null(prompt_set_unref(set));
    assert_null(prompt_set_unref(plain));
}

static void refused(unsigned line, const char *part)
{
    struct prompt_set_error error;
    assert_null(prompt_set_new(&weir_contract, folder, &error));
    assert_string_equal(error.file, path_of("tell_joke.prompt"));
    assert_int_equal(error.prompt.line, line);
    if (strstr(error.prompt.message, part) == NULL)
        fail_msg("\"%s\" says nothing of \"%s\"", error.prompt.message, part);
}

static void broken(void **state)
{
    static char large[256 * 1024 + 2];
    (void)state;
    write_file("tell_joke.prompt", "one\ntwo {{nothing}}\n");
    refused(2, "nothing");
    write_file("tell_joke.prompt", "---\nmodle: x\n---\n");
    refused(2, "modle");
    memset(large, 'a', sizeof large - 1);
    write_file("tell_joke.prompt", large);
    refused(0, "too large");
    assert_int_equal(unlink(path_of("tell_joke.prompt")), 0);
    assert_int_equal(mkdir(path_of("tell_joke.prompt"), 0700), 0);
    refused(0, "no file");
    assert_int_equal(rmdir(path_of("tell_joke.prompt")), 0);
    assert_int_equal(mkfifo(path_of("tell_joke.prompt"), 0600), 0);
    refused(0, "no file"); /* and nobody hangs */
    assert_int_equal(unlink(path_of("tell_joke.prompt")), 0);
    assert_int_equal(symlink("tell_joke.prompt", path_of("tell_joke.prompt")), 0);
    refused(0, "links");
}

static void the_shelf(void **state)
{
    struct prompt_shelf shelf;
    size_t joke = method_of("tell_joke");
    char version[17];
    (void)state;
    prompt_shelf_init(&shelf, make());
    struct prompt_set *held = prompt_shelf_take(&shelf);
    (void)snprintf(version, sizeof version, "%s", prompt_version(prompt_set_at(held, joke)));
    write_file("tell_joke.prompt", "Another one: {{name}}");
    prompt_shelf_put(&shelf, make());
    struct prompt_set *next = prompt_shelf_take(&shelf);
    assert_ptr_not_equal(next, held);
    assert_string_equal(prompt_version(prompt_set_at(held, joke)), version);
    assert_string_not_equal(prompt_version(prompt_set_at(next, joke)), version);
    assert_null(prompt_set_unref(held));
    prompt_shelf_fini(&shelf);
    assert_string_not_equal(prompt_version(prompt_set_at(next, joke)), version);
    assert_null(prompt_set_unref(next));
}

/* --- many take and give back while one puts --- */

static void *reader(void *argument)
{
    struct prompt_shelf *shelf = argument;
    size_t joke = method_of("tell_joke");
    for (unsigned i = 0; i < 2000; i++) {
        struct prompt_set *set = prompt_shelf_take(shelf);
        assert_int_equal(strlen(prompt_version(prompt_set_at(set, joke))), 16);
        (void)prompt_set_unref(set);
    }
    return NULL;
}

static void threads(void **state)
{
    struct prompt_shelf shelf;
    pthread_t readers[3];
    (void)state;
    prompt_shelf_init(&shelf, make());
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, reader, &shelf), 0);
    for (unsigned i = 0; i < 20; i++)
        prompt_shelf_put(&shelf, make());
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    prompt_shelf_fini(&shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(compiled_in, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(overridden, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(broken, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_shelf, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(threads, make_folder, remove_folder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
