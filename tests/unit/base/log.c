#include "shared/base/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MOST_OUTPUT_BYTES = 4 << 20 };

static char output[MOST_OUTPUT_BYTES];
static size_t output_len;
static int pipe_fds[2];

static void start(enum log_format format, enum log_level level)
{
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    output_len = 0;
    log_start(&(struct log_settings){.level = level, .format = format, .fd = pipe_fds[1]});
}

static void *read_all(void *unused)
{
    (void)unused;
    for (;;) {
        ssize_t got = read(pipe_fds[0], output + output_len, MOST_OUTPUT_BYTES - 1 - output_len);
        if (got <= 0)
            return NULL;
        output_len += (size_t)got;
    }
}

/* Ends the log; `output` is then what was written. */
static void stop(void)
{
    log_stop(5000);
    (void)close(pipe_fds[1]);
    (void)read_all(NULL);
    output[output_len] = '\0';
    (void)close(pipe_fds[0]);
}

/* The one line of the output, which has to be JSON. */
static json_t *the_line(void)
{
    json_error_t error;
    assert_true(output_len > 0 && output_len <= LOG_LINE_BYTES);
    assert_ptr_equal(strchr(output, '\n'), output + output_len - 1);
    json_t *line = json_loads(output, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (line == NULL)
        fail_msg("%s at %d of %s", error.text, error.position, output);
    return line;
}

static const char *text_of(const json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));
    assert_non_null(text);
    return text;
}

static void test_a_json_line(void **state)
{
    (void)state;
    struct log_line line;
    start(LOG_JSON, LOG_INFO);
    log_begin(&line, LOG_WARNING, "access", "request");
    log_text(&line, "path", "/tell-joke");
    log_text(&line, "absent", NULL);
    log_span(&line, "span", span_make("abcdef", 3));
    log_u64(&line, "large", UINT64_MAX);
    log_u64(&line, "none", 0);
    log_i64(&line, "small", INT64_MIN);
    log_ms(&line, "ms", 12345678901U);
    log_ms(&line, "short_ms", 9999);
    log_bool(&line, "yes", true);
    log_bool(&line, "no", false);
    log_end(&line);
    stop();
    /* {"time":"2026-11-24T13:00:00.123Z", */
    static const char shape[] = "{\"time\":\"dddd-dd-ddTdd:dd:dd.dddZ\",";
    for (size_t i = 0; i < sizeof shape - 1; i++)
        assert_int_equal(output[i] >= '0' && output[i] <= '9' ? 'd' : output[i], shape[i]);
    assert_string_equal(output + sizeof shape - 1,
                        "\"level\":\"warning\",\"logger\":\"access\",\"event\":\"request\","
                        "\"path\":\"/tell-joke\",\"span\":\"abc\","
                        "\"large\":18446744073709551615,\"none\":0,\"small\":-9223372036854775808,"
                        "\"ms\":12345.678,\"short_ms\":0.009,\"yes\":true,\"no\":false}\n");
}

static void test_levels(void **state)
{
    (void)state;
    struct log_line line;
    start(LOG_JSON, LOG_WARNING);
    assert_false(log_is_on(LOG_INFO));
    log_begin(&line, LOG_INFO, "test", "unheard");
    log_text(&line, "a", "b");
    log_span(&line, "a", span_of("b"));
    log_u64(&line, "c", 1);
    log_end(&line);
    log_event(LOG_DEBUG, "test", "unheard", "a", "b");
    log_event(LOG_ERROR, "test", "heard", NULL, NULL);
    stop();
    json_t *heard = the_line();
    assert_string_equal(text_of(heard, "event"), "heard");
    assert_string_equal(text_of(heard, "level"), "error");
    json_decref(heard);
}

/* Logs `value` as it is and returns how it was written, between the quotes. */
static const char *written_as(struct span value)
{
    static char text[LOG_LINE_BYTES];
    struct log_line line;
    start(LOG_JSON, LOG_INFO);
    log_begin(&line, LOG_INFO, "test", "values");
    log_span(&line, "value", value);
    log_bool(&line, "after", true);
    log_end(&line);
    stop();
    json_decref(the_line());
    const char *begin = strstr(output, "\"value\":\"");
    assert_non_null(begin);
    begin += 9;
    const char *end = strstr(begin, "\",\"after\":true}\n");
    size_t len = end != NULL ? (size_t)(end - begin) : strlen(begin) - 3;
    memcpy(text, begin, len);
    text[len] = '\0';
    return text;
}

