/* The audit log: its rate, and the lines that it writes to the log and to its file. */
#include "shared/base/audit.h"

#include "shared/base/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_gate(void **state)
{
    (void)state;
    struct audit_gate gate;
    unsigned passed = 0;
    audit_gate_init(&gate, 1000);
    while (audit_gate_take(&gate, 1000))
        passed++;
    assert_int_equal(passed, AUDIT_BURST);
    assert_false(audit_gate_take(&gate, 1000 + 1000 / AUDIT_PER_SECOND - 1));
    assert_true(audit_gate_take(&gate, 1000 + 1000 / AUDIT_PER_SECOND));
    assert_false(audit_gate_take(&gate, 1000 + 1000 / AUDIT_PER_SECOND));
    assert_false(audit_gate_take(&gate, 0)); /* a clock that goes back gives nothing */
    for (passed = 0; audit_gate_take(&gate, UINT64_MAX / 2);)
        passed++;
    assert_int_equal(passed, AUDIT_BURST); /* however long it was */
}

static json_t *line_of(FILE *file, const char *event)
{
    char text[4096];
    rewind(file);
    while (fgets(text, sizeof text, file) != NULL) {
        json_t *line = json_loads(text, 0, NULL);
        assert_non_null(line);
        if (strcmp(json_string_value(json_object_get(line, "event")), event) == 0)
            return line;
        json_decref(line);
    }
    return NULL;
}

static const char *member(const json_t *line, const char *name)
{
    const char *value = json_string_value(json_object_get(line, name));
    return value != NULL ? value : "";
}

static void check_failure(FILE *file)
{
    json_t *line = line_of(file, "auth_failure");
    assert_non_null(line);
    assert_string_equal(member(line, "logger"), "audit");
    assert_string_equal(member(line, "level"), "warning");
    assert_string_equal(member(line, "request_id"), "r-1");
    assert_string_equal(member(line, "protocol"), "rest");
    assert_string_equal(member(line, "peer"), "192.0.2.1");
    assert_string_equal(member(line, "action"), "/a\n\"b");
    assert_string_equal(member(line, "reason"), "UNAUTHENTICATED");
    assert_int_equal(strlen(member(line, "time")), 24);
    assert_null(json_object_get(line, "tenant"));
    json_decref(line);
}

static void check_left_out(FILE *file)
{
    json_t *line = line_of(file, "left_out");
    assert_non_null(line);
    assert_string_equal(member(line, "kind"), "limit_exceeded");
    assert_int_equal(json_integer_value(json_object_get(line, "events")), 7);
    json_decref(line);
}

/* The log says only errors here: the file has all events all the same. */
static void test_lines(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-audit-XXXXXX", log_path[] = "/tmp/weir-log-XXXXXX", error[128] = "";
    const struct peer peer = {.address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1}};
    int fd = mkstemp(path), log_fd = mkstemp(log_path);
    assert_true(fd >= 0 && log_fd >= 0);
    assert_true(audit_start(path, 86400000, error));
    log_start(&(struct log_settings){.level = LOG_WARNING, .format = LOG_JSON, .fd = log_fd});
    audit_put(&(struct audit_event){.kind = AUDIT_AUTH_FAILURE,
                                    .request_id = "r-1",
                                    .protocol = "rest",
                                    .peer = &peer,
                                    .action = SPAN_LITERAL("/a\n\"b"),
                                    .reason = SPAN_LITERAL("UNAUTHENTICATED")});
    audit_put(&(struct audit_event){.kind = AUDIT_AUTH_SUCCESS,
                                    .credential = "token",
                                    .tenant = SPAN_LITERAL("acme"),
                                    .subject = SPAN_LITERAL("jane")});
    for (unsigned i = 0; i < AUDIT_BURST + 7; i++)
        audit_put(&(struct audit_event){.kind = AUDIT_LIMIT_EXCEEDED});
    struct audit_stats stats = audit_stats();
    log_stop(5000);
    FILE *file = fdopen(fd, "r"), *log = fdopen(log_fd, "r");
    assert_true(file != NULL && log != NULL);
    check_failure(file);
    check_failure(log);
    json_t *line = line_of(file, "auth_success");
    assert_non_null(line);
    assert_string_equal(member(line, "tenant"), "acme");
    assert_string_equal(member(line, "subject"), "jane");
    assert_string_equal(member(line, "credential"), "token");
    json_decref(line);
    assert_null(line_of(log, "auth_success"));
    /* A slow machine earns some tokens while the events come in. */
    assert_int_equal(stats.events[AUDIT_LIMIT_EXCEEDED] + stats.left_out[AUDIT_LIMIT_EXCEEDED],
                     AUDIT_BURST + 7);
    assert_int_equal(stats.not_written, 0);
    if (stats.left_out[AUDIT_LIMIT_EXCEEDED] == 7) {
        check_left_out(file);
        check_left_out(log);
    }
    (void)fclose(file);
    (void)fclose(log);
    (void)unlink(path);
    (void)unlink(log_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gate), cmocka_unit_test(test_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
