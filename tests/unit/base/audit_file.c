/* The file of the audit log: its mode, its segments, its end. Times are made up; files are given
 * them as their last change. */
#include "shared/base/audit_file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { RETENTION_S = 800, SEGMENT_S = 100, START_S = 1000000 };

static char folder[] = "/tmp/weir-audit-XXXXXX";
static char path[64];
static char error[128];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/weir-audit-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/audit.log", folder);
    (void)umask(0);
    return 0;
}

static void name_of(unsigned number, char name[80])
{
    if (number == 0)
        (void)snprintf(name, 80, "%s", path);
    else
        (void)snprintf(name, 80, "%s.%u", path, number);
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        char name[80];
        name_of(i, name);
        (void)unlink(name);
    }
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

/* What the kernel would have noted had the time been this. */
static void touch(unsigned number, uint64_t at_s)
{
    char name[80];
    const struct timespec times[2] = {{.tv_sec = (time_t)at_s}, {.tv_sec = (time_t)at_s}};
    name_of(number, name);
    assert_int_equal(utimensat(AT_FDCWD, name, times, 0), 0);
}

static void assert_content(unsigned number, const char *expected)
{
    char name[80], text[256] = "";
    name_of(number, name);
    int fd = open(name, O_RDONLY);
    if (expected == NULL) {
        assert_int_equal(fd, -1);
        return;
    }
    assert_true(fd >= 0);
    assert_true(read(fd, text, sizeof text - 1) >= 0);
    (void)close(fd);
    assert_string_equal(text, expected);
}

static void put(struct audit_file *file, const char *text, uint64_t now_s)
{
    assert_true(audit_file_write(file, span_of(text), now_s));
    touch(0, now_s);
}

static struct audit_file *open_at(uint64_t now_s)
{
    struct audit_file *file = audit_file_open(path, RETENTION_S, now_s, error);
    if (file == NULL)
        fail_msg("%s", error);
    return file;
}

static void test_mode_and_appending(void **state)
{
    (void)state;
    struct stat seen;
    struct audit_file *file = open_at(START_S);
    put(file, "one\n", START_S);
    put(file, "two\n", START_S + 1);
    assert_int_equal(stat(path, &seen), 0);
    assert_int_equal(seen.st_mode & 07777, 0600);
    file = audit_file_close(file);
    file = open_at(START_S + 2); /* a restart */
    put(file, "three\n", START_S + 2);
    assert_content(0, "one\ntwo\nthree\n");
    assert_null(audit_file_close(file));
    assert_null(audit_file_close(NULL));
}

static void test_segments(void **state)
{
    (void)state;
    struct audit_file *file = open_at(START_S);
    put(file, "a\n", START_S);
    put(file, "b\n", START_S + SEGMENT_S);
    put(file, "c\n", START_S + 2 * SEGMENT_S);
    put(file, "d\n", START_S + 2 * SEGMENT_S + 1);
    assert_content(0, "c\nd\n");
    assert_content(1, "b\n");
    assert_content(2, "a\n");
    assert_content(3, NULL);
    file = audit_file_close(file);
    file = open_at(START_S + 3 * SEGMENT_S); /* a restart in a later segment */
    assert_content(0, "");
    assert_content(1, "c\nd\n");
    (void)audit_file_close(file);
}

/* An empty file has no segment to close, however long nothing happens. */
static void test_silence(void **state)
{
    (void)state;
    struct audit_file *file = open_at(START_S);
    for (unsigned i = 1; i < 20; i++)
        audit_file_tend(file, START_S + i * SEGMENT_S);
    assert_content(0, "");
    assert_content(1, NULL);
    (void)audit_file_close(file);
}

static void test_nothing_outlives_the_retention(void **state)
{
    (void)state;
    struct audit_file *file = open_at(START_S);
    for (unsigned i = 0; i < 30; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%u\n", i);
        put(file, text, START_S + i * SEGMENT_S);
        /* All that is within the retention is there. */
        for (unsigned back = 0; back <= i && back <= RETENTION_S / SEGMENT_S; back++) {
            (void)snprintf(text, sizeof text, "%u\n", i - back);
            assert_content(back, text);
        }
    }
    assert_content(10, NULL);
    audit_file_tend(file, START_S + 29 * SEGMENT_S + RETENTION_S + 1);
    for (unsigned i = 1; i < 12; i++)
        if (i != 1)
            assert_content(i, NULL);
    audit_file_tend(file, START_S + 29 * SEGMENT_S + RETENTION_S + 2);
    assert_content(1, NULL); /* the last record, too */
    (void)audit_file_close(file);
}

static void test_files_of_others(void **state)
{
    (void)state;
    char other[80];
    name_of(7, other);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_null(audit_file_open(path, RETENTION_S, START_S, error));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(audit_file_open(path, RETENTION_S, START_S, error));
    assert_int_equal(unlink(path), 0);
    int fd = open(path, O_WRONLY | O_CREAT, 0640);
    assert_true(fd >= 0);
    assert_null(audit_file_open(path, RETENTION_S, START_S, error));
    assert_string_equal(error, "others can read it; chmod 600 it");
    assert_int_equal(fchmod(fd, 0600), 0);
    assert_int_equal(link(path, other), 0);
    assert_null(audit_file_open(path, RETENTION_S, START_S, error));
    assert_string_equal(error, "it is not a plain file");
    assert_int_equal(unlink(other), 0);
    (void)audit_file_close(open_at(START_S));
    (void)close(fd);
    assert_null(audit_file_open("/nonexistent/audit.log", RETENTION_S, START_S, error));
    assert_string_equal(error, "No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_mode_and_appending, setup, teardown),
        cmocka_unit_test_setup_teardown(test_segments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silence, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_outlives_the_retention, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_of_others, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
