#include "server/config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { MOST_BYTES = 64 * 1024 };

static char error[CONFIG_ERROR_BYTES];
static char seen[1024]; /* "line:NAME=value;" for each assignment */

static bool see(void *context, struct span name, const char *value, unsigned line,
                char why[CONFIG_ERROR_BYTES])
{
    (void)context;
    size_t len = strlen(seen);
    (void)snprintf(seen + len, sizeof seen - len, "%u:%.*s=%s;", line, (int)name.len, name.at,
                   value);
    if (!span_is(name, "STOP"))
        return true;
    (void)snprintf(why, CONFIG_ERROR_BYTES, "stopped");
    return false;
}

static bool parse(const char *text, size_t len)
{
    /* An exact copy, so that a sanitizer sees a step over its end. */
    char *copy = malloc(len + 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    copy[len] = '\0';
    seen[0] = error[0] = '\0';
    bool fine = config_parse_env_file(copy, len, ".env", see, NULL, error);
    free(copy);
    return fine;
}

static void test_assignments(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *seen;
    } rows[] = {
        {"", ""},
        {"\n\n  \n\t\r\n", ""},
        {"# PORT=1\n   # PORT=2\n", ""},
        {"PORT=1", "1:PORT=1;"},
        {"\n\nPORT=1\r\nHOST=::\r\n", "3:PORT=1;4:HOST=::;"},
        {"  PORT = 1  \n", "1:PORT=1;"},
        {"A=\n", "1:A=;"},
        {"A= \t\n", "1:A=;"},
        {"export A=1\nexport\tB=2\n", "1:A=1;2:B=2;"},
        {"export=1\nexported=2\n", "1:export=1;2:exported=2;"},
        {"A=a=b=c\n", "1:A=a=b=c;"},
        {"A=a b # why\n", "1:A=a b;"},
        {"A=a#b\n", "1:A=a#b;"},
        {"A=#b\n", "1:A=;"},
        {"A=it's\n", "1:A=it's;"},
        {"A='a b' # why\n", "1:A=a b;"},
        {"A='a#\"\\n'\n", "1:A=a#\"\\n;"},
        {"A=\"a b\"\n", "1:A=a b;"},
        {"A=\"a\\\"b\\\\c\\nd\\xe\"#why\n", "1:A=a\"b\\c\ndxe;"},
        {"A=\"\"\nB=''\n", "1:A=;2:B=;"},
        {"A=$HOME`id`\n", "1:A=$HOME`id`;"},
        {"A=1\nA=2\n", "1:A=1;2:A=2;"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!parse(rows[i].text, strlen(rows[i].text)))
            fail_msg("%s: %s", rows[i].text, error);
        assert_string_equal(seen, rows[i].seen);
    }
}

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *error;
    } rows[] = {
        {"PORT\n", ".env, line 1: NAME=value is expected"},
        {"A=1\n=5\n", ".env, line 2: NAME=value is expected"},
        {"PO RT=5\n", ".env, line 1: NAME=value is expected"},
        {"export\n", ".env, line 1: NAME=value is expected"},
        {"export \n", ".env, line 1: NAME=value is expected"},
        {"A-B=1\n", ".env, line 1: NAME=value is expected"},
        {"\xef\xbb\xbf"
         "A=1\n",
         ".env, line 1: NAME=value is expected"},
        {"A='5\n", ".env, line 1: the quotes do not close"},
        {"A=\"5\\\"\n", ".env, line 1: the quotes do not close"},
        {"A=\"5\\\n", ".env, line 1: the quotes do not close"},
        {"A='5' 6\n", ".env, line 1: the quotes do not close"},
        {"A='\n'\n", ".env, line 1: the quotes do not close"},
        {"A=1\nSTOP=1\nB=2\n", "stopped"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (parse(rows[i].text, strlen(rows[i].text)))
            fail_msg("%s", rows[i].text);
        assert_string_equal(error, rows[i].error);
    }
    assert_null(strstr(seen, "B="));
    assert_false(parse("A=1\0B=2", 7));
    assert_string_equal(error, ".env: there is a NUL byte in it");
}

static char path[] = "/tmp/weir-config-XXXXXX";

static void write_file(const char *bytes, size_t len, mode_t mode)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    assert_int_equal(fchmod(fd, mode), 0);
    (void)close(fd);
}

static char *read_file(size_t *len, bool *open_to_others, bool *missing)
{
    error[0] = '\0';
    return config_read_file(path, len, open_to_others, missing, error);
}

static void test_files(void **state)
{
    (void)state;
    bool open_to_others = true, missing = true;
    size_t len = 0;
    write_file("sk-4711\n", 8, 0600);
    char *text = read_file(&len, &open_to_others, &missing);
    assert_non_null(text);
    assert_string_equal(text, "sk-4711\n");
    assert_true(len == 8 && !open_to_others && !missing);
    free(text);
    const mode_t modes[] = {0640, 0604, 0644, 0666};
    for (size_t i = 0; i < 4; i++) {
        write_file("x", 1, modes[i]);
        text = read_file(&len, &open_to_others, &missing);
        assert_true(text != NULL && open_to_others);
        free(text);
    }
    write_file("", 0, 0400);
    text = read_file(&len, &open_to_others, &missing);
    assert_true(text != NULL && len == 0 && text[0] == '\0');
    free(text);
}

static void test_files_that_are_none(void **state)
{
    (void)state;
    bool open_to_others = false, missing = false;
    size_t len = 0;
    char *large = calloc(1, MOST_BYTES + 1);
    assert_non_null(large);
    memset(large, 'x', MOST_BYTES + 1);
    write_file(large, MOST_BYTES, 0600);
    char *text = read_file(&len, &open_to_others, &missing);
    assert_true(text != NULL && len == MOST_BYTES);
    free(text);
    write_file(large, MOST_BYTES + 1, 0600);
    free(large);
    assert_null(read_file(&len, &open_to_others, &missing));
    assert_non_null(strstr(error, "it is larger than 64 KiB"));
    assert_non_null(strstr(error, path));
    write_file("a\0b", 3, 0600);
    assert_null(read_file(&len, &open_to_others, &missing));
    assert_non_null(strstr(error, "there is a NUL byte in it"));
    assert_false(missing);
    assert_int_equal(unlink(path), 0);
    assert_null(read_file(&len, &open_to_others, &missing));
    assert_true(missing);
    /* A pipe would keep who opens it waiting; a folder cannot be read. */
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(read_file(&len, &open_to_others, &missing));
    assert_non_null(strstr(error, "it is not a plain file"));
    assert_false(missing);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_null(read_file(&len, &open_to_others, &missing));
    assert_non_null(strstr(error, "it is not a plain file"));
    assert_int_equal(rmdir(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_assignments),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_files_that_are_none),
    };
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    (void)close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    return failed;
}
