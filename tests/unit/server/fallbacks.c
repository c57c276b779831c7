/* LLM_FALLBACKS. */
#include "server/fallbacks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void test_good(void **state)
{
    static const struct {
        const char *text;
        const struct dialect *dialect;
        const char *model, *url;
    } rows[] = {
        {"anthropic:claude-sonnet-4-5", &dialect_anthropic, "claude-sonnet-4-5", ""},
        {" gemini:gemini-2.5-flash ", &dialect_gemini, "gemini-2.5-flash", ""},
        {"openai:llama3.2:3b@http://127.0.0.1:11434/v1/", &dialect_openai, "llama3.2:3b",
         "http://127.0.0.1:11434/v1"},
        {"openai:claude@20240620@https://example.com/a@b", &dialect_openai, "claude@20240620",
         "https://example.com/a@b"},
        {"openai:claude@20240620", &dialect_openai, "claude@20240620", ""},
    };
    struct fallbacks fallbacks;
    char error[200];
    (void)state;
    assert_true(fallbacks_parse("", &fallbacks, error) && fallbacks.count == 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(fallbacks_parse(rows[i].text, &fallbacks, error));
        assert_int_equal(fallbacks.count, 1);
        assert_ptr_equal(fallbacks.list[0].dialect, rows[i].dialect);
        assert_string_equal(fallbacks.list[0].model, rows[i].model);
        assert_string_equal(fallbacks.list[0].url, rows[i].url);
    }
    assert_true(fallbacks_parse("gemini:a,anthropic:b , openai:c@https://d", &fallbacks, error));
    assert_int_equal(fallbacks.count, 3);
    assert_string_equal(fallbacks.list[1].model, "b");
    assert_string_equal(fallbacks.list[2].url, "https://d");
}

static void test_bad(void **state)
{
    static const char *const bad[] = {
        "claude-sonnet",
        "mistral:x",
        "offline:x",
        ":x",
        "openai",
        "openai:",
        "openai:a,",
        ",openai:a",
        "openai:a,,",
        "Openai:",
        "openai :a",
        "openai:@https://x",
        "openai:a;b:c,",
        "gemini:a,b:c",
        "openai:a,openai:a,openai:a,openai:a,openai:a,openai:a,openai:a,openai:a"};
    struct fallbacks fallbacks;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char error[200] = "";
        if (fallbacks_parse(bad[i], &fallbacks, error))
            fail_msg("%s", bad[i]);
        assert_true(error[0] != '\0');
    }
    char text[3000] = "openai:";
    char error[200] = "";
    memset(text + 7, 'x', 200);
    assert_false(fallbacks_parse(text, &fallbacks, error));
    (void)snprintf(text, sizeof text, "openai:a@https://");
    memset(text + 17, 'x', FALLBACK_TEXT_BYTES);
    assert_false(fallbacks_parse(text, &fallbacks, error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
