/* The table of endings: every row is complete and fits both protocols. */
#include "shared/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void every_row_is_complete(void **state)
{
    (void)state;
    for (int code = 0; code < VERDICT_COUNT; code++) {
        const struct verdict_row *row = verdict_row((enum verdict_code)code);
        assert_non_null(row->name);
        assert_true(strlen(row->title) > 0);
        assert_true(row->grpc_code == GRPC_OK || strlen(row->detail) > 0);
        assert_in_range(row->http_status, 200, 599);
        assert_true((row->http_status < 300) == (row->grpc_code == GRPC_OK));
        assert_non_null(grpc_code_name(row->grpc_code));
    }
}

static void a_detail_of_the_request_comes_before_the_rows(void **state)
{
    (void)state;
    struct verdict verdict = verdict_of(VERDICT_TOO_LARGE);
    assert_true(span_is(verdict_detail(&verdict), verdict_row(VERDICT_TOO_LARGE)->detail));
    verdict.detail = span_of("This one.");
    assert_true(span_is(verdict_detail(&verdict), "This one."));
}

static void codes_have_their_grpc_names(void **state)
{
    (void)state;
    assert_string_equal(grpc_code_name(GRPC_OK), "OK");
    assert_string_equal(grpc_code_name(GRPC_RESOURCE_EXHAUSTED), "RESOURCE_EXHAUSTED");
    assert_string_equal(grpc_code_name(GRPC_UNAUTHENTICATED), "UNAUTHENTICATED");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_complete),
        cmocka_unit_test(a_detail_of_the_request_comes_before_the_rows),
        cmocka_unit_test(codes_have_their_grpc_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
