/* A verdict as gRPC and its kin say it. */
#include "shared/pipeline/status_details.h"
#include "tests/support/arena_fixture.h"

#include <google/rpc/error_details.pb-c.h>
#include <google/rpc/status.pb-c.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static Google__Rpc__Status *read_status(struct span bytes)
{
    Google__Rpc__Status *status =
        google__rpc__status__unpack(NULL, bytes.len, (const uint8_t *)bytes.at);
    assert_non_null(status);
    return status;
}

static void test_nothing_to_say(void **state)
{
    struct verdict ok = verdict_of(VERDICT_OK);
    struct verdict timed_out = verdict_of(VERDICT_TIMED_OUT);
    (void)state;
    assert_int_equal(status_details_pack(&ok, &arena).len, 0);
    assert_int_equal(status_message(&ok).len, 0);
    assert_int_equal(status_details_pack(&timed_out, &arena).len, 0);
    assert_true(span_is(status_message(&timed_out), verdict_row(VERDICT_TIMED_OUT)->detail));
}

static void test_violations(void **state)
{
    struct violation violations[] = {
        {SPAN_LITERAL("name"), SPAN_LITERAL("string.max_len"), SPAN_LITERAL("too long")},
        {SPAN_LITERAL("a[2]"), SPAN_LITERAL("required"), SPAN_LITERAL("m\u00fcssen")}};
    struct verdict verdict = {.code = VERDICT_INVALID, .violations = violations, .n_violations = 2};
    (void)state;
    Google__Rpc__Status *status = read_status(status_details_pack(&verdict, &arena));
    assert_int_equal(status->code, 3);
    assert_string_equal(status->message, verdict_row(VERDICT_INVALID)->detail);
    assert_int_equal(status->n_details, 1);
    assert_string_equal(status->details[0]->type_url, "type.googleapis.com/google.rpc.BadRequest");
    Google__Rpc__BadRequest *body = google__rpc__bad_request__unpack(
        NULL, status->details[0]->value.len, status->details[0]->value.data);
    assert_int_equal(body->n_field_violations, 2);
    assert_string_equal(body->field_violations[0]->field, "name");
    assert_string_equal(body->field_violations[0]->description, "too long");
    assert_string_equal(body->field_violations[1]->field, "a[2]");
    assert_string_equal(body->field_violations[1]->description, "m\u00fcssen");
    google__rpc__bad_request__free_unpacked(body, NULL);
    google__rpc__status__free_unpacked(status, NULL);
}

static void test_retry(void **state)
{
    struct verdict verdict = {.code = VERDICT_OVERLOADED, .retry_after_ms = 2345};
    (void)state;
    Google__Rpc__Status *status = read_status(status_details_pack(&verdict, &arena));
    assert_int_equal(status->code, 14);
    assert_int_equal(status->n_details, 1);
    assert_string_equal(status->details[0]->type_url, "type.googleapis.com/google.rpc.RetryInfo");
    Google__Rpc__RetryInfo *body = google__rpc__retry_info__unpack(
        NULL, status->details[0]->value.len, status->details[0]->value.data);
    assert_int_equal(body->retry_delay->seconds, 2);
    assert_int_equal(body->retry_delay->nanos, 345000000);
    google__rpc__retry_info__free_unpacked(body, NULL);
    google__rpc__status__free_unpacked(status, NULL);
}

/* What Connect sends one by one. */
static void test_one_by_one(void **state)
{
    struct violation violation = {SPAN_LITERAL("name"), SPAN_LITERAL("required"),
                                  SPAN_LITERAL("is missing")};
    struct verdict verdict = {.code = VERDICT_INVALID,
                              .violations = &violation,
                              .n_violations = 1,
                              .retry_after_ms = 1000};
    struct status_detail details[STATUS_DETAILS];
    (void)state;
    assert_int_equal(status_details(&verdict, &arena, details), 2);
    assert_string_equal(details[0].type, "google.rpc.BadRequest");
    assert_string_equal(details[1].type, "google.rpc.RetryInfo");
    Google__Rpc__RetryInfo *retry = google__rpc__retry_info__unpack(
        NULL, details[1].value.len, (const uint8_t *)details[1].value.at);
    assert_int_equal(retry->retry_delay->seconds, 1);
    google__rpc__retry_info__free_unpacked(retry, NULL);
    verdict = verdict_of(VERDICT_TIMED_OUT);
    assert_int_equal(status_details(&verdict, &arena, details), 0);
}

/* A client refuses trailers of more than 8 KB as a whole. */
static void test_bounded(void **state)
{
    static struct violation violations[10000];
    static char text[5000];
    struct verdict verdict = {.code = VERDICT_INVALID,
                              .detail = {text, sizeof text},
                              .violations = violations,
                              .n_violations = 10000,
                              .retry_after_ms = 1};
    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t step = 0; step < 3; step++) {
        size_t len = step == 0 ? 0 : step == 1 ? 30 : sizeof text;
        for (size_t i = 0; i < 10000; i++)
            violations[i] = (struct violation){.path = {text, len}, .message = {text, len}};
        struct span bytes = status_details_pack(&verdict, &arena);
        assert_in_range(bytes.len, 1, STATUS_DETAILS_BYTES);
        Google__Rpc__Status *status = read_status(bytes);
        assert_int_equal(strlen(status->message), STATUS_MESSAGE_BYTES);
        assert_int_equal(status->n_details, 2);
        google__rpc__status__free_unpacked(status, NULL);
    }
}

static void test_message_is_cut_between_characters(void **state)
{
    static char text[STATUS_MESSAGE_BYTES + 2];
    struct verdict verdict = {.code = VERDICT_MALFORMED, .detail = {text, sizeof text}};
    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text + STATUS_MESSAGE_BYTES - 2, "\xe2\x82\xac", 3);
    assert_int_equal(status_message(&verdict).len, STATUS_MESSAGE_BYTES - 2);
    verdict.detail.len = STATUS_MESSAGE_BYTES - 2;
    assert_int_equal(status_message(&verdict).len, STATUS_MESSAGE_BYTES - 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_to_say, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_violations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_retry, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_by_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bounded, set_up, tear_down),
        cmocka_unit_test(test_message_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
