#include "shared/flow/path.h"

#include "shared/base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 0); /* errors are told also when the budget is used up */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static void assert_path(const struct path *path, const char *expected)
{
    struct span text = path_text(path, &arena);
    if (!span_is(text, expected)) {
        print_error("%.*s is not %s\n", (int)text.len, text.at, expected);
        fail();
    }
}

static void test_steps(void **state)
{
    (void)state;
    struct path issues = path_field(NULL, "issues");
    struct path second = path_item(&issues, 2);
    struct path line = path_field(&second, "line");
    struct path key = path_key(&line, span_of("a\"b"));
    struct path below = path_field(&key, "x");
    assert_path(NULL, "");
    assert_path(&issues, "issues");
    assert_path(&line, "issues[2].line");
    assert_path(&below, "issues[2].line[\"a\\\"b\"].x");
}

static void test_strange_names_are_quoted(void **state)
{
    (void)state;
    struct path top = path_field(NULL, "a.b");
    struct path empty = path_field(&top, "");
    struct path line = path_field(&empty, "x\ny");
    assert_path(&line, "[\"a.b\"][\"\"][\"x\\ny\"]");
}

static void test_is_bounded(void **state)
{
    (void)state;
    static char name[4096];
    struct path steps[200];
    memset(name, 'n', sizeof name - 1);
    steps[0] = path_field(NULL, name);
    assert_int_equal(path_text(&steps[0], &arena).len, 64);
    for (size_t i = 1; i < 200; i++)
        steps[i] = path_field(&steps[i - 1], name);
    assert_in_range(path_text(&steps[199], &arena).len, 1, 1024);
    /* Cut between characters. */
    for (size_t i = 0; i + 2 < sizeof name; i += 2)
        memcpy(name + i, "\xc3\xa9", 2);
    name[sizeof name - 2] = '\0';
    struct span text = path_text(&steps[0], &arena);
    assert_true(utf8_valid(text));
    assert_int_equal(utf8_length(text), 64 + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_strange_names_are_quoted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_is_bounded, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