static void test_escapes(void **state)
{
    (void)state;
    static const struct {
        struct span value;
        const char *written;
    } rows[] = {
        {SPAN_LITERAL(""), ""},
        {SPAN_LITERAL("plain /?&=\x7e"), "plain /?&=~"},
        {SPAN_LITERAL("a\"b\\c"), "a\\\"b\\\\c"},
        {SPAN_LITERAL("a\r\nb\tc\0d\x1b[31m\x7f"),
         "a\\u000d\\u000ab\\u0009c\\u0000d\\u001b[31m\\u007f"},
        {SPAN_LITERAL("\",\"event\":\"ready\"}\n{"), "\\\",\\\"event\\\":\\\"ready\\\"}\\u000a{"},
        {SPAN_LITERAL("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
         "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {SPAN_LITERAL("\xc2\x9b"
                      "31m\xc2\x80\xc2\xa0"),
         "\\u009b31m\\u0080\xc2\xa0"},
        /* separators and marks that turn the direction, and their neighbours that do neither */
        {SPAN_LITERAL("\xe2\x80\xa8\xe2\x80\xae\xe2\x80\x8b\xe2\x81\xa6\xef\xbb\xbf"),
         "\\u2028\\u202e\\u200b\\u2066\\ufeff"},
        {SPAN_LITERAL("\xe2\x80\x8a\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\x9f\xef\xbb\xbe"),
         "\xe2\x80\x8a\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\x9f\xef\xbb\xbe"},
        /* not UTF-8: a lone lead, a lone continuation, overlong, a surrogate, beyond the end */
        {SPAN_LITERAL("a\xc3"), "a\xef\xbf\xbd"},
        {SPAN_LITERAL("\x80"
                      "b"),
         "\xef\xbf\xbd"
         "b"},
        {SPAN_LITERAL("\xc3\xa9\xff\xc3\xa9"), "\xc3\xa9\xef\xbf\xbd\xc3\xa9"},
        {SPAN_LITERAL("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd"},
        {SPAN_LITERAL("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {SPAN_LITERAL("\xf4\x90\x80\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        /* personal data */
        {SPAN_LITERAL("/x?mail=jane@example.com"), "/x?mail=[email]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(written_as(rows[i].value), rows[i].written);
}

static void test_cuts(void **state)
{
    (void)state;
    char value[2000];
    memset(value, 'x', sizeof value);
    assert_int_equal(strlen(written_as(span_make(value, 512))), 512);
    assert_int_equal(strlen(written_as(span_make(value, 513))), 512);
    assert_int_equal(strlen(written_as(span_make(value, sizeof value))), 512);
    /* Never within a character: 3 bytes each from byte 1 on, so that 512 falls into one. */
    for (size_t i = 1; i + 3 <= sizeof value; i += 3)
        memcpy(value + i, "\xe2\x82\xac", 3);
    assert_int_equal(strlen(written_as(span_make(value, 1999))), 511);
    /* Bytes that are no UTF-8 at all. */
    memset(value, '\x80', sizeof value);
    assert_true(strlen(written_as(span_make(value, sizeof value))) >= 3 * 500);
    /* Escapes that fill the line: the value is cut between two of them, the line still ends. */
    memset(value, '\x01', sizeof value);
    const char *written = written_as(span_make(value, sizeof value));
    assert_true(strlen(written) > 1800 && strlen(written) % 6 == 0);
}

/* Whatever the fields, a line is one line of JSON and not longer than it may be. */
static void test_a_full_line(void **state)
{
    (void)state;
    static const char *const fillers[] = {"x", "\x01", "\"", "\xe2\x82\xac", "\xff", "\xc2\x85"};
    char value[600];
    for (size_t filler = 0; filler < 6; filler++) {
        for (size_t len = 0; len < sizeof value - 4; len += 13) {
            struct log_line line;
            size_t used = 0;
            while (used < len) {
                memcpy(value + used, fillers[filler], strlen(fillers[filler]));
                used += strlen(fillers[filler]);
            }
            log_begin(&line, LOG_INFO, "test", "full");
            for (unsigned i = 0; i < 30; i++) {
                char name[8];
                (void)snprintf(name, sizeof name, "f%u", i);
                log_span(&line, name, span_make(value, used));
                name[0] = 'n';
                log_u64(&line, name, INT64_MAX);
            }
            assert_true(line.len <= LOG_LINE_BYTES - 2);
            line.text[line.len] = '}';
            json_error_t error;
            json_t *read = json_loadb(line.text, line.len + 1, JSON_REJECT_DUPLICATES, &error);
            if (read == NULL)
                fail_msg("%s: %.*s}", error.text, (int)line.len, line.text);
            json_decref(read);
        }
    }
}

static void test_console(void **state)
{
    (void)state;
    struct log_line line;
    start(LOG_CONSOLE, LOG_INFO);
    log_begin(&line, LOG_INFO, "access", "request");
    log_text(&line, "word", "/tell-joke");
    log_text(&line, "words", "a b=\"c\"\n\x1b[0m");
    log_text(&line, "empty", "");
    log_u64(&line, "n", 7);
    log_end(&line);
    stop();
    /* 13:00:00.123 */
    assert_true(output_len > 13 && output[8] == '.' && output[12] == ' ');
    assert_string_equal(output + 13, "info access request word=/tell-joke "
                                     "words=\"a b=\\\"c\\\"\\u000a\\u001b[0m\" empty=\"\" n=7\n");
}

static size_t count(const char *what)
{
    size_t n = 0;
    for (const char *at = output; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

/* Nobody reads: the writer goes on, what does not fit is counted, and the count is told. */
static void test_drops(void **state)
{
    (void)state;
    enum { LINES = 10000 };
    uint64_t before = log_dropped();
    start(LOG_JSON, LOG_INFO);
    for (unsigned i = 0; i < LINES; i++)
        log_event(LOG_INFO, "test", "line", "text", "some sixty bytes of text that fill the ring");
    uint64_t dropped = log_dropped() - before;
    assert_true(dropped > 0 && dropped < LINES);
    pthread_t reader;
    assert_int_equal(pthread_create(&reader, NULL, read_all, NULL), 0);
    log_stop(5000);
    (void)close(pipe_fds[1]);
    assert_int_equal(pthread_join(reader, NULL), 0);
    (void)close(pipe_fds[0]);
    output[output_len] = '\0';
    assert_int_equal(count("\"event\":\"line\"") + dropped, LINES);
    const char *told = strstr(output, "\"event\":\"log_dropped\",\"lines\":");
    assert_non_null(told);
    uint64_t sum = 0;
    for (; told != NULL; told = strstr(told + 1, "\"event\":\"log_dropped\",\"lines\":"))
        sum += strtoull(told + 30, NULL, 10);
    assert_int_equal(sum, dropped);
}

enum { THREADS = 4, LINES_A_THREAD = 1500 };

static void *write_lines(void *argument)
{
    unsigned thread = *(unsigned *)argument;
    for (unsigned i = 0; i < LINES_A_THREAD; i++) {
        struct log_line line;
        log_begin(&line, LOG_INFO, "test", "line");
        log_u64(&line, "thread", thread);
        log_u64(&line, "number", i);
        log_end(&line);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t reader, threads[THREADS];
    unsigned numbers[THREADS], next[THREADS] = {0};
    uint64_t before = log_dropped();
    start(LOG_JSON, LOG_INFO);
    assert_int_equal(pthread_create(&reader, NULL, read_all, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    log_stop(10000);
    (void)close(pipe_fds[1]);
    assert_int_equal(pthread_join(reader, NULL), 0);
    (void)close(pipe_fds[0]);
    output[output_len] = '\0';
    assert_int_equal(log_dropped(), before);
    /* Each thread's lines whole and in its order. */
    char *rest = NULL;
    for (char *line = strtok_r(output, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        unsigned thread = THREADS, number = 0;
        const char *fields = strstr(line, "\"thread\":");
        assert_non_null(fields);
        assert_int_equal(sscanf(fields, "\"thread\":%u,\"number\":%u}", &thread, &number), 2);
        assert_true(thread < THREADS);
        assert_int_equal(number, next[thread]++);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(next[i], LINES_A_THREAD);
}

static void *write_one_line(void *unused)
{
    (void)unused;
    log_event(LOG_INFO, "test", "line", NULL, NULL);
    return NULL;
}

/* More threads than there are rings, one after another. */
static void test_rings_are_used_again(void **state)
{
    (void)state;
    enum { MANY = 600 };
    uint64_t before = log_dropped();
    start(LOG_JSON, LOG_INFO);
    for (unsigned i = 0; i < MANY; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, write_one_line, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    stop();
    assert_int_equal(log_dropped(), before);
    assert_int_equal(count("\n"), MANY);
}

/* Before log_start and after log_stop, standard error gets the lines. */
static void test_without_the_thread(void **state)
{
    (void)state;
    int kept = dup(STDERR_FILENO);
    output_len = 0;
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    assert_int_equal(dup2(pipe_fds[1], STDERR_FILENO), STDERR_FILENO);
    log_event(LOG_ERROR, "test", "early", "a", "b");
    assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    (void)close(kept);
    (void)close(pipe_fds[1]);
    (void)read_all(NULL);
    (void)close(pipe_fds[0]);
    output[output_len] = '\0';
    json_t *early = the_line();
    assert_string_equal(text_of(early, "event"), "early");
    json_decref(early);
}

/* A reader that takes nothing does not keep the process. */
static void test_stop_is_bounded(void **state)
{
    (void)state;
    int status = -1;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)alarm(20);
        if (pipe2(pipe_fds, O_CLOEXEC) != 0)
            _exit(1);
        log_start(&(struct log_settings){.level = LOG_INFO, .fd = pipe_fds[1]});
        for (unsigned i = 0; i < 5000; i++)
            log_event(LOG_INFO, "test", "line", "text", "nobody will ever read this line");
        log_stop(50);
        _exit(log_dropped() > 0 ? 0 : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stop_is_bounded),
        cmocka_unit_test(test_without_the_thread),
        cmocka_unit_test(test_a_json_line),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_a_full_line),
        cmocka_unit_test(test_console),
        cmocka_unit_test(test_drops),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_rings_are_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
