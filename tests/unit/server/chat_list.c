/* CHAT_MODELS. */
#include "server/chat_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct chat_list list;
static char error[200];

static void test_good(void **state)
{
    (void)state;
    assert_true(chat_list_parse("", &list, error) && list.count == 0);
    assert_true(chat_list_parse("  ", &list, error) && list.count == 0);
    assert_true(chat_list_parse(" fast = gemini:gemini-2.5-flash ,"
                                "my/own:7b=openai:a=b@http://127.0.0.1:1/v1/",
                                &list, error));
    assert_int_equal(list.count, 2);
    assert_string_equal(list.list[0].name, "fast");
    assert_ptr_equal(list.list[0].place.dialect, &dialect_gemini);
    assert_string_equal(list.list[0].place.model, "gemini-2.5-flash");
    assert_string_equal(list.list[0].place.url, "");
    assert_string_equal(list.list[1].name, "my/own:7b");
    assert_string_equal(list.list[1].place.model, "a=b");
    assert_string_equal(list.list[1].place.url, "http://127.0.0.1:1/v1");
}

static void test_bad(void **state)
{
    static const char *const bad[] = {
        "fast",
        "=openai:x",
        " =openai:x",
        "fast=",
        "fast=openai",
        "fast=mistral:x",
        "two words=openai:x",
        "fast=openai:x,",
        ",fast=openai:x",
        "fast=openai:x,fast=openai:y",
        "a=openai:x,b=openai:x,c=openai:x,d=openai:x,e=openai:x,f=openai:x,g=openai:x,"
        "h=openai:x,i=openai:x",
    };
    char longest[128];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        error[0] = '\0';
        if (chat_list_parse(bad[i], &list, error))
            fail_msg("%s", bad[i]);
        assert_true(error[0] != '\0');
    }
    for (size_t len = 100; len <= 101; len++) {
        memset(longest, 'x', len);
        memcpy(longest + len, "=openai:x", sizeof "=openai:x");
        assert_int_equal(chat_list_parse(longest, &list, error), len == 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
