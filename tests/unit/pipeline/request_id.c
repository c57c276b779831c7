/* H3: a harmless id of the client's is kept, anything else gets a UUIDv4. */
#include "shared/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void identify(struct request *request, struct span given)
{
    memset(request, 0, sizeof *request);
    request->given.client_request_id = given;
    request_identify(request);
}

static void assert_is_uuid4(const char *id)
{
    assert_int_equal(strlen(id), 36);
    for (size_t i = 0; i < 36; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23)
            assert_int_equal(id[i], '-');
        else
            assert_non_null(strchr("0123456789abcdef", id[i]));
    }
    assert_int_equal(id[14], '4');
    assert_non_null(strchr("89ab", id[19]));
}

static void harmless_ids_are_kept(void **state)
{
    (void)state;
    char longest[129];
    memset(longest, 'a', 128);
    longest[128] = '\0';
    const char *const kept[] = {"a", "abc-DEF_0.9", longest};
    struct request request;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        identify(&request, span_of(kept[i]));
        assert_string_equal(request.id, kept[i]);
    }
}

static void other_ids_are_replaced(void **state)
{
    (void)state;
    char too_long[130];
    memset(too_long, 'a', 129);
    too_long[129] = '\0';
    const char *const replaced[] = {"",           "a b",    "a\nb",  "caf\xc3\xa9", "a/b",
                                    "\"quoted\"", too_long, "a\x7f", "{}",          "a;b"};
    struct request request;
    for (size_t i = 0; i < sizeof replaced / sizeof replaced[0]; i++) {
        identify(&request, span_of(replaced[i]));
        assert_is_uuid4(request.id);
    }
    identify(&request, span_make("a\0b", 3));
    assert_is_uuid4(request.id);
}

static void made_ids_differ_and_the_first_settles_it(void **state)
{
    (void)state;
    static char seen[500][37];
    struct request request;
    for (size_t i = 0; i < 500; i++) {
        identify(&request, SPAN_EMPTY);
        memcpy(seen[i], request.id, 37);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(seen[i], seen[j]);
    }
    request.given.client_request_id = span_of("late");
    request_identify(&request);
    assert_string_equal(request.id, seen[499]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(harmless_ids_are_kept),
        cmocka_unit_test(other_ids_are_replaced),
        cmocka_unit_test(made_ids_differ_and_the_first_settles_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
