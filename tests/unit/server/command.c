/* The commands: what they print can be used, what they are told wrongly is named. */
#include "server/command.h"

#include "shared/policy/apikey.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *said, *complained;
static int code;

static bool run(const char *words)
{
    char copy[512], *argv[32], *rest = NULL;
    int argc = 0;
    size_t said_len = 0, complained_len = 0;
    free(said);
    free(complained);
    FILE *out = open_memstream(&said, &said_len);
    FILE *errors = open_memstream(&complained, &complained_len);
    (void)snprintf(copy, sizeof copy, "weir %s", words);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    argv[argc] = NULL;
    code = -1;
    bool ran = command_run(argc, argv, out, errors, &code);
    (void)fclose(out);
    (void)fclose(errors);
    return ran;
}

static void test_words_of_the_server_are_none(void **state)
{
    (void)state;
    assert_false(run(""));
    assert_false(run("--port 0"));
    assert_false(run("--keys new"));
}

static void test_keys_new(void **state)
{
    (void)state;
    char problem[APIKEYS_PROBLEM_BYTES], before[APIKEY_BYTES + 1] = "";
    const struct apikey *row = NULL;
    for (int i = 0; i < 20; i++) {
        assert_true(run("keys new --tenant acme --scope flow:tell_joke,flow:translate_text "
                        "--scope=flow:tell_story --limit 10/second --expires 90d"));
        assert_int_equal(code, 0);
        struct apikeys *keys = NULL;
        char *key = strchr(said, '\n') + 1;
        size_t len = strcspn(key, "\n");
        char *line = strchr(key + len + 1, '\n') + 1;
        keys = apikeys_parse(span_of(line), problem);
        assert_non_null(keys);
        assert_int_equal(apikeys_find(keys, span_make(key, len), 0, &row), APIKEY_FINE);
        assert_true(span_is(row->tenant, "acme"));
        assert_true(span_is(row->scopes, "flow:tell_joke flow:translate_text flow:tell_story"));
        assert_int_equal(row->limit_count, 10);
        assert_int_not_equal(row->expires_s, INT64_MAX);
        key[len] = '\0';
        assert_null(strstr(line, key + strlen("weir_xxxxxxxxxx_")));
        assert_string_not_equal(before, key);
        (void)snprintf(before, sizeof before, "%s", key);
        (void)apikeys_unref(keys);
    }
}

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *words, *why;
    } cases[] = {
        {"keys", "usage"},
        {"keys list", "usage"},
        {"keys new", "--tenant"},
        {"keys new --tenant acme", "--scope"},
        {"keys new --tenant acme --scope admin", "--scope"},
        {"keys new --tenant acme --scope flow:*,", "--scope"},
        {"keys new --tenant", "--tenant needs a value"},
        {"keys new --tenant=", "--tenant needs a value"},
        {"keys new --tenant a --tenant b --scope flow:*", "once"},
        {"keys new --tenant acme --scope flow:* --limit 10", "--limit"},
        {"keys new --tenant acme --scope flow:* --expires soon", "--expires"},
        {"keys new --tenant acme --scope flow:* --expires 0d", "--expires"},
        {"keys new --tenant acme --scope flow:* --colour red", "--colour"},
        {"keys new acme", "acme"},
        {"token", ""},
        {"token --sub ada --key-file /nowhere", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(run(cases[i].words));
        assert_int_equal(code, 2);
        assert_string_equal(said, "");
        if (complained[0] == '\0' || strstr(complained, cases[i].why) == NULL)
            fail_msg("%s: \"%s\"", cases[i].words, complained);
    }
}

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds; /* 0: refused */
    } cases[] = {{"45s", 45}, {"30m", 1800}, {"12h", 43200}, {"90d", 7776000},
                 {"", 0},     {"d", 0},      {"90", 0},      {"-1d", 0},
                 {"1w", 0},   {"1dd", 0},    {"0s", 0},      {"9999999d", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t seconds = 0;
        assert_int_equal(command_duration(cases[i].text, &seconds), cases[i].seconds != 0);
        assert_int_equal(seconds, cases[i].seconds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_of_the_server_are_none),
        cmocka_unit_test(test_keys_new),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_durations),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(said);
    free(complained);
    return failed;
}
